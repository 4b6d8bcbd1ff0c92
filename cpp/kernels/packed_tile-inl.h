// SPDX-License-Identifier: Apache-2.0
// Weighted sums as a matrix product: the weights are transposed into a buffer so that the lanes of
// a vector are outputs, and every value of a row meets all of them. Nothing is left to fold, but
// lanes without an output are wasted. Best for many rows and outputs or very few columns.
// Compiled once per target: the guard is flipped by foreach_target.h.
#if defined(THRIFTSCORE_KERNELS_PACKED_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef THRIFTSCORE_KERNELS_PACKED_TILE_INL_H_
#undef THRIFTSCORE_KERNELS_PACKED_TILE_INL_H_
#else
#define THRIFTSCORE_KERNELS_PACKED_TILE_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>

#include "kernels/lanes-inl.h"
#include "kernels/panel-inl.h"

HWY_BEFORE_NAMESPACE();
namespace thriftscore::kernels::HWY_NAMESPACE {

// Twelve accumulators, two vectors of weights and a value fit in 16 registers.
constexpr std::size_t kPackedRows = 6;
constexpr std::size_t kPackedVectors = 2;

template <typename T, std::size_t kRows, std::size_t kVectors>
class PackedTile {
 public:
  HWY_INLINE PackedTile() {
    for (auto& row : sums_) {
      for (V& sum : row) sum = hn::Zero(d_);
    }
  }

  HWY_INLINE void accumulate(const Panel<T>& panel, const T* x, std::size_t x_stride) {
    for (std::size_t c = 0; c < panel.columns; ++c) {
      V weights[kVectors];
      for (std::size_t v = 0; v < kVectors; ++v) {
        weights[v] = hn::Load(d_, panel.weights + (c * kVectors + v) * kLanes);
      }
      for (std::size_t r = 0; r < kRows; ++r) {
        const V value = hn::Set(d_, load_value(x, r * x_stride + c));
        for (std::size_t v = 0; v < kVectors; ++v) {
          sums_[r][v] = hn::MulAdd(value, weights[v], sums_[r][v]);
        }
      }
    }
  }

  HWY_INLINE void store(const Panel<T>& panel, T* y) const {
    for (std::size_t r = 0; r < kRows; ++r) {
      for (std::size_t v = 0; v < kVectors; ++v) {
        const std::size_t o = v * kLanes;
        const std::size_t n = std::min(kLanes, panel.outputs - o);
        const V initial = load_lanes(d_, panel.initial + r * panel.initial_stride + o, n);
        store_lanes(d_, hn::Add(initial, sums_[r][v]), y + r * panel.y_stride + o, n);
      }
    }
  }

 private:
  using V = hn::Vec<hn::ScalableTag<T>>;
  static constexpr hn::ScalableTag<T> d_{};
  static constexpr std::size_t kLanes = hn::MaxLanes(d_);

  V sums_[kRows][kVectors];
};

constexpr std::size_t kPackedColumns = 256;

// x - mean for the rows of one tile, kPackedColumns apart.
template <typename T>
HWY_INLINE void centre_rows(const Panel<T>& panel, const T* x, std::size_t rows, T* centred) {
  constexpr hn::ScalableTag<T> d;
  constexpr std::size_t lanes = hn::MaxLanes(d);
  for (std::size_t c = 0; c < panel.columns; c += lanes) {
    const std::size_t n = std::min(lanes, panel.columns - c);
    const auto mean = load_lanes(d, panel.mean + c, n);
    for (std::size_t r = 0; r < rows; ++r) {
      const auto v = load_lanes(d, x + r * panel.x_stride + c, n);
      hn::Store(hn::Sub(v, mean), d, centred + r * kPackedColumns + c);
    }
  }
}

template <bool kCentred, std::size_t kVectors, std::size_t kRows = kPackedRows, typename T>
HWY_INLINE void packed_rows(const Panel<T>& start, const T* x, std::size_t rows, T* y) {
  Panel<T> panel = start;
  for (; rows >= kRows; rows -= kRows) {
    PackedTile<T, kRows, kVectors> tile;
    if constexpr (kCentred) {
      HWY_ALIGN T centred[kRows * kPackedColumns];
      centre_rows(panel, x, kRows, centred);
      tile.accumulate(panel, centred, kPackedColumns);
    } else {
      tile.accumulate(panel, x, panel.x_stride);
    }
    tile.store(panel, y);
    x += kRows * panel.x_stride;
    y += kRows * panel.y_stride;
    panel.initial += kRows * panel.initial_stride;
  }
  if constexpr (kRows > 1) {
    if (rows > 0) packed_rows<kCentred, kVectors, kRows / 2>(panel, x, rows, y);
  }
}

// How weighted_sum() runs these tiles: packing is worth while for a large block of rows.
template <typename T>
class PackedProducts {
  static constexpr std::size_t kLanes = hn::MaxLanes(hn::ScalableTag<T>());

 public:
  static constexpr std::size_t kOutputBlock = kPackedVectors * kLanes;
  static constexpr std::size_t kColumnBlock = kPackedColumns;
  static constexpr std::size_t kRowBlock = 240;

  // Whether the lanes wasted on `outputs` cost less than folding dot products would.
  static constexpr bool is_better(std::size_t columns, std::size_t outputs, std::size_t rows) {
    const std::size_t wasted = (kLanes - outputs % kLanes) % kLanes;
    return rows >= 32 && outputs > 1 && columns * wasted <= 4 * kLanes * outputs;
  }

  template <bool kCentred>
  static HWY_INLINE void run(const Panel<T>& panel, const T* x, std::size_t rows, T* y) {
    HWY_ALIGN T packed[kColumnBlock * kOutputBlock];
    if (panel.outputs > kLanes) {
      packed_rows<kCentred, 2>(with_packed_weights<kCentred, 2>(panel, packed), x, rows, y);
    } else {
      packed_rows<kCentred, 1>(with_packed_weights<kCentred, 1>(panel, packed), x, rows, y);
    }
  }

 private:
  template <bool kCentred, std::size_t kVectors>
  static HWY_INLINE Panel<T> with_packed_weights(Panel<T> panel, T* packed) {
    constexpr std::size_t kWidth = kVectors * kLanes;
    std::fill_n(packed, panel.columns * kWidth, T{0});
    for (std::size_t o = 0; o < panel.outputs; ++o) {
      for (std::size_t c = 0; c < panel.columns; ++c) {
        T weight = load_value(panel.weights, o * panel.weights_stride + c);
        if constexpr (kCentred) weight /= load_value(panel.scale, c);
        packed[c * kWidth + o] = weight;
      }
    }
    panel.weights = packed;
    return panel;
  }
};

}  // namespace thriftscore::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // THRIFTSCORE_KERNELS_PACKED_TILE_INL_H_
