// SPDX-License-Identifier: Apache-2.0
#include "server/connection.h"

#include <algorithm>
#include <asio/post.hpp>
#include <atomic>
#include <exception>
#include <utility>
#include <variant>

#include "server/event_loop.h"

namespace thriftscore::server {
namespace {

/** Free space behind a partial message for the next read. */
constexpr std::size_t kReadBytesMin = std::size_t{16} << 10;
/** A buffer grows to this many times what has arrived at most, whatever a frame declares. */
constexpr std::size_t kGrowthMax = 8;
/** A message from this size on is moved rather than copied to where it is needed. */
constexpr std::size_t kMovedBytesMin = std::size_t{64} << 10;
/** Bytes behind messages that cannot be handled yet are read up to here. */
constexpr std::size_t kReadAheadBytesMax = std::size_t{1} << 20;
/** How long one connection may keep the loop while it has complete messages. */
constexpr Nanoseconds kTurnNs = 1'000'000;
/** The clock is looked at after so many messages; each takes inline_work_ns_max at most. */
constexpr std::size_t kMessagesBetweenLooks = 8;

}  // namespace

/** The way back to a connection from another thread. */
class Connection::LoopReply final : public LaterReply {
 public:
  LoopReply(std::shared_ptr<asio::io_context> context, std::weak_ptr<Connection> connection,
            std::uint64_t number)
      : context_(std::move(context)), connection_(std::move(connection)), number_(number) {}
  ~LoopReply() override { LoopReply::send({}); }

  void send(ByteBuffer reply) override {
    if (sent_.exchange(true)) return;
    asio::post(*context_, [weak = connection_, number = number_, reply = std::move(reply)] {
      const auto self = weak.lock();
      if (self != nullptr) self->guarded([&] { self->finish_call(number, reply); });
    });
  }

