// SPDX-License-Identifier: Apache-2.0
#include "server/connection.h"

#include <algorithm>
#include <asio/post.hpp>
#include <utility>
#include <variant>

#include "server/event_loop.h"

namespace thriftscore::server {
namespace {

/** Free space behind a partial message for the next read; from there on it doubles. */
constexpr std::size_t kReadBytesMin = std::size_t{16} << 10;
/** A buffer of the connection's own that is empty is kept up to this size. */
constexpr std::size_t kKeptBytesMax = std::size_t{4} << 10;
/** A message from this size on is moved rather than copied to where it is needed. */
constexpr std::size_t kMovedBytesMin = std::size_t{64} << 10;
/** Bytes behind a call that is under way are read up to here. */
constexpr std::size_t kReadAheadBytesMax = std::size_t{1} << 20;

}  // namespace

Connection::Connection(EventLoop& loop, std::unique_ptr<ByteStream> stream)
    : loop_(loop),
      stream_(std::move(stream)),
      framer_(loop.limits()),
      last_active_ns_(now_ns()),
      idle_timeout_ns_(loop.next_idle_timeout_ns()) {}

void Connection::start() { wait_readable(); }

void Connection::wait_readable() {
  if (waiting_readable_ || closed_ || reading_paused()) return;
  waiting_readable_ = true;
  stream_->wait_readable(shared_from_this());
}

void Connection::on_readable(bool failed) {
  waiting_readable_ = false;
  if (closed_) return;
  if (failed) return close(CloseReason::kPeer);
  read();
  wait_readable();
}

void Connection::read() {
  if (input_.empty()) {  // the loop's buffer holds all there is
    const auto buffer = loop_.read_buffer();
    const Transfer transfer = stream_->read(buffer);
    if (!take(transfer)) return;
    const auto bytes = buffer.first(transfer.bytes);
    const std::size_t used = call_under_way_ ? 0 : handle_messages(bytes);
    return keep(bytes.subspan(used));
  }
  // The buffer grows with what arrives, whatever a frame declares.
  const std::size_t held = input_.size();
  input_.resize(held + std::clamp(held, kReadBytesMin, loop_.read_buffer().size()));
  const Transfer transfer = stream_->read(std::span(input_).subspan(held));
  input_.resize(held + transfer.bytes);
  if (take(transfer)) handle_input();
}

/** Accounts for a read; true if it brought bytes. */
bool Connection::take(const Transfer& transfer) {
  if (transfer.state == Transfer::State::kClosed) close(CloseReason::kPeer);
  if (transfer.state != Transfer::State::kMoved) return false;
  received_ns_ = last_active_ns_ = now_ns();
  loop_.counters().bytes_in.add(transfer.bytes);
  return true;
}

/** Handles the messages that are complete in input_. */
void Connection::handle_input() {
  if (call_under_way_) return;
  const std::size_t used = handle_messages(input_);
  if (closed_) return;
  if (!std::exchange(input_moved_, false)) {
    input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(used));
  }
  keep({});
}

/** Keeps what a read has left over, and none of the memory that is no longer needed. */
void Connection::keep(std::span<const std::byte> left_over) {
  if (closed_) return;
  input_.insert(input_.end(), left_over.begin(), left_over.end());
  if (input_.empty() && input_.capacity() > kKeptBytesMax) std::vector<std::byte>().swap(input_);
  const bool partial = !input_.empty() && !call_under_way_;
  if (!partial) {
    message_began_ns_ = 0;
  } else if (message_began_ns_ == 0) {
    message_began_ns_ = now_ns();
  }
}

/** Handles complete messages at the front of `bytes`; returns how many bytes they have. */
std::size_t Connection::handle_messages(std::span<const std::byte> bytes) {
  auto& responder = loop_.responder();
  std::size_t used = 0;
  bool full = true;  // stopped for the replies to leave, not for want of a message
  while (full && !closed_ && unsent_.empty()) {
    do {
      while (used < bytes.size() && !call_under_way_ && !ending_ && handle_next(bytes, used)) {
      }
    } while (flush_joined(used));
    full = responder.replies().size() > loop_.options().unsent_bytes_pause;
    send_replies();
  }
  if (used != 0) message_began_ns_ = 0;  // what is left belongs to another message
  return used;
}

/** True if messages that had been joined have to be handled again, one by one. */
bool Connection::flush_joined(std::size_t& used) {
  const auto from = std::exchange(joined_from_, std::nullopt);
  if (!from || loop_.responder().flush()) return false;
  used = *from;
  return true;
}

bool Connection::handle_next(std::span<const std::byte> bytes, std::size_t& used) {
  auto& responder = loop_.responder();
  if (responder.replies().size() > loop_.options().unsent_bytes_pause) return false;
  const auto outcome = framer_.next_message(bytes.subspan(used));
  if (std::holds_alternative<wire::NeedMore>(outcome)) return false;
  if (const auto* reject = std::get_if<wire::Reject>(&outcome)) {
    if (flush_joined(used)) return true;
    loop_.count_refusal(reject->reason);
    responder.reject(*reject);
    ending_ = true;
    return false;
  }
  const auto& message = std::get<wire::Message>(outcome);
  auto response = responder.respond(message, received_ns_, *this);
  if (response.disposition == Disposition::kFlushFirst) {
    flush_joined(used);
    return true;
  }
  if (response.disposition == Disposition::kJoined && !joined_from_) joined_from_ = used;
  used += message.total_bytes;
  ending_ = response.disposition == Disposition::kClose;
  call_under_way_ = response.disposition == Disposition::kUnderWay;
  call_ = std::move(response.call);
  if (call_under_way_) loop_.counters().calls_under_way.add(1);
  return true;
}

