// SPDX-License-Identifier: Apache-2.0
// Weighted sums as dot products: the vectors run along the columns of the weights as they are, and
// each sum is folded once at its end. Best for few rows, few outputs or many columns.
// Compiled once per target: the guard is flipped by foreach_target.h.
#if defined(THRIFTSCORE_KERNELS_DOT_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef THRIFTSCORE_KERNELS_DOT_TILE_INL_H_
#undef THRIFTSCORE_KERNELS_DOT_TILE_INL_H_
#else
#define THRIFTSCORE_KERNELS_DOT_TILE_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>

#include "kernels/kernels.h"
#include "kernels/lanes-inl.h"
#include "kernels/panel-inl.h"

HWY_BEFORE_NAMESPACE();
namespace thriftscore::kernels::HWY_NAMESPACE {

// Accumulators are what hides the latency of a multiply-add (eight or more) and what must fit in
// 16 registers beside the rows and a weight.
template <std::size_t kOutputs>
constexpr std::size_t kDotRows = kOutputs <= 2 ? 4 : 3;

// The sums of four float vectors, or two double vectors, in one 128-bit block.
template <class D, class V>
HWY_INLINE V transpose_add(D d, V a, V b) {
  return hn::Add(hn::InterleaveLower(d, a, b), hn::InterleaveUpper(d, a, b));
}

template <class V>
HWY_INLINE V sum_within_blocks(hn::ScalableTag<double> d, const V* v) {
  return transpose_add(d, v[0], v[1]);
}

template <class V>
HWY_INLINE V sum_within_blocks(hn::ScalableTag<float> d, const V* v) {
  constexpr hn::RepartitionToWide<decltype(d)> pairs;
  const auto first = hn::BitCast(pairs, transpose_add(d, v[0], v[1]));
  const auto second = hn::BitCast(pairs, transpose_add(d, v[2], v[3]));
  return hn::Add(hn::BitCast(d, hn::InterleaveLower(pairs, first, second)),
                 hn::BitCast(d, hn::InterleaveUpper(pairs, first, second)));
}

template <class D, class V = hn::Vec<D>>
HWY_INLINE auto add_blocks(D d, V v) {
  if constexpr (hn::MaxLanes(d) * sizeof(hn::TFromD<D>) > 16) {
    constexpr hn::Half<D> half;
    return add_blocks(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  } else {
    return v;
  }
}

template <typename T, bool kCentred, std::size_t kRows, std::size_t kOutputs>
class DotTile {
 public:
  HWY_INLINE DotTile() {
    for (auto& sums : sums_) {
      for (V& sum : sums) sum = hn::Zero(d_);
    }
  }

  HWY_INLINE void accumulate(const Panel<T>& panel, const T* x) {
    std::size_t c = 0;
    for (; c + kUnroll * kLanes <= panel.columns; c += kUnroll * kLanes) {
      for (std::size_t u = 0; u < kUnroll; ++u) step(panel, x, c + u * kLanes, kLanes, sums_[u]);
    }
    for (; c + kLanes <= panel.columns; c += kLanes) step(panel, x, c, kLanes, sums_[0]);
    if (c < panel.columns) step(panel, x, c, panel.columns - c, sums_[0]);
    for (std::size_t u = 1; u < kUnroll; ++u) {
      for (std::size_t i = 0; i < kRows * kOutputs; ++i) {
        sums_[0][i] = hn::Add(sums_[0][i], sums_[u][i]);
      }
    }
  }

  HWY_INLINE void store(const Panel<T>& panel, T* y) const {
    if constexpr (kOutputs % kGroup == 0) {
      for (std::size_t i = 0; i < kRows * kOutputs; i += kGroup) {
        const std::size_t row = i / kOutputs;
        const T* initial = panel.initial + row * panel.initial_stride + i % kOutputs;
        const auto sums = hn::Add(hn::LoadU(group_, initial), group_sums(i));
        hn::StoreU(sums, group_, y + row * panel.y_stride + i % kOutputs);
      }
    } else {
      HWY_ALIGN T sums[kPadded];
      for (std::size_t i = 0; i < kPadded; i += kGroup) hn::Store(group_sums(i), group_, sums + i);
      for (std::size_t i = 0; i < kRows * kOutputs; ++i) {
        const std::size_t row = i / kOutputs;
        const T initial = load_value(panel.initial, row * panel.initial_stride + i % kOutputs);
        store_value(initial + sums[i], y, row * panel.y_stride + i % kOutputs);
      }
    }
  }

 private:
  using D = hn::ScalableTag<T>;
  using V = hn::Vec<D>;
  static constexpr D d_{};
  static constexpr hn::CappedTag<T, 16 / sizeof(T)> group_{};
  static constexpr std::size_t kLanes = hn::MaxLanes(d_);
  static constexpr std::size_t kGroup = 16 / sizeof(T);
  static constexpr std::size_t kPadded = (kRows * kOutputs + kGroup - 1) / kGroup * kGroup;
  // Independent of the rows, on which the order of the sums must not depend.
  static constexpr std::size_t kUnroll = kOutputs == 1 ? 2 : 1;

  HWY_INLINE void step(const Panel<T>& panel, const T* x, std::size_t c, std::size_t count,
                       V* sums) const {
    V rows[kRows];
    for (std::size_t r = 0; r < kRows; ++r) {
      rows[r] = load_lanes(d_, x + r * panel.x_stride + c, count);
    }
    if constexpr (kCentred) {
      const V mean = load_lanes(d_, panel.mean + c, count);
      for (std::size_t r = 0; r < kRows; ++r) rows[r] = hn::Sub(rows[r], mean);
    }
    for (std::size_t o = 0; o < kOutputs; ++o) {
      const V weights = load_lanes(d_, panel.weights + o * panel.weights_stride + c, count);
      for (std::size_t r = 0; r < kRows; ++r) {
        sums[r * kOutputs + o] = hn::MulAdd(rows[r], weights, sums[r * kOutputs + o]);
      }
    }
  }

  HWY_INLINE auto group_sums(std::size_t first) const {
    return add_blocks(d_, sum_within_blocks(d_, sums_[0] + first));
  }

  V sums_[kUnroll][kPadded];
};

template <bool kCentred, std::size_t kOutputs, std::size_t kRows = kDotRows<kOutputs>, typename T>
HWY_INLINE void dot_rows(const Panel<T>& start, const T* x, std::size_t rows, T* y) {
  Panel<T> panel = start;
  for (; rows >= kRows; rows -= kRows) {
    DotTile<T, kCentred, kRows, kOutputs> tile;
    tile.accumulate(panel, x);
    tile.store(panel, y);
    x += kRows * panel.x_stride;
    y += kRows * panel.y_stride;
    panel.initial += kRows * panel.initial_stride;
  }
  if constexpr (kRows > 1) {
    if (rows > 0) dot_rows<kCentred, kOutputs, kRows / 2>(panel, x, rows, y);
  }
}

// How weighted_sum() runs these tiles: a block of weights stays in a near cache while a
// block of rows, in the second level, passes it.
template <typename T>
class DotProducts {
 public:
  static constexpr std::size_t kOutputBlock = 4;
  static constexpr std::size_t kColumnBlock = 8192 / sizeof(T);
  static constexpr std::size_t kRowBlock = 48;

  static constexpr std::size_t output_block(const WeightedSum<T>& /*sum*/, std::size_t /*rows*/,
                                            std::size_t outputs) {
    return std::min(kOutputBlock, outputs);
  }

  template <bool kCentred>
  static HWY_INLINE void run(const Panel<T>& panel, const T* x, std::size_t rows, T* y) {
    if (panel.scale != nullptr) {
      HWY_ALIGN T scaled[kOutputBlock * kColumnBlock];
      dispatch<kCentred>(with_scaled_weights(panel, scaled), x, rows, y);
    } else {
      dispatch<kCentred>(panel, x, rows, y);
    }
  }

  // Dot products use the weights as they are.
  static constexpr const T* packed_panel(const WeightedSum<T>& /*sum*/, std::size_t /*first*/,
                                         std::size_t /*outputs*/, std::size_t /*c*/) {
    return nullptr;
  }

 private:
  static constexpr hn::ScalableTag<T> d_{};
  static constexpr std::size_t kLanes = hn::MaxLanes(d_);

  template <bool kCentred>
  static HWY_INLINE void dispatch(const Panel<T>& panel, const T* x, std::size_t rows, T* y) {
    switch (panel.outputs) {
      case 1:
        return dot_rows<kCentred, 1>(panel, x, rows, y);
      case 2:
        return dot_rows<kCentred, 2>(panel, x, rows, y);
      case 3:
        return dot_rows<kCentred, 3>(panel, x, rows, y);
      default:
        return dot_rows<kCentred, kOutputBlock>(panel, x, rows, y);
    }
  }

  // weights / scale once per block of rows, so that a tile has no division.
  static HWY_INLINE Panel<T> with_scaled_weights(Panel<T> panel, T* scaled) {
    for (std::size_t c = 0; c < panel.columns; c += kLanes) {
      const std::size_t n = std::min(kLanes, panel.columns - c);
      const auto divisor = load_lanes(d_, panel.scale + c, n);
      for (std::size_t o = 0; o < panel.outputs; ++o) {
        const auto weights = load_lanes(d_, panel.weights + o * panel.weights_stride + c, n);
        hn::Store(hn::Div(weights, divisor), d_, scaled + o * kColumnBlock + c);
      }
    }
    panel.weights = scaled;
    panel.weights_stride = kColumnBlock;
    return panel;
  }
};

}  // namespace thriftscore::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // THRIFTSCORE_KERNELS_DOT_TILE_INL_H_
