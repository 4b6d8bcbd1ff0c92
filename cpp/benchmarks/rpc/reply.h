// SPDX-License-Identifier: Apache-2.0
// What a reply says, as far as a load generator has to know.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "benchmarks/rpc/request.h"
#include "wire/types.h"

namespace thriftscore::benchmarks {

/// Why a request did not succeed. Codes of the contract's ScoringError and types of
/// TApplicationException have values of their own, so that a count for each is one array.
enum class Failure : std::uint8_t {
  kNone = 0,
  kScoringError = 1,       ///< + code, 1 to 10; + 0 for a code that the contract does not know
  kException = 16,         ///< + type, 0 to 10
  kUnknownException = 32,  ///< a TApplicationException of another type
  kMalformedReply,         ///< bytes that are not the reply of any Thrift method
  kMissingResult,          ///< a reply with neither result nor error
  kOtherTransport,         ///< not framed as the request was
  kConnectionClosed,       ///< the server closed before it had answered
  kUnanswered,             ///< no answer within the timeout
};

inline constexpr std::size_t kFailures = 38;

/// A name for reports, such as "OVERLOADED" or "EXCEPTION_UNKNOWN_METHOD".
std::string name_of(Failure failure);

struct Reply {
  Failure failure = Failure::kNone;
  std::int32_t sequence_id = 0;
  std::string_view method;
};

/// Reads the head of a message and which field of the result it has; the values stay unread.
Reply read_reply(wire::Protocol protocol, wire::Bytes message) noexcept;

/// What the whole reply to a request has to say.
struct Expected {
  Method method = Method::kScore;
  std::size_t rows = 0;
  std::int32_t sequence_id = 0;
  std::uint64_t request_id = 0;
};

/// Whether a message answers exactly this request: its ids, its method and, where it is the
/// success of a score call, the echoed request id, the rows and one score or more for each row.
bool answers(wire::Protocol protocol, wire::Bytes message, const Expected& expected) noexcept;

/// For replies, which may be larger than what a server takes.
const wire::Limits& reply_limits() noexcept;

}  // namespace thriftscore::benchmarks
