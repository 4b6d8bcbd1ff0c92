// SPDX-License-Identifier: Apache-2.0
// Loads and stores that touch the first `count` lanes only, for the ends of rows and buffers.
// Compiled once per target: the guard is flipped by foreach_target.h.
#if defined(THRIFTSCORE_KERNELS_LANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef THRIFTSCORE_KERNELS_LANES_INL_H_
#undef THRIFTSCORE_KERNELS_LANES_INL_H_
#else
#define THRIFTSCORE_KERNELS_LANES_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>

#include "kernels/unaligned.h"

HWY_BEFORE_NAMESPACE();
namespace thriftscore::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// x86 from AVX2 on does not fault on, nor read, what a mask leaves out. Elsewhere a masked load
// may be a full load and a blend.
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2
#define THRIFTSCORE_MASKED_LOAD 1
#else
#define THRIFTSCORE_MASKED_LOAD 0
#endif

// Lanes from `count` on are zero. 0 < count < Lanes(d).
template <class D, typename T = hn::TFromD<D>>
HWY_INLINE hn::Vec<D> load_partial(D d, const T* from, std::size_t count) {
#if THRIFTSCORE_MASKED_LOAD
  return hn::MaskedLoad(hn::FirstN(d, count), d, from);
#else
  HWY_ALIGN T lanes[hn::MaxLanes(d)] = {};
  for (std::size_t i = 0; i < count; ++i) lanes[i] = load_value(from, i);
  return hn::Load(d, lanes);
#endif
}

// 0 < count <= Lanes(d). By halves: masked stores are microcoded on many AVX2 processors.
template <class D, typename T = hn::TFromD<D>>
HWY_INLINE void store_by_halves(D d, hn::Vec<D> v, T* to, std::size_t count) {
  if constexpr (hn::MaxLanes(d) == 1) {
    store_value(hn::GetLane(v), to, 0);  // the intrinsic for one value wants it aligned
  } else if (count == hn::MaxLanes(d)) {
    hn::StoreU(v, d, to);
  } else {
    constexpr hn::Half<D> half;
    constexpr std::size_t middle = hn::MaxLanes(half);
    store_by_halves(half, hn::LowerHalf(half, v), to, std::min(count, middle));
    if (count > middle) {
      store_by_halves(half, hn::UpperHalf(half, v), to + middle, count - middle);
    }
  }
}

// 0 < count < Lanes(d).
template <class D, typename T = hn::TFromD<D>>
HWY_INLINE void store_partial(D d, hn::Vec<D> v, T* to, std::size_t count) {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  hn::BlendedStore(v, hn::FirstN(d, count), d, to);
#else
  store_by_halves(d, v, to, count);
#endif
}

template <class D, typename T = hn::TFromD<D>>
HWY_INLINE hn::Vec<D> load_lanes(D d, const T* from, std::size_t count) {
  return HWY_LIKELY(count == hn::MaxLanes(d)) ? hn::LoadU(d, from) : load_partial(d, from, count);
}

template <class D, typename T = hn::TFromD<D>>
HWY_INLINE void store_lanes(D d, hn::Vec<D> v, T* to, std::size_t count) {
  if (HWY_LIKELY(count == hn::MaxLanes(d))) {
    hn::StoreU(v, d, to);
  } else {
    store_partial(d, v, to, count);
  }
}

}  // namespace thriftscore::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // THRIFTSCORE_KERNELS_LANES_INL_H_
