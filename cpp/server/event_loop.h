// SPDX-License-Identifier: Apache-2.0
// One thread and the connections that live on it.
#pragma once

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <memory>
#include <random>
#include <span>
#include <thread>
#include <unordered_set>
#include <vector>

#include "server/connection.h"
#include "server/counters.h"
#include "server/readiness.h"
#include "server/responder.h"
#include "server/shared.h"
#include "server/spare_buffers.h"

namespace thriftscore::server {

class EventLoop {
 public:
  explicit EventLoop(Shared& shared);
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  /** Starts the thread. */
  void start();
  /** Closes what is open and ends the thread. Does nothing the second time. */
  void stop();

  asio::io_context& context() noexcept { return *context_; }
  /** For those that may outlive the loop; what they post then is never done. */
  const std::shared_ptr<asio::io_context>& shared_context() const noexcept { return context_; }

  // For any thread.

  /** Takes over a connected socket. */
  void adopt(int descriptor);
  /** Answers what was sent until now and closes each connection once it is quiet. */
  void begin_drain();
  /** Makes the loop take the newest snapshot. */
  void refresh();
  const LoopCounters& counters() const noexcept { return counters_; }
  const StatisticsShard& statistics() const noexcept { return responder_.statistics(); }

  // For the loop's own thread: what its connections use.

  LoopCounters& counters() noexcept { return counters_; }
  Responder& responder() noexcept { return responder_; }
  const ServerOptions& options() const noexcept { return shared_.options; }
  const wire::Limits& limits() const noexcept { return shared_.limits; }
  bool draining() const noexcept { return draining_; }
  /** Where bytes are read to first; its content is only good until the next read of any stream. */
  std::span<std::byte> read_buffer() noexcept { return read_buffer_; }
  SpareBuffers& spare_buffers() noexcept { return spare_buffers_; }
  Nanoseconds next_idle_timeout_ns();
  void count_refusal(wire::Status status) noexcept;
  void remove(const std::shared_ptr<Connection>& connection, CloseReason reason);

 private:
  void run();
  void stay_awake();
  void check_connections();
  void close_all();

  Shared& shared_;
  std::shared_ptr<asio::io_context> context_ = std::make_shared<asio::io_context>(1);
  asio::steady_timer check_timer_{*context_};
  Readiness readiness_{*context_};
  Responder responder_;
  LoopCounters counters_;
  std::vector<std::byte> read_buffer_;
  SpareBuffers spare_buffers_;
  std::unordered_set<std::shared_ptr<Connection>> connections_;
  std::minstd_rand jitter_{std::random_device{}()};
  bool draining_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace thriftscore::server
