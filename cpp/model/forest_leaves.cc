// SPDX-License-Identifier: Apache-2.0
#include "model/forest_leaves.h"

namespace thriftscore {

// Children are behind their parents, so counts go up from the last node and numbers down from the
// first.
LeafOrder::LeafOrder(const ForestSpec& forest)
    : first(forest.nodes.size()), count(forest.nodes.size()) {
  for (std::size_t tree = 0; tree < forest.trees(); ++tree) {
    const std::size_t root = forest.tree_offsets[tree];
    for (std::size_t node = forest.tree_offsets[tree + 1]; node-- > root;) {
      const ForestNode& test = forest.nodes[node];
      count[node] = test.is_leaf() ? 1 : count[root + test.left] + count[root + test.right];
    }
    for (std::size_t node = root; node < forest.tree_offsets[tree + 1]; ++node) {
      const ForestNode& test = forest.nodes[node];
      if (test.is_leaf()) continue;
      first[root + test.left] = first[node];
      first[root + test.right] = first[node] + count[root + test.left];
    }
  }
}

template <typename Sum>
LeafValues<Sum>::LeafValues(const ForestSpec& forest, const LeafOrder& order)
    : width_(forest.leaf_width()) {
  std::size_t leaves = 0;
  for (const std::uint32_t root : forest.tree_offsets) {
    first_.push_back(leaves);
    if (root < forest.nodes.size()) leaves += order.count[root];
  }
  values_.resize(leaves * width_);
  for (std::size_t tree = 0; tree < forest.trees(); ++tree) {
    for (std::size_t node = forest.tree_offsets[tree]; node < forest.tree_offsets[tree + 1];
         ++node) {
      if (!forest.nodes[node].is_leaf()) continue;
      const double* const from = forest.leaf_values.data() + forest.nodes[node].left * width_;
      Sum* const to = values_.data() + (first_[tree] + order.first[node]) * width_;
      for (std::size_t i = 0; i < width_; ++i) to[i] = static_cast<Sum>(from[i]);
    }
  }
}

template class LeafValues<float>;
template class LeafValues<double>;

}  // namespace thriftscore
