// SPDX-License-Identifier: Apache-2.0
#include "line.h"

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "binary.h"

namespace thriftscore_client {
namespace {

constexpr std::uint32_t kSequenceStep = 0x5E37'79B1U;
constexpr std::uint32_t kSequenceMask = 0x7FFF'FFFFU;
constexpr std::size_t kVersionBytes = 4;
constexpr std::size_t kNumberBytes = 4;
/// A caller that waits for another to read looks at signals as often.
constexpr std::chrono::milliseconds kSignalInterval{50};
/// An answered caller that takes longer to go on waits for others' Python: nothing waits for it.
constexpr std::chrono::microseconds kBriskBelow{200};
constexpr std::chrono::seconds kRestLimit{1};

Failure::Kind read_head(std::span<const char> message, ReplyHead& head) {
  constexpr std::size_t name_at = kVersionBytes + kNumberBytes;
  if (message.size() < name_at) return Failure::Kind::kShortHead;
  const auto version = load<std::uint32_t>(message.data());
  const auto length = load<std::int32_t>(message.data() + kVersionBytes);
  if ((version & 0xffff'ff00U) != kBinaryVersion || length < 0) return Failure::Kind::kNoBinary;
  const auto name_bytes = static_cast<std::size_t>(length);
  if (message.size() - name_at < name_bytes ||
      message.size() - name_at - name_bytes < kNumberBytes) {
    return Failure::Kind::kShortHead;
  }
  head.method = {message.data() + name_at, name_bytes};
  head.type = version & 0xffU;
  head.sequence = load<std::int32_t>(message.data() + name_at + name_bytes);
  head.end = name_at + name_bytes + kNumberBytes;
  return Failure::Kind::kNone;
}

}  // namespace

Line::Line(int descriptor, std::size_t frame_bytes_max)
    : socket_(descriptor), splitter_(frame_bytes_max) {}

std::int32_t Line::next_number() noexcept {
  const std::uint32_t count = numbers_.fetch_add(1) + 1;
  return static_cast<std::int32_t>(count * kSequenceStep & kSequenceMask);
}

void Line::start(Exchange& exchange, const Message& message, Deadline deadline) {
  Lock lock(mutex_);
  if (failure_.kind != Failure::Kind::kNone) {
    exchange.failure = failure_;
    exchange.is_settled = true;
    return;
  }
  pending_[exchange.sequence] = &exchange;
  if (message.payload.empty()) {
    outbox_ += message.head;
    outbox_ += message.end;
    if (!leaves_sending()) flush(lock, exchange, deadline);
  } else {
    send_large(lock, exchange, message, deadline);
  }
}

void Line::send_large(Lock& lock, Exchange& exchange, const Message& message, Deadline deadline) {
  while (is_sending_ && !exchange.is_settled) {
    if (may_send_.wait_until(lock, deadline) == std::cv_status::timeout) return;
  }
  if (exchange.is_settled) return;
  is_sending_ = true;
  // What ends the message goes before all that others put into the outbox meanwhile.
  lock.unlock();
  int error = socket_.send(message.head, message.payload, deadline);
  if (error == 0) error = socket_.send(message.end, {}, deadline);
  lock.lock();
  sent(exchange, error);
  flush(lock, exchange, deadline);
}

void Line::flush(Lock& lock, Exchange& exchange, Deadline deadline) {
  while (!outbox_.empty() && !is_sending_ && failure_.kind == Failure::Kind::kNone) {
    is_sending_ = true;
    std::swap(outbox_, outgoing_);
    lock.unlock();
    const int error = socket_.send(outgoing_, {}, deadline);
    lock.lock();
    outgoing_.clear();
    sent(exchange, error);
  }
}

void Line::sent(Exchange& exchange, int error) {
  is_sending_ = false;
  may_send_.notify_all();
  if (error == ETIMEDOUT) {
    pending_.erase(exchange.sequence);
    if (!exchange.is_settled) {
      exchange.failure = {.kind = Failure::Kind::kSystem, .error = ETIMEDOUT};
      exchange.is_settled = true;
    }
    fail({.kind = Failure::Kind::kAborted, .text = "another call's message was sent in part"});
  } else if (error != 0) {
    fail({.kind = Failure::Kind::kSystem, .error = error});
  }
  close_if_unused();
}

Line::Waited Line::wait(Exchange& exchange, Deadline deadline) {
  Lock lock(mutex_);
  exchange.is_waiting = true;
  Waited waited = Waited::kSettled;
  while (!exchange.is_settled && waited == Waited::kSettled) {
    if (!is_reading_) {
      waited = read_for_all(lock, exchange, deadline);
      continue;
    }
    const auto now = Clock::now();
    if (now >= deadline) {
      waited = Waited::kTimedOut;
    } else if (exchange.changed.wait_until(lock, std::min(deadline, now + kSignalInterval)) ==
                   std::cv_status::timeout &&
               is_reading_ && !exchange.is_settled) {
      waited = Clock::now() >= deadline ? Waited::kTimedOut : Waited::kInterrupted;
    }
  }
  exchange.is_waiting = false;
  if (!is_reading_) hand_over();
  if (exchange.is_settled) std::erase(answered_callers_, &exchange);
  if (!is_waking_ && !answered_callers_.empty()) {
    exchange.wakes_next = is_waking_ = true;
    woken_at_ = Clock::now();
  }
  return exchange.is_settled ? Waited::kSettled : waited;
}

Line::Waited Line::read_for_all(Lock& lock, Exchange& exchange, Deadline deadline) {
  is_reading_ = true;
  Waited waited = Waited::kSettled;
  while (!exchange.is_settled && waited == Waited::kSettled) {
    if (!leaves_sending()) flush(lock, exchange, deadline);
    if (exchange.is_settled) break;
    const std::span<char> space = splitter_.space();
    lock.unlock();
    const std::ptrdiff_t count = socket_.receive(space, deadline);
    lock.lock();
    if (count == -ETIMEDOUT) {
      waited = Waited::kTimedOut;
    } else if (count == -EINTR) {
      waited = Waited::kInterrupted;
    } else {
      take(exchange, count);
    }
  }
  is_reading_ = false;
  close_if_unused();
  return waited;
}

void Line::take(const Exchange& reader, std::ptrdiff_t count) noexcept {
  if (failure_.kind != Failure::Kind::kNone) return;  // closed meanwhile: all are settled
  try {
    take_frames(reader, count);
  } catch (const std::bad_alloc&) {
    fail({.kind = Failure::Kind::kSystem, .error = ENOMEM});
  }
}

void Line::take_frames(const Exchange& reader, std::ptrdiff_t count) {
  if (count < 0) return fail({.kind = Failure::Kind::kSystem, .error = static_cast<int>(-count)});
  if (count == 0) return fail({.kind = Failure::Kind::kEnded});
  splitter_.filled(static_cast<std::size_t>(count));
  Frame frame;
  FrameSplitter::Found found = FrameSplitter::Found::kNothing;
  while ((found = splitter_.next(frame)) == FrameSplitter::Found::kFrame) {
    if (!settle(std::move(frame))) return;
  }
  if (!reader.is_settled && !is_waking_) wake_first();
  if (found == FrameSplitter::Found::kBadLength) {
    fail({.kind = Failure::Kind::kBadFrame, .number = splitter_.bad_length()});
  }
}

bool Line::settle(Frame frame) {
  ReplyHead head;
  if (const auto kind = read_head(frame.bytes(), head); kind != Failure::Kind::kNone) {
    fail({.kind = kind, .number = static_cast<std::int32_t>(frame.size)});
    return false;
  }
  const auto found = pending_.find(head.sequence);
  if (found == pending_.end()) {
    if (forgotten_.erase(head.sequence) > 0) return true;
    fail({.kind = Failure::Kind::kUnexpected,
          .number = head.sequence,
          .method = std::string(head.method)});
    return false;
  }
  Exchange& exchange = *found->second;
  if (exchange.method != head.method) {
    fail({.kind = Failure::Kind::kMixedUp,
          .number = head.sequence,
          .method = std::string(head.method),
          .expected = std::string(exchange.method)});
    return false;
  }
  pending_.erase(found);
  exchange.reply = std::move(frame);
  exchange.type = head.type;
  exchange.start = head.end;
  exchange.is_settled = true;
  answered_callers_.push_back(&exchange);
  return true;
}

void Line::wake_first() {
  is_waking_ = !answered_callers_.empty();
  if (!is_waking_) return;
  Exchange& first = *answered_callers_.front();
  answered_callers_.pop_front();
  first.wakes_next = true;
  woken_at_ = Clock::now();
  first.changed.notify_one();
}

bool Line::wake_next(Exchange& exchange) {
  Lock lock(mutex_);
  if (!std::exchange(exchange.wakes_next, false)) return true;
  is_brisk_ = Clock::now() - woken_at_ < kBriskBelow;
  wake_first();
  return leaves_sending() || send_left(lock);
}

// False where some is left and nobody is sending it.
bool Line::send_left(Lock& lock) {
  if (outbox_.empty() || is_sending_ || failure_.kind != Failure::Kind::kNone) return true;
  is_sending_ = true;
  std::swap(outbox_, outgoing_);
  lock.unlock();
  const std::ptrdiff_t count = socket_.send_now(outgoing_);
  lock.lock();
  is_sending_ = false;
  outgoing_.erase(0, static_cast<std::size_t>(std::max<std::ptrdiff_t>(count, 0)));
  outgoing_ += outbox_;
  std::swap(outbox_, outgoing_);
  outgoing_.clear();
  may_send_.notify_all();
  if (count < 0) fail({.kind = Failure::Kind::kSystem, .error = static_cast<int>(-count)});
  close_if_unused();
  return outbox_.empty();
}

void Line::send_rest() {
  Lock lock(mutex_);
  Exchange nobody{.method = {}, .sequence = -1, .is_settled = true};
  flush(lock, nobody, Clock::now() + kRestLimit);
}

// Under the lock, since the caller may be gone as soon as it can see that it is settled.
void Line::settle(Exchange& exchange) {
  exchange.is_settled = true;
  exchange.changed.notify_one();
}

void Line::hand_over() {
  for (const auto& [_, exchange] : pending_) {
    if (exchange->is_waiting) return exchange->changed.notify_one();
  }
}

bool Line::abandon(Exchange& exchange) {
  Lock lock(mutex_);
  is_retiring_ = true;
  if (pending_.erase(exchange.sequence) > 0) forgotten_.insert(exchange.sequence);
  // It may have been answered since its caller looked.
  std::erase(answered_callers_, &exchange);
  if (std::exchange(exchange.wakes_next, false)) wake_first();
  return leaves_sending() || send_left(lock);
}

void Line::close(Failure failure) {
  const Lock lock(mutex_);
  fail(std::move(failure));
  close_if_unused();
}

bool Line::takes_calls() {
  const Lock lock(mutex_);
  return failure_.kind == Failure::Kind::kNone && !is_retiring_;
}

void Line::fail(Failure failure) {
  if (failure_.kind == Failure::Kind::kNone) failure_ = std::move(failure);
  for (const auto& [_, exchange] : std::exchange(pending_, {})) {
    exchange->failure = failure_;
    settle(*exchange);
  }
  may_send_.notify_all();
  socket_.shut_down();
}

// Who is sending or receiving closes when done: a closed socket's number is used again.
void Line::close_if_unused() noexcept {
  if (failure_.kind != Failure::Kind::kNone && !is_reading_ && !is_sending_) socket_.close();
}

}  // namespace thriftscore_client
