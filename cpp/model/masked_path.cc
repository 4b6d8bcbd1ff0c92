// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

#include "kernels/kernels.h"
#include "model/chain.h"
#include "model/forest_path.h"

namespace thriftscore {
namespace {

// Trees whose leaves are found before they are added up: their masks and leaf values stay in the
// first-level cache.
constexpr std::size_t kTreesAtOnce = 32;

// Rows whose sums are kept in registers, and their additions in flight at once.
constexpr std::size_t kRowsAtOnce = 8;

struct PlacedMask {
  std::uint32_t byte;
  kernels::LeafMask mask;
};

// 8-bit codes and thresholds are biased, so that signed comparison orders them.
std::uint32_t repeated_threshold(std::uint32_t threshold) {
  return ((threshold - 128) & 0xFF) * 0x01010101U;
}

// The bits of leaves [first, last) that are in `byte`.
std::uint32_t bits_of(std::size_t first, std::size_t last, std::size_t byte) {
  std::uint32_t bits = 0;
  for (std::size_t leaf = std::max(first, 8 * byte); leaf < std::min(last, 8 * byte + 8); ++leaf) {
    bits |= 1U << (leaf - 8 * byte);
  }
  return bits * 0x01010101U;
}

// The trees of one group as masks.
class MaskTable {
 public:
  void add_tree(const ForestSpec& forest, const LeafOrder& order, std::size_t tree,
                const std::vector<CodeTest>& tests) {
    const std::size_t root = forest.tree_offsets[tree];
    std::vector<PlacedMask> placed;
    for (std::size_t node = root; node < forest.tree_offsets[tree + 1]; ++node) {
      if (forest.nodes[node].is_leaf()) continue;
      const std::size_t first = order.first[node];
      const std::size_t last = order.first[root + forest.nodes[node].right];
      const std::uint32_t threshold = repeated_threshold(tests[node].threshold);
      for (std::size_t byte = first / 8; byte <= (last - 1) / 8; ++byte) {
        placed.push_back({static_cast<std::uint32_t>(byte),
                          {tests[node].column, threshold, bits_of(first, last, byte)}});
      }
    }
    append(placed, (order.count[root] + 7) / 8);
  }

  /// The trees [first, last) of those added.
  kernels::MaskedTrees view(std::size_t first, std::size_t last) const noexcept {
    return {masks_.data(), mask_ends_.data() + 1, tree_bytes_.data() + first, last - first};
  }

 private:
  void append(std::vector<PlacedMask>& placed, std::size_t bytes) {
    std::sort(placed.begin(), placed.end(), [](const PlacedMask& a, const PlacedMask& b) {
      return std::tie(a.byte, a.mask.column, a.mask.threshold) <
             std::tie(b.byte, b.mask.column, b.mask.threshold);
    });
    auto next = placed.begin();
    for (std::uint32_t byte = 0; byte < bytes; ++byte) {
      const std::size_t begin = masks_.size();
      for (; next != placed.end() && next->byte == byte; ++next) {
        const kernels::LeafMask& mask = next->mask;
        const bool same = masks_.size() > begin && masks_.back().column == mask.column &&
                          masks_.back().threshold == mask.threshold;
        if (same) {
          masks_.back().bits |= mask.bits;
        } else {
          masks_.push_back(mask);
        }
      }
      mask_ends_.push_back(static_cast<std::uint32_t>(masks_.size()));
    }
    tree_bytes_.push_back(static_cast<std::uint32_t>(mask_ends_.size() - 1));
  }

  std::vector<kernels::LeafMask> masks_;
  std::vector<std::uint32_t> mask_ends_ = {0};
  std::vector<std::uint32_t> tree_bytes_ = {0};
};

template <typename T>
struct MaskedGroup {
  TreeGroup<T> trees;
  std::vector<TreeBatch> batches;
  MaskTable masks;
};

template <typename T, typename Sum>
class MaskedPath final : public ForestPath<T, Sum> {
 public:
  MaskedPath(const ForestParts<T, Sum>& parts, std::vector<TreeGroup<T>> groups,
             const std::vector<CodeTest>& tests)
      : leaves_(parts.leaves) {
    for (TreeGroup<T>& group : groups) {
      columns_ = std::max(columns_, group.table.size());
      MaskTable masks;
      for (std::size_t tree = group.first_tree; tree < group.last_tree; ++tree) {
        masks.add_tree(parts.spec, parts.order, tree, tests);
      }
      auto batches = batches_of(parts.spec, group.first_tree, group.last_tree, kTreesAtOnce);
      groups_.push_back({std::move(group), std::move(batches), std::move(masks)});
    }
    constexpr std::size_t kCodeBytes = std::size_t{32} << 10;
    const std::size_t rows = kCodeBytes / std::max<std::size_t>(columns_, 1);
    block_rows_ = std::clamp<std::size_t>(rows / 64 * 64, 64, 512);
  }

