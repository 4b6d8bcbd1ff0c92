// SPDX-License-Identifier: Apache-2.0
// (x - mean) / scale and its inverse, row by row.
// Compiled once per target: the guard is flipped by foreach_target.h.
#if defined(THRIFTSCORE_KERNELS_NORMALIZER_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef THRIFTSCORE_KERNELS_NORMALIZER_INL_H_
#undef THRIFTSCORE_KERNELS_NORMALIZER_INL_H_
#else
#define THRIFTSCORE_KERNELS_NORMALIZER_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>

#include "kernels/kernels.h"
#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace thriftscore::kernels::HWY_NAMESPACE {

struct Normalize {
  template <class V>
  HWY_INLINE V operator()(V x, V mean, V scale) const {
    return hn::Div(hn::Sub(x, mean), scale);
  }
};

// Not fused: two roundings, as written, on every target.
struct Denormalize {
  template <class V>
  HWY_INLINE V operator()(V x, V mean, V scale) const {
    return hn::Add(mean, hn::Mul(scale, x));
  }
};

// The same parameters repeated, so that a period is several rows in whole vectors.
template <typename T>
class RepeatedParameters {
 public:
  static constexpr std::size_t kLanes = hn::MaxLanes(hn::ScalableTag<T>());
  static constexpr std::size_t kCapacity = 2048 / sizeof(T);

  // Rows with a tail, and enough of them to repay the copies.
  static constexpr bool is_better(std::size_t columns, std::size_t rows) {
    return columns % kLanes != 0 && columns <= kCapacity / kLanes && rows >= 4 * kLanes;
  }

  explicit RepeatedParameters(const Normalizer<T>& normalizer)
      : columns_(normalizer.columns * kLanes) {
    for (std::size_t start = 0; start < columns_; start += normalizer.columns) {
      for (std::size_t c = 0; c < normalizer.columns; ++c) {
        mean_[start + c] = load_value(normalizer.mean, c);
        scale_[start + c] = load_value(normalizer.scale, c);
      }
    }
  }
  [[nodiscard]] Normalizer<T> normalizer() const { return {mean_, scale_, columns_}; }

 private:
  std::size_t columns_;
  HWY_ALIGN T mean_[kCapacity];
  HWY_ALIGN T scale_[kCapacity];
};

// Treats x as one long row over which the parameters repeat.
template <class Function, typename T>
HWY_INLINE void scale_values(const Normalizer<T>& normalizer, const T* x, std::size_t count, T* y) {
  constexpr hn::ScalableTag<T> d;
  constexpr std::size_t lanes = hn::MaxLanes(d);
  for (std::size_t start = 0; start < count; start += normalizer.columns) {
    const std::size_t columns = std::min(normalizer.columns, count - start);
    for (std::size_t c = 0; c < columns; c += lanes) {
      const std::size_t n = std::min(lanes, columns - c);
      const auto mean = load_lanes(d, normalizer.mean + c, n);
      const auto scale = load_lanes(d, normalizer.scale + c, n);
      const auto v = load_lanes(d, x + start + c, n);
      store_lanes(d, Function()(v, mean, scale), y + start + c, n);
    }
  }
}

template <class Function, typename T>
void scale_rows(const Normalizer<T>& normalizer, const T* x, std::size_t rows, T* y) noexcept {
  const std::size_t count = rows * normalizer.columns;
  if (RepeatedParameters<T>::is_better(normalizer.columns, rows)) {
    const RepeatedParameters<T> repeated(normalizer);
    scale_values<Function>(repeated.normalizer(), x, count, y);
  } else {
    scale_values<Function>(normalizer, x, count, y);
  }
}

}  // namespace thriftscore::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // THRIFTSCORE_KERNELS_NORMALIZER_INL_H_
