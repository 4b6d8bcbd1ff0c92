// SPDX-License-Identifier: Apache-2.0
// One client: bytes in, messages to the responder, replies out, limits held.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

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
 * has none. The replies to all messages of a read leave with one write, in order.
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

  /** Takes the reply of the call that has left the loop. */
  LaterReply reply_later();
  /** The bytes of a message that is being handled, to outlive it; moved where that is cheaper. */
  OwnedMessage message_of_its_own(const wire::Message& message);

 private:
  void wait_readable();
  void read();
  bool take(const Transfer& transfer);
  void handle_input();
  std::size_t handle_messages(std::span<const std::byte> bytes);
  bool handle_next(std::span<const std::byte> bytes, std::size_t& used);
  bool flush_joined(std::size_t& used);
  void finish_call(const ByteBuffer& reply);
  void send_replies();
  void send_unsent();
  void keep(std::span<const std::byte> left_over);
  bool reading_paused() const noexcept;
  bool quiet() const noexcept;
  CloseReason overdue(Nanoseconds now) const noexcept;

  EventLoop& loop_;
  std::unique_ptr<ByteStream> stream_;
  wire::Framer framer_;
  std::vector<std::byte> input_;   // received, not handled yet
  std::vector<std::byte> unsent_;  // replies that the client has not taken yet
  std::size_t sent_ = 0;           // of unsent_
  std::shared_ptr<CallUnderWay> call_;
  bool call_under_way_ = false;
  bool waiting_readable_ = false;
  bool waiting_writable_ = false;
  bool ending_ = false;  // close when all replies are sent
  bool closed_ = false;
  bool input_moved_ = false;               // the message under way has taken the buffer
  std::optional<std::size_t> joined_from_;  // where the first joined message begins
  Nanoseconds received_ns_ = 0;         // the newest bytes
  Nanoseconds message_began_ns_ = 0;    // of a message of which a part has arrived; 0 = none
  Nanoseconds write_stalled_ns_ = 0;    // since when the client has taken nothing; 0 = it has
  Nanoseconds last_active_ns_;
  Nanoseconds idle_timeout_ns_;
};

}  // namespace thriftscore::server
