// SPDX-License-Identifier: Apache-2.0
#include "server/server.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <asio/post.hpp>
#include <future>
#include <stdexcept>
#include <thread>
#include <utility>

#include "server/event_loop.h"
#include "server/listener.h"

namespace thriftscore::server {
namespace {

/** File descriptors for the repository, the admin port, logs and the loops themselves. */
constexpr std::size_t kReservedDescriptors = 64;
constexpr std::chrono::milliseconds kDrainPoll{2};

std::size_t core_count() noexcept { return std::max(1U, std::thread::hardware_concurrency()); }

std::size_t or_cores(std::size_t threads) noexcept { return threads == 0 ? core_count() : threads; }

std::size_t connections_allowed(std::size_t wanted) noexcept {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const auto descriptors = static_cast<std::size_t>(limit.rlim_cur);
  const std::size_t allowed =
      descriptors > 2 * kReservedDescriptors ? descriptors - kReservedDescriptors : descriptors / 2;
  return wanted == 0 ? allowed : std::min(wanted, allowed);
}

wire::Limits wire_limits(const ServerOptions& options) {
  if (options.frame_bytes_max > options.message_bytes_max) {
    throw std::invalid_argument("frame_bytes_max must not be above message_bytes_max");
  }
  if (options.nesting_max > wire::kNestingCapacity) {
    throw std::invalid_argument("nesting_max must not be above 64");
  }
  wire::Limits limits;
  limits.frame_bytes_max = static_cast<std::uint32_t>(options.frame_bytes_max);
  limits.message_bytes_max = static_cast<std::uint32_t>(options.message_bytes_max);
  limits.method_name_bytes_max = options.method_name_bytes_max;
  limits.nesting_max = options.nesting_max;
  limits.values_max = options.values_max;
  return limits;
}

}  // namespace

Server::Server(ServerOptions options, std::shared_ptr<ShadowScorer> shadows)
    : shared_(options, wire_limits(options), or_cores(options.compute_threads), std::move(shadows)),
      connections_max_(connections_allowed(options.connections_max)) {
  static_cast<void>(now_ns());  // the clock is measured here rather than in the first request
  for (std::size_t index = 0; index < or_cores(options.io_threads); ++index) {
    loops_.push_back(std::make_unique<EventLoop>(shared_));
  }
}

Server::~Server() { stop(); }

void Server::adopt_listener(int descriptor) {
  listeners_.push_back(std::make_unique<Listener>(loops_[0]->context(), descriptor,
                                                  [this](int connected) { take(connected); }));
}

void Server::start() {
  const std::scoped_lock lock(life_mutex_);
  if (started_) return;
  started_ = true;
  for (const auto& loop : loops_) loop->start();
  for (const auto& listener : listeners_) {
    asio::post(loops_[0]->context(), [&listener] { listener->start(); });
  }
}

void Server::publish(std::shared_ptr<const Snapshot> snapshot) {
  const std::scoped_lock lock(publish_mutex_);
  shared_.catalog.publish(snapshot);
  shared_.pool_statistics.retain(std::move(snapshot));
  for (const auto& loop : loops_) loop->refresh();
}

/** On the first loop's thread. Connections are spread in turn. */
void Server::take(int descriptor) {
  if (open_connections() >= connections_max_) {
    over_limit_.fetch_add(1);
    ::close(descriptor);
    return;
  }
  auto& loop = *loops_[next_loop_];
  next_loop_ = (next_loop_ + 1) % loops_.size();
  handed_over_.fetch_add(1);
  loop.adopt(descriptor);
}

std::uint64_t Server::open_connections() const noexcept {
  std::uint64_t closed = 0;
  for (const auto& loop : loops_) {
    for (const auto& counter : loop->counters().closed) closed += counter.value();
  }
  return handed_over_.load() - closed;
}

void Server::begin_drain() {
  const std::scoped_lock lock(life_mutex_);
  if (!started_) return;
  shared_.serving = false;
  close_listeners();
  for (const auto& loop : loops_) loop->begin_drain();
}

void Server::close_listeners() {
  std::promise<void> closed;
  asio::post(loops_[0]->context(), [this, &closed] {
    for (const auto& listener : listeners_) listener->close();
    // Once more around, behind the connections that had been accepted by then.
    asio::post(loops_[0]->context(), [&closed] { closed.set_value(); });
  });
  closed.get_future().wait();
}

bool Server::wait_drained(std::chrono::milliseconds patience) const {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (open_connections() != 0) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(kDrainPoll);
  }
  return true;
}

void Server::stop() {
  const std::scoped_lock lock(life_mutex_);
  shared_.serving = false;
  shared_.deferred.close();
  if (started_) close_listeners();
  started_ = false;
  for (const auto& loop : loops_) loop->stop();  // ends the connections, which cancels their jobs
  shared_.compute.stop();
  listeners_.clear();
}

Counts Server::counts() const {
  Counts sum;
  for (const auto& loop : loops_) {
    const auto& counters = std::as_const(*loop).counters();
    sum.connections += counters.connections.value();
    sum.connections_accepted += counters.connections_accepted.value();
    sum.bytes_in += counters.bytes_in.value();
    sum.bytes_out += counters.bytes_out.value();
    sum.calls_under_way += counters.calls_under_way.value();
    for (std::size_t i = 0; i < sum.closed.size(); ++i) sum.closed[i] += counters.closed[i].value();
    for (std::size_t i = 0; i < sum.refused.size(); ++i) {
      sum.refused[i] += counters.refused[i].value();
    }
  }
  sum.closed[static_cast<std::size_t>(CloseReason::kOverLimit)] += over_limit_.load();
  sum.deferred_calls = shared_.deferred.size();
  return sum;
}

CallStatisticsMap Server::statistics() const {
  CallStatisticsMap sum;
  for (const auto& loop : loops_) loop->statistics().merge_into(sum);
  shared_.pool_statistics.merge_into(sum);
  return sum;
}

}  // namespace thriftscore::server
