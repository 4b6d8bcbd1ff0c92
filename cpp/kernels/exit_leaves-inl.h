// SPDX-License-Identifier: Apache-2.0
// The leaf that each row reaches in trees of few leaves, without walking them: every test that
// fails strikes out the leaves of its left subtree, and the first leaf that is left is the one
// (QuickScorer: Lucchese et al., SIGIR 2015; byte by byte as in RapidScorer: Ye et al., KDD 2018).
// Compiled once per target: the guard is flipped by foreach_target.h.
#if defined(THRIFTSCORE_KERNELS_EXIT_LEAVES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef THRIFTSCORE_KERNELS_EXIT_LEAVES_INL_H_
#undef THRIFTSCORE_KERNELS_EXIT_LEAVES_INL_H_
#else
#define THRIFTSCORE_KERNELS_EXIT_LEAVES_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>

#include "kernels/forest.h"
#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace thriftscore::kernels::HWY_NAMESPACE {

// The position of the lowest zero bit of each byte; 255 where all are set.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V lowest_zero_bit(D d, V bytes) {
  alignas(16) static constexpr std::uint8_t kLow[16] = {0, 1, 0, 2, 0, 1, 0, 3,
                                                        0, 1, 0, 2, 0, 1, 0, 255};
  alignas(16) static constexpr std::uint8_t kHigh[16] = {4, 5, 4, 6, 4, 5, 4, 7,
                                                         4, 5, 4, 6, 4, 5, 4, 255};
  const V nibble = hn::Set(d, std::uint8_t{15});
  const V low = hn::And(bytes, nibble);
  constexpr hn::Repartition<std::uint16_t, D> pairs;
  const V high = hn::And(hn::BitCast(d, hn::ShiftRight<4>(hn::BitCast(pairs, bytes))), nibble);
  return hn::Min(hn::TableLookupBytes(hn::LoadDup128(d, kLow), low),
                 hn::TableLookupBytes(hn::LoadDup128(d, kHigh), high));
}

// kVectors vectors of rows through one tree.
template <std::size_t kVectors>
HWY_INLINE void exit_leaves_of(const MaskedTrees& trees, std::size_t tree, const std::int8_t* codes,
                               std::size_t stride, std::uint8_t* leaves) {
  constexpr hn::ScalableTag<std::uint8_t> d;
  constexpr hn::RebindToSigned<decltype(d)> di;
  constexpr hn::Repartition<std::uint32_t, decltype(d)> words;
  constexpr std::size_t kLanes = hn::MaxLanes(d);
  using V = hn::Vec<decltype(d)>;
  V first[kVectors];
  for (V& leaf : first) leaf = hn::Set(d, std::uint8_t{255});
  const std::uint32_t* const ends = trees.mask_ends + trees.tree_bytes[tree];
  const std::size_t bytes = trees.tree_bytes[tree + 1] - trees.tree_bytes[tree];
  const LeafMask* mask = trees.masks + ends[-1];
  for (std::size_t byte = 0; byte < bytes; ++byte) {
    V struck[kVectors];
    for (V& bits : struck) bits = hn::Zero(d);
    for (const LeafMask* const end = trees.masks + ends[byte]; mask != end; ++mask) {
      const auto threshold = hn::BitCast(di, hn::Set(words, mask->threshold));
      const V bits = hn::BitCast(d, hn::Set(words, mask->bits));
      const std::int8_t* const column = codes + mask->column * stride;
      for (std::size_t v = 0; v < kVectors; ++v) {
        const auto fails = hn::Gt(hn::Load(di, column + v * kLanes), threshold);
        struck[v] = hn::Or(struck[v], hn::And(bits, hn::BitCast(d, hn::VecFromMask(di, fails))));
      }
    }
    const V offset = hn::Set(d, static_cast<std::uint8_t>(8 * byte));
    for (std::size_t v = 0; v < kVectors; ++v) {
      const V found = hn::SaturatedAdd(lowest_zero_bit(d, struck[v]), offset);
      first[v] = hn::Min(first[v], found);
    }
  }
  for (std::size_t v = 0; v < kVectors; ++v) hn::Store(first[v], d, leaves + v * kLanes);
}

inline void exit_leaves(const MaskedTrees& trees, const std::int8_t* codes, std::size_t rows,
                        std::uint8_t* leaves) noexcept {
  constexpr std::size_t kLanes = hn::MaxLanes(hn::ScalableTag<std::uint8_t>());
  constexpr std::size_t kVectors = 4;
  std::size_t row = 0;
  for (; row + kVectors * kLanes <= rows; row += kVectors * kLanes) {
    for (std::size_t tree = 0; tree < trees.trees; ++tree) {
      exit_leaves_of<kVectors>(trees, tree, codes + row, rows, leaves + tree * rows + row);
    }
  }
  for (; row < rows; row += kLanes) {
    for (std::size_t tree = 0; tree < trees.trees; ++tree) {
      exit_leaves_of<1>(trees, tree, codes + row, rows, leaves + tree * rows + row);
    }
  }
}

}  // namespace thriftscore::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // THRIFTSCORE_KERNELS_EXIT_LEAVES_INL_H_
