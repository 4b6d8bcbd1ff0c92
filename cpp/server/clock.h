// SPDX-License-Identifier: Apache-2.0
// Monotonic time in nanoseconds, cheap enough to be read several times a request.
#pragma once

#include <chrono>
#include <cstdint>

namespace thriftscore::server {

/** Nanoseconds of a monotonic clock; only differences mean anything. */
using Nanoseconds = std::int64_t;

inline Nanoseconds now_ns() noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

constexpr Nanoseconds milliseconds(std::int64_t count) noexcept { return count * 1'000'000; }

}  // namespace thriftscore::server
