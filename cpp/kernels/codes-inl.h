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

#include "kernels/code_rules.h"
#include "kernels/forest.h"
#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace thriftscore::kernels::HWY_NAMESPACE {

template <typename T>
HWY_INLINE std::size_t count_below(const ThresholdTree<T>& tree, T value) {
  constexpr hn::CappedTag<T, kSearchWidth> d;
  const auto wanted = hn::Set(d, value);
  std::size_t below = 0;
  for (std::size_t level = 0; level < tree.depth; ++level) {
    const T* keys = tree.levels[level] + below * kSearchWidth;
    below *= kSearchWidth;
    for (std::size_t i = 0; i < kSearchWidth; i += hn::MaxLanes(d)) {
      below += hn::CountTrue(d, hn::Lt(hn::Load(d, keys + i), wanted));
    }
  }
  return below;
}

template <typename T, typename Code>
void encode(const CodeColumns<T>& columns, const FeatureRows<T>& features,
            const CodeMatrix<Code>& codes) noexcept {
  for (std::size_t c = 0; c < columns.count; ++c) {
    const CodeColumn<T>& column = columns.columns[c];
    for (std::size_t row = 0; row < features.rows; ++row) {
      T value = load_value(features.x, row * features.stride + column.feature);
      const std::optional<std::uint32_t> code = code_by_rule<Code>(column, value);
      const std::uint32_t unbiased =
          code ? *code : 1 + static_cast<std::uint32_t>(count_below(column.thresholds, value));
      codes.data[row * codes.row_stride + c * codes.column_stride] =
          static_cast<Code>(unbiased - kCodeBias<Code>);
    }
  }
}

}  // namespace thriftscore::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // THRIFTSCORE_KERNELS_CODES_INL_H_
