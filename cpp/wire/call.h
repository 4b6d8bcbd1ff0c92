// SPDX-License-Identifier: Apache-2.0
// The head of a message: which method is called, and where its arguments are.
#pragma once

#include <string_view>

#include "wire/status.h"
#include "wire/types.h"

namespace thriftscore::wire {

/// A call, in place. After a refusal the fields read until then are set, so that an exception can
/// carry the sequence id; a method name that was refused is empty.
struct Call {
  Protocol protocol = Protocol::kBinary;
  std::uint8_t type = 0;         ///< a MessageType, or whatever the peer sent
  std::int32_t sequence_id = 0;  ///< to be echoed, never acted on
  std::string_view service;      ///< of a multiplexed call ("ScoringService:score"), else empty
  std::string_view method;       ///< without the service; what a reply is to name
  Bytes arguments;               ///< the argument struct and all that follows it
};

/// Reads the head of `message`. kOk: a call. kInvalidMessageType: something else, well-formed.
Status read_call(Protocol protocol, Bytes message, const Limits& limits, Call& call) noexcept;

/// Reads the head of a message of any type; the reader is left at the struct after it, and
/// `call.arguments` is not set.
template <typename Reader>
bool read_head(Reader& reader, Call& call) noexcept;

/// Checks that the arguments of `call` are one well-formed struct and nothing follows, without
/// knowing the method. For calls that another decoder will answer.
Status check_arguments(const Call& call, const Limits& limits) noexcept;

}  // namespace thriftscore::wire
