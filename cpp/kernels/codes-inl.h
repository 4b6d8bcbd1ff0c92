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
struct VectorSearch {
  HWY_INLINE std::size_t operator()(const ThresholdTree<T>& tree, T value) const {
    constexpr hn::CappedTag<T, kSearchWidth> d;
    const auto wanted = hn::Set(d, value);
    std::size_t below = 0;
    for (std::size_t level = 0; level < tree.depth; ++level) {
      const T* keys = tree.levels[level] + below * kSearchWidth;
      std::size_t count = 0;
      for (std::size_t i = 0; i < kSearchWidth; i += hn::MaxLanes(d)) {
        count += hn::CountTrue(d, hn::Lt(hn::Load(d, keys + i), wanted));
      }
      below = below * kSearchWidth + count;
    }
    return below;
  }
};

template <typename T, typename Code>
void encode(const CodeColumns<T>& columns, const FeatureRows<T>& features,
            const CodeMatrix<Code>& codes) noexcept {
  encode_columns(VectorSearch<T>(), columns, features, codes);
}

}  // namespace thriftscore::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // THRIFTSCORE_KERNELS_CODES_INL_H_
