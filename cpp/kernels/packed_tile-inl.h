// SPDX-License-Identifier: Apache-2.0
// Weighted sums as a matrix product: the weights are transposed so that the lanes of a vector are
// outputs, and every value of a row meets all of them. Nothing is left to fold, but lanes without
// an output are wasted. Best for many outputs or very few columns.
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

#include "kernels/kernels.h"
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
        weights[v] = hn::Load(d_, panel.packed + (c * kVectors + v) * kLanes);
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
    // Four rows still keep both units for multiplication busy; two and one do not.
    constexpr std::size_t kFewer = kRows > 4 ? 4 : kRows / 2;
    if (rows > 0) packed_rows<kCentred, kVectors, kFewer>(panel, x, rows, y);
  }
}

// One row and several panels at once, whose sums do not wait for one another as those of one panel
// do. The order of each sum is that of PackedTile.
template <std::size_t kPanels, typename T>
HWY_INLINE void packed_panels(const Panel<T>& panel, const T* x, T* y) {
  constexpr hn::ScalableTag<T> d;
  constexpr std::size_t lanes = hn::MaxLanes(d);
  hn::Vec<decltype(d)> sums[kPanels][kPackedVectors];
  for (auto& row : sums) {
    for (auto& sum : row) sum = hn::Zero(d);
  }
  for (std::size_t c = 0; c < panel.columns; ++c) {
    const auto value = hn::Set(d, load_value(x, c));
    const T* weights = panel.packed + c * kPackedVectors * lanes;
    for (std::size_t p = 0; p < kPanels; ++p, weights += panel.packed_stride) {
      for (std::size_t v = 0; v < kPackedVectors; ++v) {
        sums[p][v] = hn::MulAdd(value, hn::Load(d, weights + v * lanes), sums[p][v]);
      }
    }
  }
  for (std::size_t o = 0; o < kPanels * kPackedVectors; ++o) {
    const auto initial = hn::LoadU(d, panel.initial + o * lanes);
    const auto sum = sums[o / kPackedVectors][o % kPackedVectors];
    hn::StoreU(hn::Add(initial, sum), d, y + o * lanes);
  }
}

template <std::size_t kPanels, bool kCentred, typename T>
HWY_INLINE void packed_row(const Panel<T>& panel, const T* x, T* y) {
  if constexpr (kCentred) {
    HWY_ALIGN T centred[kPackedColumns];
    centre_rows(panel, x, 1, centred);
    packed_panels<kPanels>(panel, centred, y);
  } else {
    packed_panels<kPanels>(panel, x, y);
  }
}

// How weighted_sum() runs these tiles.
//
// Packed weights are a panel for each block of outputs, one behind the other; a panel has, for each
// column, the weights of its outputs, padded with zeros to one or two vectors.
template <typename T>
class PackedProducts {
  static constexpr std::size_t kLanes = hn::MaxLanes(hn::ScalableTag<T>());

 public:
  static constexpr std::size_t kOutputBlock = kPackedVectors * kLanes;
  static constexpr std::size_t kColumnBlock = kPackedColumns;
  static constexpr std::size_t kRowBlock = 240;

  // Whether the lanes wasted on `outputs` cost less than folding dot products would.
  static constexpr bool is_better(std::size_t columns, std::size_t outputs) {
    return outputs > 1 && columns * (padded(outputs) - outputs) <= 4 * kLanes * outputs;
  }

  // How many outputs go into one run() of so many rows: several panels for a single row.
  static constexpr std::size_t output_block(const WeightedSum<T>& sum, std::size_t rows,
                                            std::size_t outputs) {
    if (rows == 1 && sum.packed != nullptr) {
      if (outputs >= 4 * kOutputBlock) return 4 * kOutputBlock;
      if (outputs >= 2 * kOutputBlock) return 2 * kOutputBlock;
    }
    return std::min(kOutputBlock, outputs);
  }

  static constexpr std::size_t padded(std::size_t outputs) {
    return (outputs + kLanes - 1) / kLanes * kLanes;
  }

  static HWY_INLINE void pack(const WeightedSum<T>& sum, T* packed) {
    for (std::size_t o = 0; o < sum.outputs; o += kOutputBlock) {
      const std::size_t outputs = std::min(kOutputBlock, sum.outputs - o);
      const Panel<T> panel = {.weights = sum.weights + o * sum.columns,
                              .weights_stride = sum.columns,
                              .packed = nullptr,
                              .packed_stride = 0,
                              .mean = nullptr,
                              .scale = nullptr,
                              .initial = nullptr,
                              .initial_stride = 0,
                              .columns = sum.columns,
                              .outputs = outputs,
                              .x_stride = 0,
                              .y_stride = 0};
      pack_panel(panel, packed + o * sum.columns);
    }
  }

  // Where the weights of some outputs begin in the sum's packed ones, from column `c` on.
  static HWY_INLINE const T* packed_panel(const WeightedSum<T>& sum, std::size_t first_output,
                                          std::size_t outputs, std::size_t c) {
    if (sum.packed == nullptr) return nullptr;
    return sum.packed + first_output * sum.columns + c * padded(std::min(outputs, kOutputBlock));
  }

  template <bool kCentred>
  static HWY_INLINE void run(Panel<T> panel, const T* x, std::size_t rows, T* y) {
    if (panel.outputs == 4 * kOutputBlock) return packed_row<4, kCentred>(panel, x, y);
    if (panel.outputs == 2 * kOutputBlock) return packed_row<2, kCentred>(panel, x, y);
    HWY_ALIGN T own[kColumnBlock * kOutputBlock];
    if (panel.packed == nullptr) {
      pack_panel(panel, own);
      panel.packed = own;
    }
    if (panel.outputs > kLanes) {
      packed_rows<kCentred, 2>(panel, x, rows, y);
    } else {
      packed_rows<kCentred, 1>(panel, x, rows, y);
    }
  }

 private:
  static HWY_INLINE void pack_panel(const Panel<T>& panel, T* packed) {
    const std::size_t width = padded(panel.outputs);
    std::fill_n(packed, panel.columns * width, T{0});
    for (std::size_t o = 0; o < panel.outputs; ++o) {
      for (std::size_t c = 0; c < panel.columns; ++c) {
        T weight = load_value(panel.weights, o * panel.weights_stride + c);
        if (panel.scale != nullptr) weight /= load_value(panel.scale, c);
        packed[c * width + o] = weight;
      }
    }
  }
};

}  // namespace thriftscore::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // THRIFTSCORE_KERNELS_PACKED_TILE_INL_H_
