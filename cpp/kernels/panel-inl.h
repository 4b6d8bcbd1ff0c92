// SPDX-License-Identifier: Apache-2.0
// What one tile of a weighted sum works on.
// Compiled once per target: the guard is flipped by foreach_target.h.
#if defined(THRIFTSCORE_KERNELS_PANEL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef THRIFTSCORE_KERNELS_PANEL_INL_H_
#undef THRIFTSCORE_KERNELS_PANEL_INL_H_
#else
#define THRIFTSCORE_KERNELS_PANEL_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>

#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace thriftscore::kernels::HWY_NAMESPACE {

// A block of columns of some outputs.
template <typename T>
struct Panel {
  const T* weights;
  std::size_t weights_stride;
  const T* packed;            // the same weights as PackedProducts arranges them, or null
  std::size_t packed_stride;  // from one block of outputs to the next, where there are several
  const T* mean;              // null unless the tiles are centred
  const T* scale;             // null as well if the weights have been divided
  const T* initial;  // what the sums start from: the bias, or y itself after the first block
  std::size_t initial_stride;
  std::size_t columns;
  std::size_t outputs;
  std::size_t x_stride;
  std::size_t y_stride;
};

}  // namespace thriftscore::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // THRIFTSCORE_KERNELS_PANEL_INL_H_
