// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "kernels/kernels.h"
#include "kernels/tree_walk.h"
#include "model/chain.h"
#include "model/forest_path.h"

namespace thriftscore {
namespace {

using kernels::kWalksInFlight;

// Nodes in the order of a walk that prefers the larger subtree, children side by side, so that
// most steps stay in the cache line or go to the next one.
template <typename Code>
class WalkTable {
 public:
  /// `first_leaf` is the tree's, among those of the forest.
  void add_tree(const ForestSpec& forest, const LeafOrder& order, std::size_t tree,
                std::size_t first_leaf, const std::vector<CodeTest>& tests) {
    const std::size_t root = forest.tree_offsets[tree];
    roots_.push_back(new_pair());
    std::vector<Placed> open = {{root, roots_.back()}};
    while (!open.empty()) {
      const Placed placed = open.back();
      open.pop_back();
      const ForestNode& node = forest.nodes[placed.node];
      if (node.is_leaf()) {
        leaves_[placed.at] = static_cast<std::uint32_t>(first_leaf + order.first[placed.node]);
        continue;
      }
      const std::uint32_t children = new_pair();
      nodes_[placed.at] = {static_cast<Code>(tests[placed.node].threshold),
                           static_cast<Code>(tests[placed.node].column), children};
      Placed next[2] = {{root + node.left, children}, {root + node.right, children + 1}};
      if (order.count[next[0].node] > order.count[next[1].node]) std::swap(next[0], next[1]);
      open.insert(open.end(), {next[0], next[1]});
    }
  }

  const kernels::WalkNode<Code>* nodes() const noexcept { return nodes_.data(); }
  const std::vector<std::uint32_t>& roots() const noexcept { return roots_; }
  /// The leaf of the forest at this node.
  std::size_t leaf(std::uint32_t node) const noexcept { return leaves_[node]; }

 private:
  struct Placed {
    std::size_t node;
    std::uint32_t at;
  };

  // Two leaves, until they become something else.
  std::uint32_t new_pair() {
    const auto at = static_cast<std::uint32_t>(nodes_.size());
    for (const std::uint32_t self : {at, at + 1}) {
      nodes_.push_back({std::numeric_limits<Code>::max(), 0, self});
      leaves_.push_back(0);
    }
    return at;
  }

  AlignedVector<kernels::WalkNode<Code>> nodes_;
  std::vector<std::uint32_t> roots_;   // by tree
  std::vector<std::uint32_t> leaves_;  // by node
};

template <typename T>
struct WalkedGroup {
  TreeGroup<T> trees;
  std::vector<TreeBatch> batches;
};

template <typename T, typename Sum, typename Code>
class WalkedPath final : public ForestPath<T, Sum> {
 public:
  WalkedPath(const ForestParts<T, Sum>& parts, std::vector<TreeGroup<T>> groups,
             const std::vector<CodeTest>& tests)
      : leaves_(parts.leaves) {
    for (std::size_t tree = 0; tree < parts.spec.trees(); ++tree) {
      table_.add_tree(parts.spec, parts.order, tree, leaves_.first_of(tree), tests);
    }
    for (TreeGroup<T>& group : groups) {
      columns_ = std::max(columns_, group.table.size());
      auto batches = batches_of(parts.spec, group.first_tree, group.last_tree, kWalksInFlight);
      groups_.push_back({std::move(group), std::move(batches)});
    }
    constexpr std::size_t kCodeBytes = std::size_t{128} << 10;
    const std::size_t rows = kCodeBytes / (columns_ * sizeof(Code));
    block_rows_ = std::clamp<std::size_t>(rows / 64 * 64, 64, 1024);
  }

  std::size_t block_rows() const noexcept override { return block_rows_; }
  std::size_t scratch_bytes() const noexcept override {
    return block_rows_ * columns_ * sizeof(Code);
  }
  std::string describe() const override { return "walk"; }

  void add(const kernels::FeatureRows<T>& features, const Totals<Sum>& totals,
           std::byte* scratch) const noexcept override {
    auto* const codes = reinterpret_cast<Code*>(scratch);
    const std::size_t together = features.rows / kWalksInFlight * kWalksInFlight;
    for (const WalkedGroup<T>& group : groups_) {
      encode(group.trees.table.view(), features, {codes, columns_, 1});
      for (const TreeBatch& batch : group.batches) {
        add_rows(batch, codes, together, totals);
        for (std::size_t row = together; row < features.rows; ++row) {
          add_row(batch, codes + row * columns_, row, totals);
        }
      }
    }
  }

