// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "model/aligned.h"
#include "model/forest_spec.h"

namespace thriftscore {

/// The leaves of every tree numbered from left to right.
struct LeafOrder {
  explicit LeafOrder(const ForestSpec& forest);

  std::vector<std::uint32_t> first;  // by node: the number of its subtree's first leaf
  std::vector<std::uint32_t> count;  // by node: the leaves of its subtree
};

/// The sums of a block of rows, output by output, or row by row where leaves are vectors.
template <typename Sum>
struct Totals {
  Sum* values;
  std::size_t row_stride;
  std::size_t output_stride;
};

/// The leaf values of a forest in the type that adds them up, tree by tree in leaf order.
template <typename Sum>
class LeafValues {
 public:
  LeafValues(const ForestSpec& forest, const LeafOrder& order);

  std::size_t width() const noexcept { return width_; }
  /// The leaf of the forest that is the first of a tree.
  std::size_t first_of(std::size_t tree) const noexcept { return first_[tree]; }
  /// [width()] values of a leaf of the forest; those of the next leaf follow.
  const Sum* at(std::size_t leaf) const noexcept { return values_.data() + leaf * width_; }

 private:
  std::size_t width_;
  std::vector<std::size_t> first_;  // by tree: where its leaves begin
  AlignedVector<Sum> values_;
};

}  // namespace thriftscore
