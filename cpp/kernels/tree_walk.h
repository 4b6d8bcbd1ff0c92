// SPDX-License-Identifier: Apache-2.0
// Trees walked from root to leaf, many at once so that their loads overlap. Plain C++: a step waits
// for memory, which gathering vectors does no sooner.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/forest.h"

namespace thriftscore::kernels {

// Walks this many at a time, as many as registers hold; fewer take the time of as many.
inline constexpr std::size_t kWalksInFlight = 12;

// The node where each of kWalksInFlight rows leaves one tree. `codes` is the first row's.
template <typename Code>
void walk_rows(const WalkNode<Code>* nodes, std::uint32_t root, const Code* codes,
               std::size_t stride, std::uint32_t* leaves) noexcept;

// The node where one row leaves each of kWalksInFlight trees.
template <typename Code>
void walk_trees(const WalkNode<Code>* nodes, const std::uint32_t* roots, const Code* codes,
                std::uint32_t* leaves) noexcept;

}  // namespace thriftscore::kernels
