// SPDX-License-Identifier: Apache-2.0
// Weighted sums of rows: a matrix product with the weights' transpose, in blocks that fit the
// caches, by whichever tiles suit the shape.
// Compiled once per target: the guard is flipped by foreach_target.h.
#if defined(THRIFTSCORE_KERNELS_WEIGHTED_SUM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef THRIFTSCORE_KERNELS_WEIGHTED_SUM_INL_H_
#undef THRIFTSCORE_KERNELS_WEIGHTED_SUM_INL_H_
#else
#define THRIFTSCORE_KERNELS_WEIGHTED_SUM_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>

#include "kernels/dot_tile-inl.h"
#include "kernels/kernels.h"
#include "kernels/packed_tile-inl.h"
#include "kernels/panel-inl.h"

HWY_BEFORE_NAMESPACE();
namespace thriftscore::kernels::HWY_NAMESPACE {

// Some rows and outputs of a sum.
template <typename T>
struct Block {
  const T* x;
  T* y;
  std::size_t rows;
  std::size_t first_output;
  std::size_t outputs;
};

template <typename T>
std::size_t packed_size(std::size_t columns, std::size_t outputs) noexcept {
  return PackedProducts<T>::is_better(columns, outputs)
             ? columns * PackedProducts<T>::padded(outputs)
             : 0;
}

template <typename T>
void pack(const WeightedSum<T>& sum, T* packed) noexcept {
  PackedProducts<T>::pack(sum, packed);
}

// `sum` without what another target has packed.
template <typename T>
HWY_INLINE WeightedSum<T> own_packing(WeightedSum<T> sum) {
  if (sum.packed_by != &pack<T>) sum.packed = nullptr;
  return sum;
}

// Every block of columns after the first adds to what the one before left in y.
template <class Products, bool kCentred, typename T>
HWY_INLINE void sum_block(const Normalizer<T>& normalizer, const WeightedSum<T>& sum,
                          const Block<T>& block) {
  for (std::size_t c = 0; c < sum.columns; c += Products::kColumnBlock) {
    const Panel<T> panel = {
        .weights = sum.weights + block.first_output * sum.columns + c,
        .weights_stride = sum.columns,
        .packed = Products::packed_panel(sum, block.first_output, block.outputs, c),
        .packed_stride = Products::kOutputBlock * sum.columns,
        .mean = kCentred ? normalizer.mean + c : nullptr,
        .scale = normalizer.scale != nullptr ? normalizer.scale + c : nullptr,
        .initial = c == 0 ? sum.bias + block.first_output : block.y,
        .initial_stride = c == 0 ? 0 : sum.outputs,
        .columns = std::min(Products::kColumnBlock, sum.columns - c),
        .outputs = block.outputs,
        .x_stride = sum.columns,
        .y_stride = sum.outputs,
    };
    Products::template run<kCentred>(panel, block.x + c, block.rows, block.y);
  }
}

template <class Products, bool kCentred, typename T>
HWY_INLINE void sum_blocks(const Normalizer<T>& normalizer, const WeightedSum<T>& sum, const T* x,
                           std::size_t rows, T* y) {
  for (std::size_t r = 0; r < rows; r += Products::kRowBlock) {
    const std::size_t count = std::min(Products::kRowBlock, rows - r);
    for (std::size_t o = 0; o < sum.outputs;) {
      const std::size_t outputs = Products::output_block(sum, count, sum.outputs - o);
      sum_block<Products, kCentred, T>(normalizer, sum,
                                       {.x = x + r * sum.columns,
                                        .y = y + r * sum.outputs + o,
                                        .rows = count,
                                        .first_output = o,
                                        .outputs = outputs});
      o += outputs;
    }
  }
}

template <bool kCentred, typename T>
HWY_INLINE void sum_any(const Normalizer<T>& normalizer, const WeightedSum<T>& sum, const T* x,
                        std::size_t rows, T* y) {
  // By the shape of the weights alone: the order of the sums must not depend on the rows.
  if (PackedProducts<T>::is_better(sum.columns, sum.outputs)) {
    sum_blocks<PackedProducts<T>, kCentred>(normalizer, sum, x, rows, y);
  } else {
    sum_blocks<DotProducts<T>, kCentred>(normalizer, sum, x, rows, y);
  }
}

template <typename T>
void weighted_sum(const WeightedSum<T>& sum, const T* x, std::size_t rows, T* y) noexcept {
  sum_any<false>({}, own_packing(sum), x, rows, y);
}

template <typename T>
void normalized_weighted_sum(const Normalizer<T>& normalizer, const WeightedSum<T>& sum, const T* x,
                             std::size_t rows, T* y) noexcept {
  WeightedSum<T> own = own_packing(sum);
  if (normalizer.scale != nullptr) own.packed = nullptr;  // packed weights are not divided
  sum_any<true>(normalizer, own, x, rows, y);
}

}  // namespace thriftscore::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // THRIFTSCORE_KERNELS_WEIGHTED_SUM_INL_H_
