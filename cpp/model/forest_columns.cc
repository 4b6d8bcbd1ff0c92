// SPDX-License-Identifier: Apache-2.0
#include "model/forest_columns.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <unordered_set>
#include <utility>

namespace thriftscore {
namespace {

constexpr std::uint8_t kNumericRule = kMissingLeft | kZeroIsMissing | kNanIsZero;
constexpr std::uint8_t kCategoricalRule = kMissingLeft | kCategorical | kNanIsMissing;

// Nodes with the same key look at the same column.
std::uint64_t key_of(const ForestNode& node) {
  const bool categorical = (node.flags & kCategorical) != 0;
  const std::uint64_t rule = node.flags & (categorical ? kCategoricalRule : kNumericRule);
  const auto set = categorical ? static_cast<std::uint64_t>(node.threshold) : 0;
  return static_cast<std::uint64_t>(node.feature) << 40 | rule << 32 | set;
}

std::vector<std::uint64_t> keys_of(const ForestSpec& forest) {
  std::unordered_set<std::uint64_t> seen;
  for (const ForestNode& node : forest.nodes) {
    if (!node.is_leaf()) seen.insert(key_of(node));
  }
  std::vector<std::uint64_t> keys(seen.begin(), seen.end());
  std::sort(keys.begin(), keys.end());
  return keys;
}

template <typename T>
typename ForestColumns<T>::Column column_of(std::uint64_t key) {
  const auto flags = static_cast<std::uint8_t>(key >> 32 & 0xFF);
  const bool categorical = (flags & kCategorical) != 0;
  const bool nan_is_zero = (flags & kNanIsZero) != 0;
  return {.rule = {.feature = static_cast<std::size_t>(key >> 40),
                   .thresholds = {},
                   .category_bits = nullptr,
                   .category_words = 0,
                   .nan_is_zero = nan_is_zero,
                   .nan_is_missing = categorical ? (flags & kNanIsMissing) != 0 : !nan_is_zero,
                   .zero_is_missing = (flags & kZeroIsMissing) != 0,
                   .missing_left = (flags & kMissingLeft) != 0},
          .category_set = static_cast<std::uint32_t>(key & 0xFFFFFFFF),
          .thresholds = {},
          .categorical = categorical};
}

// The t of type T with x <= t exactly where the node's test is true, for every x of type T.
// Nothing where the test is never true.
template <typename T>
std::optional<T> decisive_threshold(const ForestNode& node) {
  constexpr T kInfinity = std::numeric_limits<T>::infinity();
  const double exact = node.threshold + 0.0;  // -0.0 as 0.0
  T rounded = static_cast<T>(exact);
  if (double{rounded} > exact) rounded = std::nextafter(rounded, -kInfinity);
  if ((node.flags & kStrict) == 0 || double{rounded} < exact) return rounded;
  if (rounded == -kInfinity) return std::nullopt;
  return std::nextafter(rounded, -kInfinity);
}

template <typename T>
void sort_unique(std::vector<T>& values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

template <typename T>
std::size_t position(const std::vector<T>& sorted, const T& value) {
  const auto found = std::lower_bound(sorted.begin(), sorted.end(), value);
  return static_cast<std::size_t>(found - sorted.begin());
}

// The level above `keys`: the largest key of each block, and beyond the last block nothing to
// compare with.
template <typename T>
AlignedVector<T> level_above(const AlignedVector<T>& keys) {
  AlignedVector<T> above;
  for (std::size_t i = kernels::kSearchWidth; i < keys.size(); i += kernels::kSearchWidth) {
    above.push_back(keys[i - 1]);
  }
  return above;
}

// Cuts trees into groups by counting what each group uses of every column.
template <typename T>
class Grouping {
 public:
  Grouping(const ForestSpec& forest, const ForestColumns<T>& columns, const CodeLimits& limits)
      : forest_(forest), columns_(columns), limits_(limits) {
    for (const auto& column : columns.columns()) {
      first_slot_.push_back(slots_);
      slots_ += column.thresholds.size();
    }
  }

  // The first tree of each group, and the number of trees; empty where a tree exceeds the limits.
  std::vector<std::size_t> cuts() {
    std::vector<std::size_t> cuts = {0};
    slot_group_.assign(slots_, 0);
    column_group_.assign(first_slot_.size(), 0);
    thresholds_used_.assign(first_slot_.size(), 0);
    for (std::size_t tree = 0; tree < forest_.trees(); ++tree) {
      if (add(tree, cuts.size())) continue;
      if (cuts.back() == tree) return {};
      cuts.push_back(tree);
      columns_used_ = 0;
      if (!add(tree, cuts.size())) return {};
    }
    cuts.push_back(forest_.trees());
    return cuts;
  }

  TreeGroup<T> group(std::size_t first_tree, std::size_t last_tree, std::vector<CodeTest>& tests) {
    std::vector<std::uint32_t> used_columns;
    std::vector<std::size_t> used_slots;
    for_each_test(first_tree, last_tree, [&](std::size_t node) {
      used_columns.push_back(columns_.tests()[node].column);
      if (has_slot(node)) used_slots.push_back(slot(node));
    });
    sort_unique(used_columns);
    sort_unique(used_slots);
    TreeGroup<T> group{first_tree, last_tree, {}};
    local_threshold_.resize(slots_);
    auto used = used_slots.begin();
    for (const std::uint32_t id : used_columns) {
      const auto& column = columns_.columns()[id];
      std::vector<T> thresholds;
      for (; used != used_slots.end() && *used < first_slot_[id] + column.thresholds.size();
           ++used) {
        thresholds.push_back(column.thresholds[*used - first_slot_[id]]);
        local_threshold_[*used] = static_cast<std::uint32_t>(thresholds.size());
      }
      group.table.add(column, thresholds, forest_);
    }
    for_each_test(first_tree, last_tree, [&](std::size_t node) {
      const CodeTest& test = columns_.tests()[node];
      tests[node] = {static_cast<std::uint32_t>(position(used_columns, test.column)),
                     has_slot(node) ? local_threshold_[slot(node)] : test.threshold};
    });
    return group;
  }

 private:
  template <typename Visit>
  void for_each_test(std::size_t first_tree, std::size_t last_tree, Visit visit) const {
    for (std::size_t node = forest_.tree_offsets[first_tree];
         node < forest_.tree_offsets[last_tree]; ++node) {
      if (!forest_.nodes[node].is_leaf()) visit(node);
    }
  }

  bool has_slot(std::size_t node) const {
    return (forest_.nodes[node].flags & kCategorical) == 0 && columns_.tests()[node].threshold != 0;
  }
  std::size_t slot(std::size_t node) const {
    const CodeTest& test = columns_.tests()[node];
    return first_slot_[test.column] + test.threshold - 1;
  }

  // Counts what `tree` adds to group number `group`; false where that exceeds the limits.
  bool add(std::size_t tree, std::size_t group) {
    bool fits = true;
    for_each_test(tree, tree + 1, [&](std::size_t node) {
      const std::uint32_t column = columns_.tests()[node].column;
      if (std::exchange(column_group_[column], group) != group) {
        thresholds_used_[column] = 0;
        fits &= ++columns_used_ <= limits_.columns;
      }
      if (has_slot(node) && std::exchange(slot_group_[slot(node)], group) != group) {
        fits &= ++thresholds_used_[column] <= limits_.thresholds;
      }
    });
    return fits;
  }

  const ForestSpec& forest_;
  const ForestColumns<T>& columns_;
  CodeLimits limits_;
  std::size_t slots_ = 0;                // a slot is a threshold of a column
  std::vector<std::size_t> first_slot_;  // by column
  std::vector<std::size_t> slot_group_;  // the last group that used it
  std::vector<std::size_t> column_group_;
  std::vector<std::size_t> thresholds_used_;  // by column, in the group
  std::size_t columns_used_ = 0;
  std::vector<std::uint32_t> local_threshold_;  // by slot, in the group
};

}  // namespace

template <typename T>
ForestColumns<T>::ForestColumns(const ForestSpec& forest) : tests_(forest.nodes.size()) {
  const std::vector<std::uint64_t> keys = keys_of(forest);
  for (const std::uint64_t key : keys) columns_.push_back(column_of<T>(key));
  for (std::size_t i = 0; i < tests_.size(); ++i) {
    const ForestNode& node = forest.nodes[i];
    if (node.is_leaf()) continue;
    tests_[i].column = static_cast<std::uint32_t>(position(keys, key_of(node)));
    Column& column = columns_[tests_[i].column];
    if (column.categorical) continue;
    if (const auto threshold = decisive_threshold<T>(node)) column.thresholds.push_back(*threshold);
  }
  for (Column& column : columns_) sort_unique(column.thresholds);
  for (std::size_t i = 0; i < tests_.size(); ++i) {
    const ForestNode& node = forest.nodes[i];
    if (node.is_leaf()) continue;
    const Column& column = columns_[tests_[i].column];
    if (column.categorical) {
      tests_[i].threshold = 1;  // a member has code 1
    } else if (const auto threshold = decisive_threshold<T>(node)) {
      tests_[i].threshold = static_cast<std::uint32_t>(1 + position(column.thresholds, *threshold));
    }
  }
}

template <typename T>
void CodeTable<T>::add(const typename ForestColumns<T>::Column& column,
                       const std::vector<T>& thresholds, const ForestSpec& forest) {
  kernels::CodeColumn<T> rule = column.rule;
  if (column.categorical) {
    const std::uint32_t* const bits = forest.category_bits.data();
    const std::uint32_t first = forest.category_offsets[column.category_set];
    const std::uint32_t last = forest.category_offsets[column.category_set + 1];
    categories_.emplace_back(bits + first, bits + last);
    categories_.back().push_back(0);  // so that it has an address
    rule.category_bits = categories_.back().data();
    rule.category_words = last - first;
  }
  AlignedVector<T> level(thresholds.begin(), thresholds.end());
  std::vector<const T*> levels;
  while (!level.empty()) {
    const std::size_t blocks = (level.size() + kernels::kSearchWidth - 1) / kernels::kSearchWidth;
    level.resize(blocks * kernels::kSearchWidth, std::numeric_limits<T>::infinity());
    levels.push_back(level.data());
    AlignedVector<T> above = level_above(level);
    keys_.push_back(std::move(level));
    level = std::move(above);
  }
  rule.thresholds.depth = levels.size();
  std::copy(levels.rbegin(), levels.rend(), rule.thresholds.levels.begin());
  columns_.push_back(rule);
}

template <typename T>
std::vector<TreeGroup<T>> group_trees(const ForestSpec& forest, const ForestColumns<T>& columns,
                                      const CodeLimits& limits, std::vector<CodeTest>& tests) {
  Grouping<T> grouping(forest, columns, limits);
  const std::vector<std::size_t> cuts = grouping.cuts();
  tests.resize(forest.nodes.size());
  std::vector<TreeGroup<T>> groups;
  for (std::size_t i = 0; i + 1 < cuts.size(); ++i) {
    groups.push_back(grouping.group(cuts[i], cuts[i + 1], tests));
  }
  return groups;
}

template class ForestColumns<float>;
template class ForestColumns<double>;
template class CodeTable<float>;
template class CodeTable<double>;
template std::vector<TreeGroup<float>> group_trees(const ForestSpec&, const ForestColumns<float>&,
                                                   const CodeLimits&, std::vector<CodeTest>&);
template std::vector<TreeGroup<double>> group_trees(const ForestSpec&, const ForestColumns<double>&,
                                                    const CodeLimits&, std::vector<CodeTest>&);

}  // namespace thriftscore
