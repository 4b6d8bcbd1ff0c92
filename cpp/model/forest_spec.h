// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace thriftscore {

/// Bits of ForestNode::flags; FORMAT.md says what they mean.
enum ForestFlag : std::uint8_t {
  kStrict = 1,
  kMissingLeft = 2,
  kCategorical = 4,
  kZeroIsMissing = 8,
  kNanIsZero = 16,
  kNanIsMissing = 32,  // at categorical nodes; at the others NaN is missing unless kNanIsZero
};

inline constexpr std::int32_t kLeafFeature = -1;

/// A test, or a leaf.
struct ForestNode {
  double threshold = 0;  // a number, or the index of a category set
  std::int32_t feature = kLeafFeature;
  std::uint32_t left = 0;   // children, counted from the tree's first node; at a leaf,
  std::uint32_t right = 0;  // `left` is the row of its value in leaf_values
  std::uint8_t flags = 0;

  bool is_leaf() const noexcept { return feature == kLeafFeature; }
};

/// Trees as the file states them, with everything checked: each node but a tree's first has one
/// parent, which is before it; every index is in range; every leaf value is finite.
struct ForestSpec {
  std::size_t columns = 0;
  std::size_t outputs = 0;
  std::vector<std::uint32_t> tree_offsets;  // [trees + 1], into nodes; no tree is empty
  std::vector<ForestNode> nodes;
  std::vector<double> leaf_values;              // [leaves, leaf_width()]
  std::vector<std::uint32_t> tree_outputs;      // [trees]: the output each adds to; empty: to all
  std::vector<double> base;                     // [outputs]
  std::vector<std::uint32_t> category_offsets;  // [sets + 1], into category_bits
  std::vector<std::uint32_t> category_bits;
  bool mean = false;             // the sum is divided by the number of trees before base is added
  bool accumulate_fp32 = false;  // in float; otherwise in double

  std::size_t trees() const noexcept { return tree_offsets.size() - 1; }
  /// Values of a leaf.
  std::size_t leaf_width() const noexcept { return tree_outputs.empty() ? outputs : 1; }
};

}  // namespace thriftscore
