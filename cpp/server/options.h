// SPDX-License-Identifier: Apache-2.0
// Everything that can be set about the native server. All limits are finite by default.
#pragma once

#include <cstddef>
#include <cstdint>

namespace thriftscore::server {

struct ServerOptions {
  /** Event loops, each with a thread of its own; 0 = one for each core. */
  std::size_t io_threads = 0;
  /** Loops never sleep: the lowest latency, for a core each. */
  bool busy_poll = false;
  /** Threads for large requests; 0 = one for each core. */
  std::size_t compute_threads = 0;
  /** Estimated work above which a request leaves the loop for the compute threads. */
  std::int64_t inline_work_ns_max = 200'000;

  std::size_t frame_bytes_max = 16'384'000;
  std::size_t message_bytes_max = std::size_t{100} << 20;
  /** Longest method name, with the prefix of a multiplexed call. */
  std::uint32_t method_name_bytes_max = 128;
  /** Depth of structs and containers; at most 64. */
  std::uint32_t nesting_max = 64;
  /** Fields and elements that have to be visited one by one (wire::Limits::values_max). */
  std::uint32_t values_max = 1U << 20U;
  /** Rows times columns of a sparse request that is made dense: its bytes do not bound its work. */
  std::size_t sparse_cells_max = std::size_t{1} << 26;
  /** Connections at once; 0 = what RLIMIT_NOFILE allows, less a reserve. */
  std::size_t connections_max = 0;
  /** Replies waiting for a slow reader: above this nothing more is read from it. */
  std::size_t unsent_bytes_pause = std::size_t{1} << 20;
  /** Replies waiting for a slow reader: above this it is cut off. */
  std::size_t unsent_bytes_max = std::size_t{32} << 20;
  /** From the first byte of a message to its last. */
  std::int64_t message_timeout_ms = 10'000;
  /** Without a byte in either direction and no call under way; up to a tenth longer, at random. */
  std::int64_t idle_timeout_ms = 300'000;
  /** While replies wait and the client takes none. */
  std::int64_t write_timeout_ms = 10'000;
  /** Calls waiting for a Python thread. */
  std::size_t deferred_calls_max = 1'024;
  /** Bytes of the calls waiting for a Python thread. */
  std::size_t deferred_bytes_max = std::size_t{256} << 20;
  /** What a caller is told that finds a queue full: when to try again. */
  std::int32_t retry_after_ms = 50;
  /** Large requests waiting for a compute thread. */
  std::size_t compute_jobs_max = 256;
};

}  // namespace thriftscore::server