 private:
  static void encode(const kernels::CodeColumns<T>& columns,
                     const kernels::FeatureRows<T>& features,
                     const kernels::CodeMatrix<Code>& codes) noexcept {
    if constexpr (std::is_same_v<Code, std::uint16_t>) {
      kernels::active<T>().encode16(columns, features, codes);
    } else {
      kernels::active<T>().encode32(columns, features, codes);
    }
  }

  // Tree by tree, some rows at a time.
  void add_rows(const TreeBatch& batch, const Code* codes, std::size_t rows,
                const Totals<Sum>& totals) const noexcept {
    for (std::size_t tree = batch.first_tree; tree < batch.first_tree + batch.trees; ++tree) {
      for (std::size_t row = 0; row < rows; row += kWalksInFlight) {
        std::uint32_t reached[kWalksInFlight];
        kernels::walk_rows(table_.nodes(), table_.roots()[tree], codes + row * columns_, columns_,
                           reached);
        Sum* sums = totals.values + row * totals.row_stride + batch.output * totals.output_stride;
        for (std::size_t i = 0; i < kWalksInFlight; ++i, sums += totals.row_stride) {
          add_leaf(reached[i], sums);
        }
      }
    }
  }

  // One row through all trees of the batch.
  void add_row(const TreeBatch& batch, const Code* codes, std::size_t row,
               const Totals<Sum>& totals) const noexcept {
    const std::uint32_t* const roots = table_.roots().data() + batch.first_tree;
    std::uint32_t reached[kWalksInFlight];
    std::uint32_t starts[kWalksInFlight];
    for (std::size_t i = 0; i < kWalksInFlight; ++i) starts[i] = roots[i < batch.trees ? i : 0];
    kernels::walk_trees(table_.nodes(), starts, codes, reached);
    Sum* const sums = totals.values + row * totals.row_stride + batch.output * totals.output_stride;
    if (leaves_.width() == 1) {
      Sum sum = *sums;
      for (std::size_t i = 0; i < batch.trees; ++i) sum += *leaves_.at(table_.leaf(reached[i]));
      *sums = sum;
    } else {
      for (std::size_t i = 0; i < batch.trees; ++i) add_leaf(reached[i], sums);
    }
  }

  void add_leaf(std::uint32_t node, Sum* sums) const noexcept {
    const Sum* const leaf = leaves_.at(table_.leaf(node));
    for (std::size_t i = 0; i < leaves_.width(); ++i) sums[i] += leaf[i];
  }

  const LeafValues<Sum>& leaves_;
  std::vector<WalkedGroup<T>> groups_;
  WalkTable<Code> table_;
  std::size_t columns_ = 1;  // of the widest group; a leaf looks at column 0 as well
  std::size_t block_rows_ = 0;
};

template <typename Code, typename T, typename Sum>
ForestPathPointer<T, Sum> make_path(const ForestParts<T, Sum>& parts) {
  // The highest code is what no threshold is, and columns are numbered by codes too.
  const std::size_t most = std::numeric_limits<Code>::max();
  std::vector<CodeTest> tests;
  auto groups = group_trees(parts.spec, parts.columns, {most - 1, most}, tests);
  if (groups.empty()) return nullptr;
  return std::make_unique<WalkedPath<T, Sum, Code>>(parts, std::move(groups), tests);
}

}  // namespace

template <typename T, typename Sum>
ForestPathPointer<T, Sum> make_walked_path(const ForestParts<T, Sum>& parts) {
  auto path = make_path<std::uint16_t>(parts);
  return path != nullptr ? std::move(path) : make_path<std::uint32_t>(parts);
}

template ForestPathPointer<float, float> make_walked_path(const ForestParts<float, float>&);
template ForestPathPointer<float, double> make_walked_path(const ForestParts<float, double>&);
template ForestPathPointer<double, float> make_walked_path(const ForestParts<double, float>&);
template ForestPathPointer<double, double> make_walked_path(const ForestParts<double, double>&);

}  // namespace thriftscore
