// SPDX-License-Identifier: Apache-2.0
// One connection that threads share: who waits for a reply also reads, for all.
//
// The first caller that waits is the reader. It takes what comes, gives each reply to its caller,
// and once it has its own hands the reading to another that waits. Writing works alike: whoever is
// sending also sends what others add meanwhile. Callers that were answered together go on one after
// the other, since the interpreter lets one run at a time; what they send next goes out together
// once the last of them was woken. The rules are otherwise those of connection.py.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "frames.h"
#include "socket.h"

namespace thriftscore_client {

/// Why a connection is of no more use, or why one call failed.
struct Failure {
  enum class Kind {
    kNone,
    kAborted,     ///< `text` says by whom
    kSystem,      ///< `error` is the system's number; ETIMEDOUT for the time of the call
    kEnded,       ///< the peer closed the connection
    kBadFrame,    ///< `number` is the length
    kNoBinary,    ///< not a message of the binary protocol
    kShortHead,   ///< a message that ends in its head
    kUnexpected,  ///< a reply to `number` of `method`, which nobody waits for
    kMixedUp,     ///< a reply to `number` of `method`, which was a call of `expected`
  };
  Kind kind = Kind::kNone;
  int error = 0;
  std::int32_t number = 0;
  std::string text{};
  std::string method{};
  std::string expected{};
};

/// What stands before the content of a reply.
struct ReplyHead {
  std::string_view method;
  std::uint32_t type = 0;
  std::int32_t sequence = 0;
  std::size_t end = 0;  ///< where the content starts
};

/// One message sent, and the one that answers it or the reason why none does.
struct Exchange {
  std::string_view method;
  std::int32_t sequence;
  Frame reply{};
  std::uint32_t type = 0;
  std::size_t start = 0;  ///< of the content in `reply`
  Failure failure{};
  bool is_settled = false;
  bool is_waiting = false;
  bool wakes_next = false;  ///< its caller must call `wake_next`
  std::condition_variable changed{};
};

/// A message to be sent: a part that is copied, and one that stays where it is.
struct Message {
  std::string head;
  std::span<const char> payload;
  std::string end;
};

/// Thread-safe.
class Line {
 public:
  enum class Waited { kSettled, kTimedOut, kInterrupted };

  Line(int descriptor, std::size_t frame_bytes_max);

  /// The number for the next exchange; see Ledger.number.
  std::int32_t next_number() noexcept;

  /// Sends a call, or leaves it to one who is sending. The payload is sent when this returns.
  /// `wait` or `abandon` must follow; it settles the exchange where the line fails.
  void start(Exchange& exchange, const Message& message, Deadline deadline);

  /// Returns once the exchange is settled, or the deadline has passed. kInterrupted says that
  /// signals should be looked at; then call again.
  Waited wait(Exchange& exchange, Deadline deadline);

  /// After `wait`, once the caller can go on: wakes the next that was answered, if it is up to this
  /// one. Woken all at once, they would only wait again, for the interpreter's lock. Sends what was
  /// left for then. Never blocks; false where `send_rest` must follow.
  [[nodiscard]] bool wake_next(Exchange& exchange);

  /// Its caller waits no more. The line takes no new calls: the server may hang. As `wake_next`,
  /// which need not follow.
  [[nodiscard]] bool abandon(Exchange& exchange);

  /// Sends what the socket had no room for. Blocks.
  void send_rest();

  /// Ends the calls that are under way and closes the socket; may be called again.
  void close(Failure failure);

  /// Closes the socket without ending the connection, which another process has as well.
  void forget() noexcept { socket_.close(); }

  /// True while new calls may be sent.
  bool takes_calls();

  /// True where nothing is left to read and the peer is there. For a line not in use.
  bool is_quiet() const noexcept { return socket_.is_quiet(); }

 private:
  using Lock = std::unique_lock<std::mutex>;

  void send_large(Lock& lock, Exchange& exchange, const Message& message, Deadline deadline);
  void flush(Lock& lock, Exchange& exchange, Deadline deadline);
  bool leaves_sending() const noexcept { return is_waking_ && is_brisk_; }
  bool send_left(Lock& lock);
  void sent(Exchange& exchange, int error);
  Waited read_for_all(Lock& lock, Exchange& exchange, Deadline deadline);
  void take(const Exchange& reader, std::ptrdiff_t count) noexcept;
  void take_frames(const Exchange& reader, std::ptrdiff_t count);
  bool settle(Frame frame);
  static void settle(Exchange& exchange);
  void hand_over();
  void wake_first();
  void fail(Failure failure);
  void close_if_unused() noexcept;

  std::mutex mutex_;
  std::condition_variable may_send_;
  Socket socket_;
  FrameSplitter splitter_;
  std::string outbox_;
  std::string outgoing_;
  std::unordered_map<std::int32_t, Exchange*> pending_;
  std::unordered_set<std::int32_t> forgotten_;
  std::atomic<std::uint32_t> numbers_{0};
  std::deque<Exchange*> answered_callers_;  // that are not awake yet
  bool is_waking_ = false;                  // somebody will call `wake_next`
  Clock::time_point woken_at_{};            // when that one could have gone on
  bool is_brisk_ = false;                   // the last one did so quickly
  bool is_reading_ = false;
  bool is_sending_ = false;
  bool is_retiring_ = false;
  Failure failure_;
};

}  // namespace thriftscore_client
