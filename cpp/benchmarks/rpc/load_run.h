// SPDX-License-Identifier: Apache-2.0
// A run: its options, its times, and what was measured.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "benchmarks/rpc/arrivals.h"
#include "benchmarks/rpc/reply.h"
#include "benchmarks/rpc/request.h"
#include "server/latency_histogram.h"

namespace thriftscore::benchmarks {

enum class LoopMode : std::uint8_t {
  kClosed,  ///< each answer is followed by the next request
  kOpen,    ///< requests are due at times that do not depend on the answers
};

struct LoadOptions {
  std::string endpoint;
  RequestOptions request;
  LoopMode mode = LoopMode::kClosed;
  ArrivalProcess arrivals = ArrivalProcess::kConstant;
  double rate = 0;  ///< open loop: requests a second, of all connections together
  std::size_t connections = 1;
  std::size_t depth = 1;
  std::size_t threads = 1;
  double duration_s = 10;    ///< measured; 0 = until `requests` are answered
  double warmup_s = 1;       ///< before that, discarded
  std::size_t requests = 0;  ///< ends the run after as many measured requests; 0 = no limit
  double timeout_s = 10;     ///< without any reply, until the run is given up
  bool poll = false;         ///< never sleep while waiting for replies
  bool check = false;
  int cpu = -1;  ///< of the first thread, the next ones on those after it; -1 = any
};

/// Throws UsageError where the options contradict each other.
void check(const LoadOptions& options);

/// What was counted. Latencies and failures are of the requests that started (in an open loop:
/// were due) while it was measured; throughput is of the replies that came in that time.
struct LoadCounts {
  server::LatencyHistogram latency;  ///< of successes
  std::array<std::uint64_t, kFailures> failures{};
  std::uint64_t mismatches = 0;        ///< at any time
  std::uint64_t unsent = 0;            ///< open loop: due but never sent
  std::uint64_t lost_connections = 0;  ///< at any time
  std::uint64_t replies = 0;           ///< successes that came while it was measured
  std::uint64_t reply_bytes = 0;       ///< in these
  std::uint64_t reply_bytes_last = 0;  ///< in the newest success
  server::Nanoseconds ended = 0;       ///< when it was no longer measured
  double cpu_s = 0;                    ///< of the thread, while it was measured

  void merge(const LoadCounts& other) noexcept;
  [[nodiscard]] std::uint64_t failed() const noexcept;
};

/// When what is done, on the clock of server::steady_now_ns().
struct Schedule {
  server::Nanoseconds start = 0;
  server::Nanoseconds measured_from = 0;
  server::Nanoseconds measured_to = 0;  ///< also the end of sending

  static Schedule starting_at(server::Nanoseconds start, const LoadOptions& options) noexcept;
  [[nodiscard]] double measured_s(const LoadCounts& counts) const noexcept;
};

}  // namespace thriftscore::benchmarks