 private:
  const std::shared_ptr<asio::io_context> context_;  // the server may be gone before the call
  const std::weak_ptr<Connection> connection_;
  const std::uint64_t number_;
  std::atomic<bool> sent_{false};
};

Connection::Connection(EventLoop& loop, std::unique_ptr<ByteStream> stream)
    : loop_(loop),
      stream_(std::move(stream)),
      framer_(loop.limits()),
      last_active_ns_(now_ns()),
      idle_timeout_ns_(loop.next_idle_timeout_ns()) {}

/** What goes wrong with one connection, such as memory for it, ends that connection only. */
template <typename Work>
void Connection::guarded(Work work) {
  try {
    work();
  } catch (const std::exception&) {
    loop_.responder().abandon();
    close(CloseReason::kFailed);
  }
}

void Connection::start() {
  guarded([this] { wait_readable(); });
}

void Connection::wait_readable() {
  if (waiting_readable_ || closed_ || reading_paused()) return;
  waiting_readable_ = true;
  stream_->wait_readable(shared_from_this());
}

void Connection::on_readable(bool failed) {
  waiting_readable_ = false;
  if (closed_) return;
  if (failed) return close(CloseReason::kPeer);
  guarded([this] {
    read();
    wait_readable();
  });
}

/** True if there was something to read. */
bool Connection::read() {
  if (input_.empty()) {  // the loop's buffer holds all there is
    const auto buffer = loop_.read_buffer();
    const Transfer transfer = stream_->read(buffer);
    if (!take(transfer)) return false;
    const auto bytes = buffer.first(transfer.bytes);
    const std::size_t used = handle_messages(bytes);
    keep(bytes.subspan(used));
    return true;
  }
  const auto room = input_.reserve(room_behind(input_.size()));
  const std::size_t most = std::min(room.size(), loop_.read_buffer().size());
  const Transfer transfer = stream_->read(room.first(most));
  if (!take(transfer)) return false;
  input_.commit(transfer.bytes);
  handle_input();
  return true;
}

/** For what is known to be missing of a message of which so many bytes have arrived. */
std::size_t Connection::room_behind(std::size_t arrived) const noexcept {
  return std::max(kReadBytesMin, std::min(missing_bytes_ + kReadBytesMin, arrived * kGrowthMax));
}

/** Accounts for a read; true if it brought bytes. */
bool Connection::take(const Transfer& transfer) {
  if (transfer.state == Transfer::State::kClosed) {
    // Replies that wait for the client to take them are for it to read still; what is under way
    // elsewhere is given up, since a client that ends has most likely gone.
    peer_ended_ = true;
    if (unsent_.empty() || call_under_way_) close(CloseReason::kPeer);
  }
  if (transfer.state != Transfer::State::kMoved) return false;
  received_ns_ = last_active_ns_ = now_ns();
  loop_.counters().bytes_in.add(transfer.bytes);
  return true;
}

/** Handles the messages that are complete in input_. */
void Connection::handle_input() {
  do {
    input_moved_ = false;
    const std::size_t used = handle_messages(input_.bytes());
    if (closed_) return;
    if (!input_moved_) input_.drop_front(used);
  } while (input_moved_);  // then the buffer is another one
  keep({});
  if (peer_ended_ && unsent_.empty() && !turn_over_) close(CloseReason::kPeer);
}

/** Keeps what a read has left over, and none of the memory that is no longer needed. */
void Connection::keep(std::span<const std::byte> left_over) {
  if (closed_) return;
  // The rest of a large message is to find its place behind its beginning.
  const bool large = left_over.size() >= kMovedBytesMin;
  loop_.spare_buffers().append(input_, left_over, large ? room_behind(left_over.size()) : 0);
  if (input_.empty()) loop_.spare_buffers().take_back(input_);
  // The client is late with a message only while nothing but the client holds it up.
  const bool partial = !input_.empty() && may_handle();
  if (!partial) {
    message_began_ns_ = 0;
  } else if (message_began_ns_ == 0) {
    message_began_ns_ = now_ns();
  }
}

/** Handles complete messages at the front of `bytes`; returns how many bytes they have. */
std::size_t Connection::handle_messages(std::span<const std::byte> bytes) {
  if (!may_handle()) return 0;
  auto& responder = loop_.responder();
  const Nanoseconds began_ns = now_ns();
  responder.begin(began_ns);
  std::size_t used = 0;
  std::size_t handled = 0;
  bool full = true;  // stopped for the replies to leave, not for want of a message
  while (full && may_handle()) {
    do {
      while (may_handle() && used < bytes.size() && handle_next(bytes, used)) {
        const bool look = ++handled % kMessagesBetweenLooks == 0;
        turn_over_ = look && used < bytes.size() && now_ns() - began_ns > kTurnNs;
      }
    } while (flush_joined(used));
    full = responder.replies().size() > loop_.options().unsent_bytes_pause;
    send_replies();
  }
  if (turn_over_ && !closed_) continue_later();
  if (used != 0) message_began_ns_ = 0;  // what is left belongs to another message
  return used;
}

void Connection::continue_later() {
  asio::post(loop_.context(), [self = shared_from_this()] {
    self->turn_over_ = false;
    if (self->closed_) return;
    self->guarded([&] {
      self->handle_input();
      self->wait_readable();
    });
  });
}

/** True if messages that had been joined have to be handled again, one by one. */
bool Connection::flush_joined(std::size_t& used) {
  const auto from = std::exchange(joined_from_, std::nullopt);
  if (!from || loop_.responder().flush()) return false;
  used = *from;
  framer_ = wire::Framer(loop_.limits());  // it may have looked into what comes behind them
  return true;
}

bool Connection::handle_next(std::span<const std::byte> bytes, std::size_t& used) {
  auto& responder = loop_.responder();
  if (responder.replies().size() > loop_.options().unsent_bytes_pause) return false;
  const auto outcome = framer_.next_message(bytes.subspan(used));
  const auto* need = std::get_if<wire::NeedMore>(&outcome);
  missing_bytes_ = need != nullptr ? need->bytes : 0;
  if (need != nullptr) return false;
  if (const auto* reject = std::get_if<wire::Reject>(&outcome)) {
    if (flush_joined(used)) return true;
    loop_.count_refusal(reject->reason);
    responder.reject(*reject);
    ending_ = true;
    return false;
  }
  const auto& message = std::get<wire::Message>(outcome);
  const bool more_behind = used + message.total_bytes < bytes.size();
  auto response = responder.respond(message, {received_ns_, more_behind}, *this);
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

std::shared_ptr<LaterReply> Connection::reply_later() {
  return std::make_shared<LoopReply>(loop_.shared_context(), weak_from_this(), ++call_number_);
}

OwnedMessage Connection::message_of_its_own(const wire::Message& message) {
  const auto payload = message.payload;
  const auto held = input_.bytes();
  const bool in_input =
      !held.empty() && payload.data() >= held.data() && payload.data() < held.data() + held.size();
  ByteBuffer other;
  if (!in_input || payload.size() < kMovedBytesMin) {
    other.append(payload);
    return {std::move(other), 0, payload.size()};
  }
  const auto begin = static_cast<std::size_t>(payload.data() - held.data());
  other.append(held.subspan(begin + payload.size()));
  input_moved_ = true;
  return {std::exchange(input_, std::move(other)), begin, payload.size()};
}

void Connection::finish_call(std::uint64_t number, const ByteBuffer& reply) {
  if (closed_ || !call_under_way_ || number != call_number_) return;
  call_under_way_ = false;
  call_ = nullptr;
  loop_.counters().calls_under_way.subtract(1);
  last_active_ns_ = now_ns();
  if (reply.empty()) return close(CloseReason::kRejected);
  loop_.responder().append(reply.bytes());
  if (!may_handle()) send_replies();  // otherwise it leaves with those behind it
  if (closed_) return;
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
  loop_.spare_buffers().append(unsent_, bytes);
  responder.clear_replies();
  if (unsent_.empty()) {
    if (ending_) close(CloseReason::kRejected);
    return;
  }
  if (unsent_.size() > loop_.options().unsent_bytes_max) return close(CloseReason::kSlowReader);
  if (waiting_writable_) return;
  waiting_writable_ = true;
  stream_->wait_writable(shared_from_this());
}

void Connection::on_writable(bool failed) {
  waiting_writable_ = false;
  if (closed_) return;
  if (failed) return close(CloseReason::kPeer);
  guarded([this] {
    send_unsent();
    if (!closed_ && unsent_.empty()) handle_input();  // what waited for the client to take replies
    wait_readable();
  });
}

void Connection::send_unsent() {
  const Transfer transfer = stream_->write(unsent_.bytes());
  if (transfer.state == Transfer::State::kClosed) return close(CloseReason::kPeer);
  if (transfer.bytes != 0) write_stalled_ns_ = last_active_ns_ = now_ns();
  loop_.counters().bytes_out.add(transfer.bytes);
  unsent_.drop_front(transfer.bytes);
  if (!unsent_.empty()) {
    waiting_writable_ = true;
    return stream_->wait_writable(shared_from_this());
  }
  loop_.spare_buffers().take_back(unsent_);
  write_stalled_ns_ = 0;
  if (ending_) close(CloseReason::kRejected);
}

bool Connection::may_handle() const noexcept {
  const bool waiting = call_under_way_ || turn_over_ || !unsent_.empty();
  return !closed_ && !ending_ && !waiting && !input_moved_;
}

bool Connection::reading_paused() const noexcept {
  const bool too_much_unsent = unsent_.size() > loop_.options().unsent_bytes_pause;
  const bool too_far_ahead = !may_handle() && input_.size() >= kReadAheadBytesMax;
  return ending_ || peer_ended_ || turn_over_ || too_much_unsent || too_far_ahead;
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
  guarded([this] {  // what was sent before the server began to stop is answered
    if (!read() && !closed_) close(CloseReason::kDraining);
  });
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
