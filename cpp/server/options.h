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
  /** Large requests waiting for a compute thread. */
  std::size_t compute_jobs_max = 256;
};

}  // namespace thriftscore::server
