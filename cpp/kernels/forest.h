// SPDX-License-Identifier: Apache-2.0
// Forests as the kernels see them. Every test of a tree compares small integers: a column of codes
// is one feature under one rule for missing values, and a code says how many of the forest's
// thresholds for it a value exceeds. So one comparison serves every type, rule and kind of test.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace thriftscore::kernels {

// Thresholds a vector search compares at a time.
inline constexpr std::size_t kSearchWidth = 16;
// Levels of kSearchWidth keys each that 32-bit codes may need.
inline constexpr std::size_t kSearchLevels = 8;

// Sorted thresholds as a static B+ tree: block j of one level leads to the blocks 16 j to 16 j + 15
// of the next, by how many of its 16 keys the value exceeds. The last level is the thresholds, the
// others hold the largest key of each block below. Missing keys are +infinity.
template <typename T>
struct ThresholdTree {
  std::array<const T*, kSearchLevels> levels;
  std::size_t depth;  // levels in use; 0 where there is no threshold
};

// How values of one feature become codes. A code is 1 + the number of thresholds below the value;
// a missing value has the lowest code, 0, or the highest, so that it goes left or right at every
// test. With categories, a member has code 1 and any other value code 2.
template <typename T>
struct CodeColumn {
  std::size_t feature;
  ThresholdTree<T> thresholds;
  const std::uint32_t* category_bits;  // [category_words]; null for thresholds
  std::size_t category_words;
  bool nan_is_zero;      // NaN is the value 0
  bool nan_is_missing;   // not with nan_is_zero; without both, NaN is below every threshold, and no
                         // member
  bool zero_is_missing;  // so is |x| <= 1e-35f, which is LightGBM's zero
  bool missing_left;
};

template <typename T>
struct CodeColumns {
  const CodeColumn<T>* columns;
  std::size_t count;
};

// Values up to this size are zero to a column with zero_is_missing (LightGBM's kZeroThreshold).
inline constexpr double kZeroMagnitude = 1e-35f;

// Rows of features: x [rows, stride], at any address.
template <typename T>
struct FeatureRows {
  const T* x;
  std::size_t rows;
  std::size_t stride;
};

// Where the code of (row, column) is: data[row * row_stride + column * column_stride].
template <typename Code>
struct CodeMatrix {
  Code* data;
  std::size_t row_stride;
  std::size_t column_stride;
};

// A test that leaves of one tree hang on: where code > threshold, the leaves whose bits are set in
// `bits`, 8 leaves to a byte, are out of reach. Both values are repeated in all four bytes.
struct LeafMask {
  std::uint32_t column;
  std::uint32_t threshold;
  std::uint32_t bits;
};

// Trees of at most 255 leaves, numbered from left to right, as the masks of each 8 of them.
// Byte b of tree t has the masks [mask_ends[i - 1], mask_ends[i]) where i = tree_bytes[t] + b.
struct MaskedTrees {
  const LeafMask* masks;
  const std::uint32_t* mask_ends;   // mask_ends[-1] is valid
  const std::uint32_t* tree_bytes;  // [trees + 1]
  std::size_t trees;
};

inline constexpr std::size_t kMaskedLeavesMax = 255;
// exit_leaves() takes rows by this many: the lanes of the widest vector.
inline constexpr std::size_t kMaskedRows = 64;

// A node of a tree that is walked: code > threshold goes to left + 1, otherwise to left. A leaf
// leads to itself: its threshold is the highest code.
template <typename Code>
struct WalkNode {
  Code threshold;
  Code column;
  std::uint32_t left;
};

}  // namespace thriftscore::kernels
