// SPDX-License-Identifier: Apache-2.0
#include "server/clock.h"

#if defined(__x86_64__)

#include <fstream>
#include <string>

namespace thriftscore::server {
namespace {

constexpr Nanoseconds kMeasuredNs = 2'000'000;

/** The kernel has checked that the counter runs evenly and alike on all processors. */
bool counter_is_trusted() {
  std::ifstream file("/sys/devices/system/clocksource/clocksource0/current_clocksource");
  std::string source;
  return std::getline(file, source) && source == "tsc";
}

CounterRate measure() {
  if (!counter_is_trusted()) return {};
  const Nanoseconds began_ns = steady_now_ns();
  const std::uint64_t began = __rdtsc();
  Nanoseconds elapsed_ns = 0;
  while (elapsed_ns < kMeasuredNs) elapsed_ns = steady_now_ns() - began_ns;
  const auto ticks = static_cast<double>(__rdtsc() - began);
  return {static_cast<std::uint64_t>(static_cast<double>(elapsed_ns) / ticks * 0x1p32)};
}

}  // namespace

const CounterRate& CounterRate::measured() noexcept {
  static const CounterRate rate = measure();
  return rate;
}

}  // namespace thriftscore::server

#endif
