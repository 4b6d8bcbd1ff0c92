// SPDX-License-Identifier: Apache-2.0
// The native server: event loops, listeners, and what Python does with them.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "server/counters.h"
#include "server/options.h"
#include "server/shared.h"

namespace thriftscore::server {

class EventLoop;
class Listener;

/** What all loops have counted until now. */
struct Counts {
  std::uint64_t connections = 0;
  std::uint64_t connections_accepted = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::uint64_t calls_under_way = 0;
  std::uint64_t deferred_calls = 0;
  std::array<std::uint64_t, kCloseReasonNames.size()> closed{};
  std::array<std::uint64_t, 64> refused{};  // by wire::Status
};

/**
 * Life cycle: construct, adopt listeners, publish, start, drain, stop. Every member may be called
 * from any thread, but adopt_listener() by one at a time. No member needs or takes the GIL.
 */
class Server {
 public:
  /** Throws std::invalid_argument for options that contradict each other. */
  explicit Server(ServerOptions options,
                  std::shared_ptr<ShadowScorer> shadows = std::make_shared<ShadowScorer>());
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /**
   * Takes over a TCP or Unix-domain socket that listens. Before start(). Throws std::system_error
   * if it is none; then the descriptor stays with the caller.
   */
  void adopt_listener(int descriptor);
  /** Starts the loops and accepts connections. */
  void start();
  /** From here on requests see `snapshot`; those under way finish with what they have. */
  void publish(std::shared_ptr<const Snapshot> snapshot);
  /** Whether ping answers true; false sends it to Python, which says why. */
  void set_serving(bool serving) noexcept { shared_.serving = serving; }

  /** Stops accepting; each connection is closed as soon as all it has sent is answered. */
  void begin_drain();
  /** True once no connection is left; false after `patience`. */
  bool wait_drained(std::chrono::milliseconds patience) const;
  /** Closes everything and ends all threads. Does nothing the second time. */
  void stop();

  ShadowScorer& shadows() noexcept { return *shared_.shadows; }
  DeferredCalls& deferred() noexcept { return shared_.deferred; }
  std::size_t connections_max() const noexcept { return connections_max_; }
  std::size_t io_threads() const noexcept { return loops_.size(); }
  Counts counts() const;
  CallStatisticsMap statistics() const;

 private:
  void take(int descriptor);
  void close_listeners();
  std::uint64_t open_connections() const noexcept;

  Shared shared_;
  std::size_t connections_max_;
  std::vector<std::unique_ptr<EventLoop>> loops_;
  std::vector<std::unique_ptr<Listener>> listeners_;  // on the first loop
  std::size_t next_loop_ = 0;
  std::atomic<std::uint64_t> handed_over_{0};
  std::atomic<std::uint64_t> over_limit_{0};
  mutable std::mutex life_mutex_;  // one step of the life cycle at a time
  std::mutex publish_mutex_;
  bool started_ = false;
};

}  // namespace thriftscore::server
