// SPDX-License-Identifier: Apache-2.0
// Monotonic time in nanoseconds, cheap enough to be read several times a request.
#pragma once

#include <chrono>
#include <cstdint>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace thriftscore::server {

/** Nanoseconds of a monotonic clock; only differences mean anything. */
using Nanoseconds = std::int64_t;

inline Nanoseconds steady_now_ns() noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

#if defined(__x86_64__)

/** What turns the processor's time stamp counter into nanoseconds. */
struct CounterRate {
  /** Takes 2 ms to measure, once a process; good to about 0.01 %. */
  static const CounterRate& measured() noexcept;

  /** Of 2^-32 ns a tick; 0 where the kernel does not trust the counter for its own clock. */
  std::uint64_t scaled_ns = 0;
};

inline Nanoseconds now_ns() noexcept {
  static const CounterRate& rate = CounterRate::measured();
  if (rate.scaled_ns == 0) return steady_now_ns();
  __extension__ using Wide = unsigned __int128;
  return static_cast<Nanoseconds>(static_cast<Wide>(__rdtsc()) * rate.scaled_ns >> 32U);
}

#else

inline Nanoseconds now_ns() noexcept { return steady_now_ns(); }

#endif

constexpr Nanoseconds milliseconds(std::int64_t count) noexcept { return count * 1'000'000; }

}  // namespace thriftscore::server
