// SPDX-License-Identifier: Apache-2.0
// One message in, one reply out: here, in the compute pool, or in Python.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "server/byte_buffer.h"
#include "server/catalog_view.h"
#include "server/connection.h"
#include "server/hot_call.h"
#include "server/shared.h"
#include "wire/encode.h"
#include "wire/framer.h"

namespace thriftscore::server {

enum class Disposition {
  kAnswered,    // the reply is in the reply buffer
  kJoined,      // the reply comes with flush()
  kFlushFirst,  // nothing has been done; flush() and ask again
  kUnderWay,    // the reply will come through Connection::reply_later()
  kClose,       // nothing more can be understood on this connection
};

/** How a message came. */
struct Arrival {
  Nanoseconds received_ns;
  bool more_behind;  // more bytes of the connection have been read already
};

struct Response {
  Disposition disposition;
  std::shared_ptr<CallUnderWay> call;  // of kUnderWay
};

/**
 * Decides where a message is answered. The methods of the score family are answered at once, on
 * the loop's thread, if the request is right and small enough; large ones go to the compute pool.
 * Everything else goes to Python as it came: other methods, and every request that is to be
 * refused for what it says, so that one place words such refusals.
 *
 * Consecutive one-row requests for one model that came with one read are scored by one call of
 * the kernels. Nothing waits for this: what has been joined is scored as soon as the bytes of the
 * read have been handled or another message comes between.
 */
class Responder {
 public:
  explicit Responder(Shared& shared) : shared_(shared), view_(shared.catalog, *shared.shadows) {}

  /** Says when the messages that follow begin to be handled, each when the one before it is done.
   */
  void begin(Nanoseconds now) noexcept { began_ns_ = now; }
  Response respond(const wire::Message& message, Arrival arrival, Connection& connection);
  /** Answers bytes in which no message can be found, if there is anything to answer. */
  void reject(const wire::Reject& reject);
  /** Appends a reply that was made elsewhere. */
  void append(std::span<const std::byte> reply) { replies_.append(reply); }

  /**
   * Scores what has been joined. False: one of the requests is to be refused, and none has been
   * answered; they have to be given to respond() again, which does not join them this time.
   */
  bool flush();

  /** All replies since clear_replies(). */
  std::span<const std::byte> replies() const noexcept { return replies_.bytes(); }
  void clear_replies() noexcept { replies_.clear(kKeptReplyBytesMax); }
  /** Forgets what it was doing for a connection that is being closed. */
  void abandon() noexcept;

  /** Takes the newest snapshot, so that versions that are gone do not wait for a request. */
  void refresh() { view_.refresh(); }
  const StatisticsShard& statistics() const noexcept { return view_.statistics(); }

 private:
  static constexpr std::size_t kKeptReplyBytesMax = std::size_t{1} << 20;

  /** A call with what is needed to answer it. */
  struct Incoming {
    const wire::Message& message;
    wire::Call call;
    wire::ReplyTo to;
    Nanoseconds received_ns = 0;
    Nanoseconds began_ns = 0;
    Connection& connection;
  };
  /** One row that waits for flush(). */
  struct JoinedRow {
    wire::ReplyTo to;
    std::optional<std::string_view> request_id;
    CallTimes times;
    Nanoseconds received_ns = 0;
  };

  Response respond_hot(Method method, const Incoming& incoming, bool more_behind);
  Response answer_here(const Incoming& incoming, const LoopChoice& choice);
  Response answer_ping(const Incoming& incoming);
  Response offload(const Incoming& incoming, const LoopChoice& choice);
  Response defer(const Incoming& incoming);
  Response refuse_hot(wire::Status status, const Incoming& incoming);
  Response refuse(wire::Status status, const wire::ReplyTo& to);
  Response refuse_late(const Incoming& incoming, const LoopVersion& version);
  bool overdue(const Incoming& incoming) const noexcept;
  bool can_join(const LoopChoice& choice) const noexcept;
  Response join(const Incoming& incoming, const LoopChoice& choice);
  void answer_joined(const JoinedRow& row, std::span<const std::byte> scores);

  template <typename T>
  void write_result(const wire::ReplyTo& to, T& result);
  Response write_error(const wire::ReplyTo& to, const wire::ScoringError& error);
  Response write_exception(const wire::ReplyTo& to, const wire::ApplicationException& exception);

  Shared& shared_;
  CatalogView view_;
  ByteBuffer replies_;
  HotCall call_;
  Scratch scratch_;
  const LoopChoice* joined_choice_ = nullptr;
  wire::DataType joined_datatype_ = wire::DataType::kFp32;
  std::vector<JoinedRow> joined_;
  std::vector<std::byte> joined_features_;
  std::vector<std::byte> joined_scores_;
  Nanoseconds began_ns_ = 0;     // when the message that comes next began to be handled
  std::size_t not_to_join_ = 0;  // requests that flush() has handed back
};

}  // namespace thriftscore::server
