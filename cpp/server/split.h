// SPDX-License-Identifier: Apache-2.0
// Spreads requests over versions by weight.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string_view>
#include <vector>

#include "model/hashing.h"

namespace thriftscore::server {

/** Numbers at random for one thread: SplitMix64 (Steele, Lea and Flood, 2014). */
class Draws {
 public:
  std::uint32_t value() const noexcept {
    std::uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30U)) * 0xbf58476d1ce4e5b9U;
    mixed = (mixed ^ (mixed >> 27U)) * 0x94d049bb133111ebU;
    return static_cast<std::uint32_t>((mixed ^ (mixed >> 31U)) >> 32U);
  }
  /** From here on there is another value(). */
  void next() noexcept { state_ += 0x9e3779b97f4a7c15U; }

 private:
  static std::uint64_t seed() {
    std::random_device device;
    return std::uint64_t{device()} << 32U | device();
  }

  std::uint64_t state_ = seed();
};

/** Immutable. */
class Split {
 public:
  /** At least one of the weights is above 0; their sum fits 32 bits. */
  explicit Split(const std::vector<std::uint32_t>& weights) {
    std::uint32_t sum = 0;
    for (const auto weight : weights) ends_.push_back(sum += weight);
  }

  /**
   * The position of the weight that a request falls to: always the same for an id, in every
   * process; at random for none ("").
   */
  std::size_t pick(std::string_view request_id, const Draws& draws) const noexcept {
    const auto hash = request_id.empty() ? draws.value() : murmur3_32(request_id, 0);
    const auto found = std::upper_bound(ends_.begin(), ends_.end(), hash % ends_.back());
    return static_cast<std::size_t>(found - ends_.begin());
  }

 private:
  std::vector<std::uint32_t> ends_;  // sums of the weights up to each
};

}  // namespace thriftscore::server
