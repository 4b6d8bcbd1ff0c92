// SPDX-License-Identifier: Apache-2.0
// One client: bytes in, messages to the responder, replies out, limits held.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "server/byte_buffer.h"
#include "server/byte_stream.h"
#include "server/clock.h"
#include "server/counters.h"
#include "server/deferred_calls.h"
#include "wire/framer.h"

namespace thriftscore::server {

class EventLoop;

/**
 * Lives on one event loop and is touched by its thread only. Bytes are handled where they were
 * read, in the loop's buffer; what is left of them (the start of a message, or messages behind a
 * call that is under way) moves to a buffer of the connection's own, so that an idle connection
 * has none. The replies to all messages of a read leave with one write, in order. A connection
 * whose messages keep the loop busy for long lets the others have their turn in between.
 */
class Connection final : public StreamOwner, public std::enable_shared_from_this<Connection> {
 public:
  Connection(EventLoop& loop, std::unique_ptr<ByteStream> stream);

  void start();
  void on_readable(bool failed) override;
  void on_writable(bool failed) override;

  /** True if the connection is overdue, or quiet while the server drains. */
  bool due(Nanoseconds now) const noexcept;
  /** Ends a connection that is due; what has been sent until now is still answered. */
  void end_if_due(Nanoseconds now);
  void close(CloseReason reason);

  /** Takes the reply of the message that is being handled, once that has left the loop. */
  std::shared_ptr<LaterReply> reply_later();
  /** The bytes of a message that is being handled, to outlive it; moved where that is cheaper. */
  OwnedMessage message_of_its_own(const wire::Message& message);

 private:
  class LoopReply;

  template <typename Work>
  void guarded(Work work);
  void wait_readable();
  bool read();
  std::size_t room_behind(std::size_t arrived) const noexcept;
  bool take(const Transfer& transfer);
  void handle_input();
  std::size_t handle_messages(std::span<const std::byte> bytes);
  bool handle_next(std::span<const std::byte> bytes, std::size_t& used);
  bool flush_joined(std::size_t& used);
  void continue_later();
  void finish_call(std::uint64_t number, const ByteBuffer& reply);
  void send_replies();
  void send_unsent();
  void keep(std::span<const std::byte> left_over);
  bool may_handle() const noexcept;
  bool reading_paused() const noexcept;
  bool quiet() const noexcept;
  CloseReason overdue(Nanoseconds now) const noexcept;

  EventLoop& loop_;
  std::unique_ptr<ByteStream> stream_;
  wire::Framer framer_;
  ByteBuffer input_;               // received, not handled yet
  std::size_t missing_bytes_ = 0;  // of the message at its end, as far as is known
  ByteBuffer unsent_;              // replies that the client has not taken yet
  std::shared_ptr<CallUnderWay> call_;
  std::uint64_t call_number_ = 0;  // of the newest call that was to leave the loop
  bool call_under_way_ = false;
  bool waiting_readable_ = false;
  bool waiting_writable_ = false;
  bool ending_ = false;      // close when all replies are sent
  bool peer_ended_ = false;  // the client sends no more
  bool closed_ = false;
  bool input_moved_ = false;  // a message has taken the buffer with it
  bool turn_over_ = false;    // the rest of input_ is handled after the other connections
  std::optional<std::size_t> joined_from_;  // where the first joined message begins
  Nanoseconds received_ns_ = 0;             // the newest bytes
  Nanoseconds message_began_ns_ = 0;        // of a message of which a part has arrived; 0 = none
  Nanoseconds write_stalled_ns_ = 0;        // since when the client has taken nothing; 0 = it has
  Nanoseconds last_active_ns_;
  Nanoseconds idle_timeout_ns_;
};

}  // namespace thriftscore::server
