// SPDX-License-Identifier: Apache-2.0
#include "server/event_loop.h"

#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>
#include <chrono>
#include <exception>
#include <utility>

#include "server/plain_stream.h"
#include "server/turns.h"

namespace thriftscore::server {
namespace {

constexpr std::size_t kReadBufferBytes = std::size_t{256} << 10;
/** Timeouts are looked at this often, so they are late by at most this. */
constexpr std::chrono::milliseconds kCheckInterval{250};
constexpr std::chrono::milliseconds kDrainCheckInterval{10};
/** Without sleep: Asio's own events, which are rare, have their turn after so many looks. */
constexpr int kLooksAwake = 64;

}  // namespace

EventLoop::EventLoop(Shared& shared)
    : shared_(shared), responder_(shared), read_buffer_(kReadBufferBytes) {}

void EventLoop::start() {
  asio::post(*context_, [this] { check_connections(); });
  asio::post(*context_, [this] { shared_.options.busy_poll ? stay_awake() : readiness_.start(); });
  thread_ = std::thread([this] { run(); });
}

// One run() for all, since Asio keeps the memory of handlers for the next ones only within it.
void EventLoop::run() {
  prefer_short_turns();
  const auto guard = asio::make_work_guard(*context_);
  while (!context_->stopped()) {
    try {
      context_->run();
    } catch (const std::exception&) {  // what there was no memory for has not been done
    }
  }
  context_->restart();
  close_all();
  context_->poll();  // the handlers of what was closed
}

/** While a handler is ready the loop does not sleep. */
void EventLoop::stay_awake() {
  if (stopping_) return;
  for (int looks = 0; looks < kLooksAwake; ++looks) readiness_.handle_ready();
  asio::post(*context_, [this] { stay_awake(); });
}

void EventLoop::stop() {
  if (!thread_.joinable()) return;
  asio::post(*context_, [this] {
    stopping_ = true;
    context_->stop();
  });
  thread_.join();
}

void EventLoop::adopt(int descriptor) {
  auto stream = std::make_unique<PlainStream>(readiness_, descriptor);
  asio::post(*context_, [this, stream = std::move(stream)]() mutable {
    auto connection = std::make_shared<Connection>(*this, std::move(stream));
    connections_.insert(connection);
    counters_.connections.add(1);
    counters_.connections_accepted.add(1);
    connection->start();
  });
}

void EventLoop::begin_drain() {
  asio::post(*context_, [this] {
    draining_ = true;
    check_connections();
  });
}

void EventLoop::refresh() {
  asio::post(*context_, [this] { responder_.refresh(); });
}

Nanoseconds EventLoop::next_idle_timeout_ns() {
  const Nanoseconds timeout = milliseconds(shared_.options.idle_timeout_ms);
  std::uniform_int_distribution<Nanoseconds> extra(0, timeout / 10);
  return timeout + extra(jitter_);
}

void EventLoop::count_refusal(wire::Status status) noexcept {
  counters_.refused[static_cast<std::size_t>(status)].add(1);
}

void EventLoop::remove(const std::shared_ptr<Connection>& connection, CloseReason reason) {
  if (connections_.erase(connection) == 0) return;
  counters_.connections.subtract(1);
  counters_.closed[static_cast<std::size_t>(reason)].add(1);
}

void EventLoop::check_connections() {
  check_timer_.expires_after(draining_ ? kDrainCheckInterval : kCheckInterval);
  check_timer_.async_wait([this](const asio::error_code& error) {
    if (!error) check_connections();
  });
  const Nanoseconds now = now_ns();
  std::vector<std::shared_ptr<Connection>> due;  // apart, since ending one changes the set
  for (const auto& connection : connections_) {
    if (connection->due(now)) due.push_back(connection);
  }
  for (const auto& connection : due) connection->end_if_due(now);
}

void EventLoop::close_all() {
  check_timer_.cancel();
  readiness_.stop();
  const auto all = std::exchange(connections_, {});
  for (const auto& connection : all) connection->close(CloseReason::kDraining);
  counters_.connections.subtract(all.size());
  counters_.closed[static_cast<std::size_t>(CloseReason::kDraining)].add(all.size());
}

}  // namespace thriftscore::server