LaterReply Connection::reply_later() {
  return [weak = weak_from_this(), &loop = loop_](ByteBuffer reply) {
    asio::post(loop.context(), [weak, reply = std::move(reply)] {
      if (const auto self = weak.lock()) self->finish_call(reply);
    });
  };
}

OwnedMessage Connection::message_of_its_own(const wire::Message& message) {
  const auto payload = message.payload;
  const bool in_input = !input_.empty() && payload.data() >= input_.data() &&
                        payload.data() < input_.data() + input_.size();
  if (!in_input || payload.size() < kMovedBytesMin) {
    return {{payload.begin(), payload.end()}, 0, payload.size()};
  }
  const auto begin = static_cast<std::size_t>(payload.data() - input_.data());
  const auto end = static_cast<std::ptrdiff_t>(begin + payload.size());
  std::vector<std::byte> behind(input_.begin() + end, input_.end());
  OwnedMessage owned{std::exchange(input_, std::move(behind)), begin, payload.size()};
  input_moved_ = true;
  return owned;
}

void Connection::finish_call(const ByteBuffer& reply) {
  if (closed_) return;
  call_under_way_ = false;
  call_ = nullptr;
  loop_.counters().calls_under_way.subtract(1);
  last_active_ns_ = now_ns();
  if (reply.size() == 0) return close(CloseReason::kRejected);
  loop_.responder().append(reply.bytes());
  handle_input();
  wait_readable();
}

/** Sends what the responder has written, behind what is unsent already. */
void Connection::send_replies() {
  auto& responder = loop_.responder();
  auto bytes = responder.replies();
  if (!bytes.empty() && unsent_.empty()) {
    const Transfer transfer = stream_->write(bytes);
    if (transfer.state == Transfer::State::kClosed) {
      responder.clear_replies();
      return close(CloseReason::kPeer);
    }
    loop_.counters().bytes_out.add(transfer.bytes);
    bytes = bytes.subspan(transfer.bytes);
    if (!bytes.empty()) write_stalled_ns_ = now_ns();
  }
  unsent_.insert(unsent_.end(), bytes.begin(), bytes.end());
  responder.clear_replies();
  if (unsent_.empty()) {
    if (ending_) close(CloseReason::kRejected);
    return;
  }
  if (unsent_.size() - sent_ > loop_.options().unsent_bytes_max) {
    return close(CloseReason::kSlowReader);
  }
  if (waiting_writable_) return;
  waiting_writable_ = true;
  stream_->wait_writable(shared_from_this());
}

void Connection::on_writable(bool failed) {
  waiting_writable_ = false;
  if (closed_) return;
  if (failed) return close(CloseReason::kPeer);
  send_unsent();
  if (closed_) return;
  if (!reading_paused()) {
    handle_input();  // messages that waited for the client to take replies
    wait_readable();
  }
}

void Connection::send_unsent() {
  const Transfer transfer = stream_->write(std::span(unsent_).subspan(sent_));
  if (transfer.state == Transfer::State::kClosed) return close(CloseReason::kPeer);
  if (transfer.bytes != 0) write_stalled_ns_ = last_active_ns_ = now_ns();
  loop_.counters().bytes_out.add(transfer.bytes);
  sent_ += transfer.bytes;
  if (sent_ != unsent_.size()) {
    waiting_writable_ = true;
    return stream_->wait_writable(shared_from_this());
  }
  std::vector<std::byte>().swap(unsent_);
  sent_ = 0;
  write_stalled_ns_ = 0;
  if (ending_) close(CloseReason::kRejected);
}

bool Connection::reading_paused() const noexcept {
  const bool too_much_unsent = unsent_.size() - sent_ > loop_.options().unsent_bytes_pause;
  return ending_ || too_much_unsent || (call_under_way_ && input_.size() >= kReadAheadBytesMax);
}

bool Connection::quiet() const noexcept {
  return input_.empty() && unsent_.empty() && !call_under_way_;
}

CloseReason Connection::overdue(Nanoseconds now) const noexcept {
  const auto& options = loop_.options();
  if (write_stalled_ns_ != 0 && now - write_stalled_ns_ > milliseconds(options.write_timeout_ms)) {
    return CloseReason::kSlowReader;
  }
  if (message_began_ns_ != 0 && write_stalled_ns_ == 0 &&
      now - message_began_ns_ > milliseconds(options.message_timeout_ms)) {
    return CloseReason::kSlowSender;
  }
  const bool idle = !call_under_way_ && now - last_active_ns_ > idle_timeout_ns_;
  return idle ? CloseReason::kIdle : CloseReason::kNone;
}

bool Connection::due(Nanoseconds now) const noexcept {
  return overdue(now) != CloseReason::kNone || (loop_.draining() && quiet());
}

void Connection::end_if_due(Nanoseconds now) {
  const CloseReason reason = overdue(now);
  if (reason != CloseReason::kNone) return close(reason);
  if (!loop_.draining() || !quiet()) return;
  read();  // what was sent before the server began to stop is answered
  if (quiet()) close(CloseReason::kDraining);
}

void Connection::close(CloseReason reason) {
  if (closed_) return;
  closed_ = true;
  stream_->close();
  if (call_under_way_) loop_.counters().calls_under_way.subtract(1);
  if (call_ != nullptr) call_->give_up();
  call_ = nullptr;
  loop_.remove(shared_from_this(), reason);
}

}  // namespace thriftscore::server
