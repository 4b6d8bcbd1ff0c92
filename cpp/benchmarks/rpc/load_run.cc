// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/rpc/load_run.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "benchmarks/rpc/command_line.h"

namespace thriftscore::benchmarks {
namespace {

using server::Nanoseconds;

Nanoseconds nanoseconds(double seconds) noexcept { return static_cast<Nanoseconds>(seconds * 1e9); }

}  // namespace

void check(const LoadOptions& options) {
  if (options.mode == LoopMode::kOpen && options.rate <= 0) {
    throw UsageError("--rate: an open loop needs one, in requests a second");
  }
  if (options.mode == LoopMode::kClosed && options.rate > 0) {
    throw UsageError("--rate: only an open loop has one; give --mode open");
  }
  if (options.threads > options.connections) {
    throw UsageError("--threads: expected at most one for each of the " +
                     std::to_string(options.connections) + " connections, received " +
                     std::to_string(options.threads));
  }
  if (options.duration_s <= 0 && options.requests == 0) {
    throw UsageError("--duration-s: 0 needs --requests, or the run would not end");
  }
  if (options.depth > kSequenceIdCount / options.connections) {
    throw UsageError("--depth: too many requests under way for the sequence ids there are");
  }
}

void LoadCounts::merge(const LoadCounts& other) noexcept {
  latency.merge(other.latency);
  for (std::size_t i = 0; i < kFailures; ++i) failures[i] += other.failures[i];
  mismatches += other.mismatches;
  unsent += other.unsent;
  lost_connections += other.lost_connections;
  replies += other.replies;
  reply_bytes += other.reply_bytes;
  reply_bytes_last = std::max(reply_bytes_last, other.reply_bytes_last);
  ended = std::max(ended, other.ended);
  cpu_s += other.cpu_s;
}

std::uint64_t LoadCounts::failed() const noexcept {
  return std::accumulate(failures.begin(), failures.end(), std::uint64_t{0});
}

Schedule Schedule::starting_at(Nanoseconds start, const LoadOptions& options) noexcept {
  const Nanoseconds from = start + nanoseconds(options.warmup_s);
  const bool has_end = options.duration_s > 0;
  return {
      start, from,
      has_end ? from + nanoseconds(options.duration_s) : std::numeric_limits<Nanoseconds>::max()};
}

double Schedule::measured_s(const LoadCounts& counts) const noexcept {
  return static_cast<double>(std::max<Nanoseconds>(counts.ended - measured_from, 0)) / 1e9;
}

}  // namespace thriftscore::benchmarks
