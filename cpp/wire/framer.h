// SPDX-License-Identifier: Apache-2.0
// Finds the messages in the bytes of a connection.
#pragma once

#include <variant>

#include "wire/call.h"
#include "wire/info_headers.h"
#include "wire/skip.h"
#include "wire/types.h"

namespace thriftscore::wire {

/// The bytes so far do not end a message; at least `bytes` more have to arrive.
struct NeedMore {
  std::size_t bytes;
};

/// One message, in place.
struct Message {
  Transport transport = Transport::kFramed;
  Protocol protocol = Protocol::kBinary;
  Bytes payload;                ///< the message, without frame and header section
  InfoHeaders headers;          ///< kHeader only
  std::size_t total_bytes = 0;  ///< to drop from the front of the buffer
};

/// The stream holds no next message. Answer, if answer_to(reason) asks for it, and close.
struct Reject {
  Status reason = Status::kOk;
  Transport transport = Transport::kFramed;
  Call call{};  ///< as much as is known of what a reply has to name; kUnframed and kHeader only
};

using Outcome = std::variant<NeedMore, Message, Reject>;

/// The state of one connection's input. Transport and protocol are found anew for each message.
/// Not thread-safe; about 800 bytes; never allocates.
class Framer {
 public:
  /// `limits` must outlive the framer.
  explicit Framer(const Limits& limits) noexcept : limits_(&limits) {}

  /// Looks for a message at the start of `buffered`, the bytes received and not yet dropped.
  ///
  /// After NeedMore, call again with the same bytes and more behind them, at any address. After
  /// a Message, drop its `total_bytes` bytes first. After a Reject, do not call again. Bytes that
  /// arrive one by one cost time linear in their number.
  Outcome next_message(Bytes buffered) noexcept;

 private:
  [[nodiscard]] Outcome next_frame(Bytes buffered) const noexcept;
  Outcome next_unframed(Bytes buffered) noexcept;
  template <typename Reader>
  bool scan(Reader& reader) noexcept;
  template <typename Reader>
  Outcome scan_unframed(Bytes buffered) noexcept;

  const Limits* limits_;
  // The unframed message that has begun: what is open in it, and the bytes dealt with (0 = none).
  SkipState open_;
  std::size_t scanned_ = 0;
  std::uint32_t values_left_ = 0;
};

}  // namespace thriftscore::wire