  std::size_t block_rows() const noexcept override { return block_rows_; }
  std::size_t scratch_bytes() const noexcept override {
    return block_rows_ * (columns_ + kTreesAtOnce);
  }
  std::string describe() const override { return "masks"; }

  void add(const kernels::FeatureRows<T>& features, const Totals<Sum>& totals,
           std::byte* scratch) const noexcept override {
    const kernels::Kernels<T>& kernels = kernels::active<T>();
    const std::size_t rows =
        (features.rows + kernels::kMaskedRows - 1) / kernels::kMaskedRows * kernels::kMaskedRows;
    auto* const codes = reinterpret_cast<std::int8_t*>(scratch);
    auto* const leaves = reinterpret_cast<std::uint8_t*>(scratch + rows * columns_);
    for (const MaskedGroup<T>& group : groups_) {
      kernels.encode8(group.trees.table.view(), features, {codes, 1, rows});
      for (const TreeBatch& batch : group.batches) {
        const std::size_t first = batch.first_tree - group.trees.first_tree;
        kernels.exit_leaves(group.masks.view(first, first + batch.trees), codes, rows, leaves);
        if (leaves_.width() == 1) {
          add_numbers(batch, leaves, rows, totals);
        } else {
          add_vectors(batch, leaves, rows, totals);
        }
      }
    }
  }

 private:
  void add_numbers(const TreeBatch& batch, const std::uint8_t* leaves, std::size_t rows,
                   const Totals<Sum>& totals) const noexcept {
    Sum* const values = totals.values + batch.output * totals.output_stride;
    for (std::size_t row = 0; row < rows; row += kRowsAtOnce) {
      Sum sums[kRowsAtOnce];
      for (std::size_t i = 0; i < kRowsAtOnce; ++i) sums[i] = values[row + i];
      for (std::size_t tree = 0; tree < batch.trees; ++tree) {
        const Sum* const of_tree = leaves_.at(leaves_.first_of(batch.first_tree + tree));
        const std::uint8_t* const reached = leaves + tree * rows + row;
        for (std::size_t i = 0; i < kRowsAtOnce; ++i) sums[i] += of_tree[reached[i]];
      }
      for (std::size_t i = 0; i < kRowsAtOnce; ++i) values[row + i] = sums[i];
    }
  }

  void add_vectors(const TreeBatch& batch, const std::uint8_t* leaves, std::size_t rows,
                   const Totals<Sum>& totals) const noexcept {
    const std::size_t width = leaves_.width();
    for (std::size_t row = 0; row < rows; ++row) {
      Sum* const sums = totals.values + row * totals.row_stride;
      for (std::size_t tree = 0; tree < batch.trees; ++tree) {
        const std::size_t first = leaves_.first_of(batch.first_tree + tree);
        const Sum* const leaf = leaves_.at(first + leaves[tree * rows + row]);
        for (std::size_t i = 0; i < width; ++i) sums[i] += leaf[i];
      }
    }
  }

  const LeafValues<Sum>& leaves_;
  std::vector<MaskedGroup<T>> groups_;
  std::size_t columns_ = 0;  // of the widest group
  std::size_t block_rows_ = 0;
};

}  // namespace

template <typename T, typename Sum>
ForestPathPointer<T, Sum> make_masked_path(const ForestParts<T, Sum>& parts) {
  for (std::size_t tree = 0; tree < parts.spec.trees(); ++tree) {
    const std::uint32_t leaves = parts.order.count[parts.spec.tree_offsets[tree]];
    if (leaves > kernels::kMaskedLeavesMax) return nullptr;
  }
  const CodeLimits limits = {.thresholds = 254, .columns = UINT32_MAX};
  std::vector<CodeTest> tests;
  auto groups = group_trees(parts.spec, parts.columns, limits, tests);
  return std::make_unique<MaskedPath<T, Sum>>(parts, std::move(groups), tests);
}

template ForestPathPointer<float, float> make_masked_path(const ForestParts<float, float>&);
template ForestPathPointer<float, double> make_masked_path(const ForestParts<float, double>&);
template ForestPathPointer<double, float> make_masked_path(const ForestParts<double, float>&);
template ForestPathPointer<double, double> make_masked_path(const ForestParts<double, double>&);

}  // namespace thriftscore
