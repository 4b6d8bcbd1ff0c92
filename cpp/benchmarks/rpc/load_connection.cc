// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/rpc/load_connection.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace thriftscore::benchmarks {
namespace {

constexpr std::size_t kReadBytes = std::size_t{256} << 10U;
/// The connection in the upper bits of a request id, its request in the lower.
constexpr unsigned kRequestNumberBits = 40;

/// A bijection on 64 bits (the finaliser of SplitMix64), so that ids look like nothing but
/// themselves and no two requests of a run share one.
std::uint64_t mix(std::uint64_t number) noexcept {
  number = (number ^ (number >> 30U)) * 0xbf58476d1ce4e5b9U;
  number = (number ^ (number >> 27U)) * 0x94d049bb133111ebU;
  return number ^ (number >> 31U);
}

}  // namespace

RequestIds ids_of(const ConnectionPlan& plan, std::size_t index, std::uint64_t number) noexcept {
  const std::uint64_t share = kSequenceIdCount / plan.connections;
  const std::uint64_t sequence_id = kSequenceIdFirst + index * share + number % share;
  const std::uint64_t nonce = plan.options.seed ^ (std::uint64_t{index} << kRequestNumberBits);
  return {static_cast<std::int32_t>(sequence_id), mix(nonce ^ number)};
}

LoadConnection::LoadConnection(FileDescriptor socket, const ConnectionPlan& plan, std::size_t index)
    : socket_(std::move(socket)),
      plan_(&plan),
      index_(index),
      slots_(plan.depth * plan.request->size()),
      starts_(plan.depth),
      framer_(reply_limits()) {
  const auto bytes = plan.request->bytes();
  for (std::size_t slot = 0; slot < plan.depth; ++slot) {
    std::memcpy(slots_.data() + slot * bytes.size(), bytes.data(), bytes.size());
  }
}

void LoadConnection::begin(server::Nanoseconds start) noexcept {
  std::byte* const slot = slots_.data() + next_slot_ * plan_->request->size();
  const RequestIds ids = ids_of(*plan_, index_, begun_);
  plan_->request->patch(slot, ids.sequence_id, ids.request_id);
  starts_[next_slot_] = start;
  next_slot_ = next_slot_ + 1 == plan_->depth ? 0 : next_slot_ + 1;
  unsent_ += plan_->request->size();
  ++begun_;
}

void LoadConnection::flush() noexcept {
  while (has_unsent()) {
    const std::size_t first = std::min(unsent_, slots_.size() - send_at_);
    std::array<iovec, 2> parts{iovec{slots_.data() + send_at_, first},
                               iovec{slots_.data(), unsent_ - first}};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = first == unsent_ ? 1 : 2;
    const ssize_t sent = ::sendmsg(socket(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    // A broken connection shows again when it is read, after the replies that still came.
    if (sent < 0) return;
    unsent_ -= static_cast<std::size_t>(sent);
    send_at_ = (send_at_ + static_cast<std::size_t>(sent)) % slots_.size();
  }
}

/// Puts the start of a reply where its rest will be read behind it; returns how much may be read.
std::size_t LoadConnection::prepare(std::vector<std::byte>& buffer) const {
  const std::size_t wanted = std::max(kReadBytes, missing_);
  if (buffer.size() < pending_.size() + wanted) buffer.resize(pending_.size() + wanted);
  if (!pending_.empty()) std::memcpy(buffer.data(), pending_.data(), pending_.size());
  return buffer.size() - pending_.size();
}

std::size_t LoadConnection::read_into(std::vector<std::byte>& buffer) noexcept {
  const std::size_t used = pending_.size();
  ssize_t received = 0;
  do {
    received = ::recv(socket(), buffer.data() + used, buffer.size() - used, MSG_DONTWAIT);
  } while (received < 0 && errno == EINTR);
  const bool is_waiting = received < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
  if (received <= 0) closed_ = !is_waiting;
  return received > 0 ? static_cast<std::size_t>(received) : 0;
}

void LoadConnection::keep(wire::Bytes rest) {
  if (rest.empty()) missing_ = 0;
  pending_.assign(rest.begin(), rest.end());
}

Answer LoadConnection::judge(const wire::Message& message, server::Nanoseconds now) const noexcept {
  Answer answer{read_reply(message.protocol, message.payload).failure, false, 0, now,
                message.total_bytes};
  if (message.transport != plan_->options.transport ||
      message.protocol != plan_->options.protocol) {
    answer.failure = Failure::kOtherTransport;
  }
  if (plan_->check) {
    const RequestIds ids = ids_of(*plan_, index_, answered_);
    const Expected expected{plan_->options.method, plan_->options.rows, ids.sequence_id,
                            ids.request_id};
    answer.is_mismatch = !answers(message.protocol, message.payload, expected);
  }
  return answer;
}

Answer LoadConnection::end_oldest(Answer answer) noexcept {
  answer.started = starts_[oldest_slot_];
  oldest_slot_ = oldest_slot_ + 1 == plan_->depth ? 0 : oldest_slot_ + 1;
  ++answered_;
  return answer;
}

}  // namespace thriftscore::benchmarks
