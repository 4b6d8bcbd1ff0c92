// SPDX-License-Identifier: Apache-2.0
// Why bytes were refused, and what the peer is told.
#pragma once

#include <cstdint>
#include <string_view>

namespace thriftscore::wire {

/// The outcome of reading bytes from a peer. Every value but kOk refuses something.
enum class Status : std::uint8_t {
  kOk,
  // The stream: no message can be found in it.
  kHttp,                ///< an HTTP request on the Thrift port
  kTls,                 ///< a TLS ClientHello on a plain port
  kFrameSizeZero,       ///< an empty frame
  kFrameSizeNegative,   ///< a frame length with its sign bit set
  kFrameTooLarge,       ///< a frame longer than Limits::frame_bytes_max
  kMessageTooLarge,     ///< an unframed message longer than Limits::message_bytes_max
  kUnknownProtocol,     ///< a frame that starts like no protocol served here
  kHeaderMalformed,     ///< a THeader section that is cut, overlong or without a message
  kHeaderTooManyPairs,  ///< more than kInfoPairsMax info headers
  kHeaderProtocol,      ///< a THeader protocol id other than binary and compact
  kHeaderTransform,     ///< a THeader frame with transforms
  // One message: its bytes are not Thrift.
  kTruncated,          ///< the message ends inside a value
  kTrailingBytes,      ///< bytes follow the end of the message in its frame
  kBadVersion,         ///< not strict binary version 1, or not compact version 1
  kNameTooLong,        ///< a method name longer than Limits::method_name_bytes_max
  kNameInvalid,        ///< a method name that is not UTF-8
  kVarintTooLong,      ///< a varint with more bytes or bits than its type has
  kSizeOutOfRange,     ///< a negative length, or a count that the message cannot hold
  kBadType,            ///< a type code that no value has
  kElementType,        ///< elements of another type than the contract says
  kBadBool,            ///< a bool byte that is neither true nor false
  kFieldIdOutOfRange,  ///< a compact field id beyond 16 bits
  kTooDeep,            ///< nesting deeper than Limits::nesting_max
  // One message: it is Thrift, but not a call that can be answered.
  kInvalidMessageType,  ///< a reply, an exception, a oneway or an unknown message type
  kInvalidUtf8,         ///< a text field that is not UTF-8
  kTooManyElements,     ///< more tensors, or dimensions of a tensor, than allowed
  kTooManyValues,       ///< more values than Limits::values_max
};

/// What a refusal means to the peer.
enum class Answer : std::uint8_t {
  kNone,             ///< nothing was refused
  kClose,            ///< no reply: the peer would not understand it
  kException,        ///< a TApplicationException of type exception_type()
  kInvalidArgument,  ///< a ScoringError INVALID_ARGUMENT
};

Answer answer_to(Status status) noexcept;

/// Types of TApplicationException.
enum class ExceptionType : std::int32_t {
  kUnknown = 0,
  kUnknownMethod = 1,
  kInvalidMessageType = 2,
  kInternalError = 6,
  kProtocolError = 7,
  kInvalidTransform = 8,
  kInvalidProtocol = 9,
};

/// For a status that is answered with kException.
ExceptionType exception_type(Status status) noexcept;

/// A stable snake_case name for counters and logs, such as "frame_too_large".
std::string_view name_of(Status status) noexcept;

/// One sentence for the peer, such as "the message ends inside a value".
std::string_view describe(Status status) noexcept;

}  // namespace thriftscore::wire
