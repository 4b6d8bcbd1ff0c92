// SPDX-License-Identifier: Apache-2.0
// Feature values as codes: the number of thresholds below a value, by vector search.
// Compiled once per target: the guard is flipped by foreach_target.h.
#if defined(THRIFTSCORE_KERNELS_CODES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef THRIFTSCORE_KERNELS_CODES_INL_H_
#undef THRIFTSCORE_KERNELS_CODES_INL_H_
#else
#define THRIFTSCORE_KERNELS_CODES_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <limits>

#include "kernels/code_rules.h"
#include "kernels/forest.h"
#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace thriftscore::kernels::HWY_NAMESPACE {

// kDepth is tree.depth, or 0 where that is not known before.
template <std::size_t kDepth = 0, typename T>
HWY_INLINE std::size_t count_below(const ThresholdTree<T>& tree, T value) {
  constexpr hn::CappedTag<T, kSearchWidth> d;
  const auto wanted = hn::Set(d, value);
  std::size_t below = 0;
  for (std::size_t level = 0; level < (kDepth == 0 ? tree.depth : kDepth); ++level) {
    const T* keys = tree.levels[level] + below * kSearchWidth;
    below *= kSearchWidth;
    for (std::size_t i = 0; i < kSearchWidth; i += hn::MaxLanes(d)) {
      below += hn::CountTrue(d, hn::Lt(hn::Load(d, keys + i), wanted));
    }
  }
  return below;
}

// The same as a function that code_of() can be given.
template <typename T>
std::size_t count_all_below(const ThresholdTree<T>& tree, T value) {
  return count_below(tree, value);
}

// A column of thresholds where all NaN have one code and zero is a number.
template <std::size_t kDepth, typename T, typename Code>
void encode_numbers(const CodeColumn<T>& column, const FeatureRows<T>& features, Code* codes,
                    std::size_t stride) {
  const ThresholdTree<T> thresholds = column.thresholds;
  const auto code_of_nan = static_cast<Code>(
      code_of(column, std::numeric_limits<T>::quiet_NaN(), kHighestCode<Code>, count_all_below<T>) -
      kCodeBias<Code>);
  for (std::size_t row = 0; row < features.rows; ++row) {
    const T value = load_value(features.x, row * features.stride + column.feature);
    const std::size_t code = 1 + count_below<kDepth>(thresholds, value);
    codes[row * stride] = value != value ? code_of_nan : static_cast<Code>(code - kCodeBias<Code>);
  }
}

template <typename T, typename Code>
void encode(const CodeColumns<T>& columns, const FeatureRows<T>& features,
            const CodeMatrix<Code>& codes) noexcept {
  for (std::size_t c = 0; c < columns.count; ++c) {
    const CodeColumn<T>& column = columns.columns[c];
    Code* const to = codes.data + c * codes.column_stride;
    if (column.category_bits != nullptr || column.zero_is_missing) {
      for (std::size_t row = 0; row < features.rows; ++row) {
        const T value = load_value(features.x, row * features.stride + column.feature);
        to[row * codes.row_stride] = static_cast<Code>(
            code_of(column, value, kHighestCode<Code>, count_all_below<T>) - kCodeBias<Code>);
      }
    } else if (column.thresholds.depth == 1) {
      encode_numbers<1>(column, features, to, codes.row_stride);
    } else if (column.thresholds.depth == 2) {
      encode_numbers<2>(column, features, to, codes.row_stride);
    } else {
      encode_numbers<0>(column, features, to, codes.row_stride);
    }
  }
}

}  // namespace thriftscore::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // THRIFTSCORE_KERNELS_CODES_INL_H_
