// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/rpc/load_thread.h"

#include <poll.h>
#include <sys/prctl.h>

#include <algorithm>
#include <ctime>
#include <limits>

#include "benchmarks/rpc/command_line.h"

namespace thriftscore::benchmarks {
namespace {

using server::Nanoseconds;

constexpr Nanoseconds kSecond = server::milliseconds(1'000);
constexpr int kWakeUpAfterMs = 100;  // to look at the clock
constexpr int kEvents = 1024;
constexpr std::size_t kSlotBytesMax = std::size_t{2} << 30U;

double thread_cpu_s() noexcept {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

/// `operation` is one of EPOLL_CTL_*.
void watch(int epoll, int operation, int socket, epoll_event event) {
  if (::epoll_ctl(epoll, operation, socket, &event) < 0) throw_errno("epoll_ctl");
}

epoll_event event_of(std::uint32_t events, void* owner) noexcept {
  epoll_event event{};
  event.events = events;
  event.data.ptr = owner;
  return event;
}

/// Until a descriptor of `epoll` is ready or `duration` is over; epoll_wait counts in whole
/// milliseconds, which is too coarse for arrivals.
void sleep_until_ready(int epoll, Nanoseconds duration) noexcept {
  if (duration <= 0) return;
  pollfd readable{epoll, POLLIN, 0};
  const timespec limit{duration / kSecond, duration % kSecond};
  ::ppoll(&readable, 1, &limit, nullptr);
}

}  // namespace

LoadThread::LoadThread(const LoadOptions& options, const ConnectionPlan& plan, std::size_t index)
    : options_(&options),
      plan_(&plan),
      index_(index),
      events_(kEvents),
      requests_max_((options.requests + options.threads - 1 - index) / options.threads) {
  if (options.requests == 0) requests_max_ = std::numeric_limits<std::size_t>::max();
  if (plan.request->size() > kSlotBytesMax / plan.connections / plan.depth) {
    throw UsageError("--connections times --depth times the " +
                     std::to_string(plan.request->size()) + " bytes of a request: over 2 GiB");
  }
  if (options.mode == LoopMode::kOpen) {
    const bool is_constant = options.arrivals == ArrivalProcess::kConstant;
    arrivals_.emplace(options.arrivals, options.rate / static_cast<double>(options.threads),
                      is_constant ? static_cast<double>(index) * 1e9 / options.rate : 0.0,
                      options.request.seed + index);
  }
}

void LoadThread::connect(const Endpoint& endpoint) {
  epoll_ = FileDescriptor(::epoll_create1(EPOLL_CLOEXEC));
  if (epoll_.get() < 0) throw_errno("epoll_create1");
  for (std::size_t i = index_; i < plan_->connections; i += options_->threads) {
    auto slot = std::make_unique<Slot>(LoadConnection(connect_to(endpoint), *plan_, i));
    watch(epoll_.get(), EPOLL_CTL_ADD, slot->connection.socket(), event_of(EPOLLIN, slot.get()));
    slots_.push_back(std::move(slot));
  }
}

void LoadThread::run(const Schedule& schedule) {
  if (options_->cpu >= 0) pin_to_cpu(options_->cpu + static_cast<int>(index_));
  // Arrivals are due to the microsecond, not to the usual 50.
  ::prctl(PR_SET_TIMERSLACK, 1UL);  // NOLINT(cppcoreguidelines-pro-type-vararg): no other call
  schedule_ = schedule;
  last_activity_ = server::steady_now_ns();
  update_phase(last_activity_);
  for (const auto& slot : slots_) offer(*slot);
  while (!is_over_) step();
  counts_.ended = std::min(server::steady_now_ns(), schedule_.measured_to);
  counts_.cpu_s = cpu_before_s_ < 0 ? 0 : thread_cpu_s() - cpu_before_s_;
}

void LoadThread::step() {
  flush_changed();
  const int count = ::epoll_wait(epoll_.get(), events_.data(), kEvents, wait_at_most_ms());
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events_[static_cast<std::size_t>(i)];
    auto& slot = *static_cast<Slot*>(event.data.ptr);
    if ((event.events & EPOLLOUT) != 0) mark_changed(slot);
    if ((event.events & ~std::uint32_t{EPOLLOUT}) != 0) receive(slot);
  }
  const Nanoseconds now = server::steady_now_ns();
  update_phase(now);
  if (arrivals_ && is_sending_) send_due(now);
}

int LoadThread::wait_at_most_ms() const {
  if (options_->poll) return 0;
  const bool waits_for_arrival = arrivals_ && is_sending_ && !ready_.empty();
  if (!waits_for_arrival) return kWakeUpAfterMs;
  const Nanoseconds due = schedule_.start + arrivals_->next() - server::steady_now_ns();
  sleep_until_ready(epoll_.get(), std::min(due, server::milliseconds(kWakeUpAfterMs)));
  return 0;
}

void LoadThread::receive(Slot& slot) {
  slot.connection.receive(buffer_, [this](const Answer& answer) { on_answer(answer); });
  slot.connection.is_closed() ? lose(slot) : offer(slot);
}

void LoadThread::on_answer(const Answer& answer) noexcept {
  --outstanding_;
  last_activity_ = answer.ended;
  const bool is_success = answer.failure == Failure::kNone && !answer.is_mismatch;
  if (answer.is_mismatch) ++counts_.mismatches;
  if (is_success && answer.ended >= schedule_.measured_from &&
      answer.ended < schedule_.measured_to) {
    ++counts_.replies;
    counts_.reply_bytes += answer.bytes;
  }
  if (is_success) counts_.reply_bytes_last = answer.bytes;
  if (!is_measured(answer.started)) return;
  if (is_success) counts_.latency.record(answer.ended - answer.started);
  if (answer.failure != Failure::kNone)
    ++counts_.failures[static_cast<std::size_t>(answer.failure)];
}

bool LoadThread::is_measured(Nanoseconds start) const noexcept {
  return start >= schedule_.measured_from;
}

void LoadThread::lose(Slot& slot) {
  watch(epoll_.get(), EPOLL_CTL_DEL, slot.connection.socket(), event_of(0, nullptr));
  counts_.mismatches += slot.connection.unexpected_replies();
  ++counts_.lost_connections;
}

/// Lets a connection take requests: at once in a closed loop, when they are due in an open one.
void LoadThread::offer(Slot& slot) {
  if (arrivals_) {
    if (slot.is_ready || !slot.connection.has_room()) return;
    slot.is_ready = true;
    return ready_.push_back(&slot);
  }
  while (is_sending_ && slot.connection.has_room()) begin(slot, last_activity_);
}

void LoadThread::send_due(Nanoseconds now) {
  while (is_sending_ && !ready_.empty()) {
    const Nanoseconds due = schedule_.start + arrivals_->next();
    if (due > now) return;
    Slot& slot = *ready_.front();
    ready_.pop_front();
    slot.is_ready = false;
    if (slot.connection.is_closed()) continue;
    arrivals_->advance();
    begin(slot, due);
    offer(slot);
  }
}

void LoadThread::begin(Slot& slot, Nanoseconds start) {
  if (outstanding_ == 0) last_activity_ = std::max(last_activity_, start);
  slot.connection.begin(start);
  mark_changed(slot);
  ++outstanding_;
  if (is_measured(start) && ++measured_begun_ == requests_max_) is_sending_ = false;
}

void LoadThread::mark_changed(Slot& slot) {
  if (slot.is_changed) return;
  slot.is_changed = true;
  changed_.push_back(&slot);
}

/// One write for each connection, whatever was begun on it since the last time.
void LoadThread::flush_changed() {
  for (Slot* const slot : changed_) {
    slot->is_changed = false;
    LoadConnection& connection = slot->connection;
    if (connection.is_closed()) continue;
    connection.flush();
    if (connection.has_unsent() == slot->waits_to_write) continue;
    slot->waits_to_write = connection.has_unsent();
    const std::uint32_t events = slot->waits_to_write ? EPOLLIN | EPOLLOUT : EPOLLIN;
    watch(epoll_.get(), EPOLL_CTL_MOD, connection.socket(), event_of(events, slot));
  }
  changed_.clear();
}

void LoadThread::update_phase(Nanoseconds now) {
  if (cpu_before_s_ < 0 && now >= schedule_.measured_from) cpu_before_s_ = thread_cpu_s();
  if (is_sending_ && now >= schedule_.measured_to) stop_sending();
  const bool is_cut_off = counts_.lost_connections == slots_.size();
  is_over_ = is_cut_off || (!is_sending_ && outstanding_ == 0);
  const auto timeout = static_cast<Nanoseconds>(options_->timeout_s * 1e9);
  if (outstanding_ != 0 && now - last_activity_ > timeout) give_up();
}

/// What was due and found no connection with room is told, for its latency would have been long.
void LoadThread::stop_sending() {
  is_sending_ = false;
  if (!arrivals_) return;
  for (; schedule_.start + arrivals_->next() < schedule_.measured_to; arrivals_->advance()) {
    if (is_measured(schedule_.start + arrivals_->next())) ++counts_.unsent;
  }
}

void LoadThread::give_up() {
  for (const auto& slot : slots_) {
    slot->connection.fail_outstanding(Failure::kUnanswered,
                                      [this](const Answer& answer) { on_answer(answer); });
  }
  is_over_ = true;
}

}  // namespace thriftscore::benchmarks
