// SPDX-License-Identifier: Apache-2.0
#include "kernels/tree_walk.h"

#include <algorithm>

namespace thriftscore::kernels {
namespace {

// Steps between two looks at whether every walk has ended.
constexpr int kStepsAtOnce = 2;

template <typename Code, class CodesOf>
inline void walk(const WalkNode<Code>* nodes, CodesOf codes_of, std::uint32_t* at) noexcept {
  std::uint32_t node[kWalksInFlight];
  for (std::size_t i = 0; i < kWalksInFlight; ++i) node[i] = at[i];
  std::uint32_t moved = 1;
  while (moved != 0) {
    for (int step = 0; step + 1 < kStepsAtOnce; ++step) {
#pragma GCC unroll 12
      for (std::size_t i = 0; i < kWalksInFlight; ++i) {
        const WalkNode<Code>& test = nodes[node[i]];
        node[i] = test.left + (codes_of(i)[test.column] > test.threshold ? 1U : 0U);
      }
    }
    moved = 0;
#pragma GCC unroll 12
    for (std::size_t i = 0; i < kWalksInFlight; ++i) {
      const WalkNode<Code>& test = nodes[node[i]];
      const std::uint32_t next = test.left + (codes_of(i)[test.column] > test.threshold ? 1U : 0U);
      moved |= next ^ node[i];
      node[i] = next;
    }
  }
  for (std::size_t i = 0; i < kWalksInFlight; ++i) at[i] = node[i];
}

}  // namespace

template <typename Code>
void walk_rows(const WalkNode<Code>* nodes, std::uint32_t root, const Code* codes,
               std::size_t stride, std::uint32_t* leaves) noexcept {
  std::fill_n(leaves, kWalksInFlight, root);
  walk(
      nodes, [codes, stride](std::size_t i) { return codes + i * stride; }, leaves);
}

template <typename Code>
void walk_trees(const WalkNode<Code>* nodes, const std::uint32_t* roots, const Code* codes,
                std::uint32_t* leaves) noexcept {
  std::copy_n(roots, kWalksInFlight, leaves);
  walk(
      nodes, [codes](std::size_t /*i*/) { return codes; }, leaves);
}

template void walk_rows(const WalkNode<std::uint16_t>*, std::uint32_t, const std::uint16_t*,
                        std::size_t, std::uint32_t*) noexcept;
template void walk_rows(const WalkNode<std::uint32_t>*, std::uint32_t, const std::uint32_t*,
                        std::size_t, std::uint32_t*) noexcept;
template void walk_trees(const WalkNode<std::uint16_t>*, const std::uint32_t*, const std::uint16_t*,
                         std::uint32_t*) noexcept;
template void walk_trees(const WalkNode<std::uint32_t>*, const std::uint32_t*, const std::uint32_t*,
                         std::uint32_t*) noexcept;

}  // namespace thriftscore::kernels
