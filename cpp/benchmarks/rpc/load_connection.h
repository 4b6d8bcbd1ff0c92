// SPDX-License-Identifier: Apache-2.0
// One connection under load: requests out in batches, replies in, and which belongs to which.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "benchmarks/rpc/endpoint.h"
#include "benchmarks/rpc/reply.h"
#include "benchmarks/rpc/request.h"
#include "server/clock.h"
#include "wire/framer.h"

namespace thriftscore::benchmarks {

/// What all connections of a run share.
struct ConnectionPlan {
  const RequestTemplate* request = nullptr;
  RequestOptions options;
  std::size_t connections = 1;
  std::size_t depth = 1;  ///< requests that may be without an answer
  bool check = false;     ///< hold every reply against its request
};

/// What tells a request from every other of the run.
struct RequestIds {
  std::int32_t sequence_id = 0;
  std::uint64_t request_id = 0;
};

/// The ids of request `number` of connection `index`. Each connection has a range of sequence ids
/// of its own, so that a reply that went to the wrong one shows.
RequestIds ids_of(const ConnectionPlan& plan, std::size_t index, std::uint64_t number) noexcept;

/// The end of one request.
struct Answer {
  Failure failure = Failure::kNone;
  bool is_mismatch = false;
  server::Nanoseconds started = 0;  ///< as given to begin()
  server::Nanoseconds ended = 0;
  std::size_t bytes = 0;  ///< of the reply with its frame
};

/// Answers come in the order of the requests, as the server promises.
///
/// Every request that may be under way has a slot, a copy of the template; the slots are adjacent,
/// so what is to be sent is one run of bytes, or two. Nothing is copied and nothing allocated on
/// the way, except where a reply arrives in pieces. Not thread-safe.
class LoadConnection {
 public:
  /// `plan` must outlive the connection. `index` is its number among the connections of the run.
  LoadConnection(FileDescriptor socket, const ConnectionPlan& plan, std::size_t index);

  [[nodiscard]] int socket() const noexcept { return socket_.get(); }
  [[nodiscard]] bool is_closed() const noexcept { return closed_; }
  [[nodiscard]] bool has_room() const noexcept {
    return !closed_ && begun_ - answered_ < plan_->depth;
  }
  [[nodiscard]] bool has_unsent() const noexcept { return !closed_ && unsent_ != 0; }
  /// Replies that came while no request was without one; the first ends the connection.
  [[nodiscard]] std::uint64_t unexpected_replies() const noexcept { return unexpected_replies_; }

  /// Puts one more request into the batch. Requires has_room().
  void begin(server::Nanoseconds start) noexcept;

  /// Writes the batch, as far as the socket takes it.
  void flush() noexcept;

  /// Reads what has come into `buffer`, which grows if it has to, and calls `on_answer` with the
  /// Answer of each request that ended, by a reply or by the end of the connection.
  template <typename OnAnswer>
  void receive(std::vector<std::byte>& buffer, const OnAnswer& on_answer) {
    while (!closed_) {
      const std::size_t wanted = prepare(buffer);
      const std::size_t received = read_into(buffer);
      if (received != 0)
        take_messages(wire::Bytes(buffer).first(pending_.size() + received), on_answer);
      if (received < wanted) break;  // nothing more is there: spares the call that would say so
    }
    if (closed_) fail_outstanding(Failure::kConnectionClosed, on_answer);
  }

  /// Ends every request that is under way.
  template <typename OnAnswer>
  void fail_outstanding(Failure failure, const OnAnswer& on_answer) {
    const server::Nanoseconds now = server::steady_now_ns();
    while (answered_ != begun_) on_answer(end_oldest({failure, false, 0, now, 0}));
  }

 private:
  template <typename OnAnswer>
  void take_messages(wire::Bytes bytes, const OnAnswer& on_answer) {
    const server::Nanoseconds now = server::steady_now_ns();
    while (!bytes.empty()) {
      const wire::Outcome outcome = framer_.next_message(bytes);
      if (const auto* need = std::get_if<wire::NeedMore>(&outcome)) {
        missing_ = need->bytes;
        break;
      }
      const auto* message = std::get_if<wire::Message>(&outcome);
      if (message == nullptr || answered_ == begun_)
        return refuse_stream(message != nullptr, on_answer);
      on_answer(end_oldest(judge(*message, now)));
      bytes = bytes.subspan(message->total_bytes);
    }
    keep(bytes);
  }

  /// Bytes that are no message, or a reply to nothing: no later reply could be trusted.
  template <typename OnAnswer>
  void refuse_stream(bool is_message, const OnAnswer& on_answer) {
    closed_ = true;
    if (is_message) ++unexpected_replies_;
    const server::Nanoseconds now = server::steady_now_ns();
    if (answered_ != begun_) on_answer(end_oldest({Failure::kMalformedReply, false, 0, now, 0}));
  }

  [[nodiscard]] std::size_t prepare(std::vector<std::byte>& buffer) const;
  std::size_t read_into(std::vector<std::byte>& buffer) noexcept;
  void keep(wire::Bytes rest);
  [[nodiscard]] Answer judge(const wire::Message& message, server::Nanoseconds now) const noexcept;
  Answer end_oldest(Answer answer) noexcept;

  FileDescriptor socket_;
  const ConnectionPlan* plan_;
  std::size_t index_;
  std::vector<std::byte> slots_;             // depth requests
  std::vector<server::Nanoseconds> starts_;  // of the requests in the slots
  std::size_t next_slot_ = 0;
  std::size_t oldest_slot_ = 0;
  std::uint64_t begun_ = 0;
  std::uint64_t answered_ = 0;
  std::size_t send_at_ = 0;  // in slots_
  std::size_t unsent_ = 0;   // bytes from there on, around the end
  wire::Framer framer_;
  std::vector<std::byte> pending_;  // the start of a reply
  std::size_t missing_ = 0;         // bytes that it needs at least
  std::uint64_t unexpected_replies_ = 0;
  bool closed_ = false;
};

}  // namespace thriftscore::benchmarks
