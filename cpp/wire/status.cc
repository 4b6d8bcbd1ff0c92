// SPDX-License-Identifier: Apache-2.0
#include "wire/status.h"

#include <array>
#include <cstddef>

namespace thriftscore::wire {
namespace {

struct Row {
  Status status;
  Answer answer;
  std::string_view name;
  std::string_view description;
};

using enum Status;

constexpr std::array kRows{
    Row{kOk, Answer::kNone, "ok", "nothing is wrong"},
    Row{kHttp, Answer::kClose, "http", "this port speaks Thrift, and this is HTTP"},
    Row{kTls, Answer::kClose, "tls", "this port is not encrypted, and this is TLS"},
    Row{kFrameSizeZero, Answer::kClose, "frame_size_zero", "a frame is empty"},
    Row{kFrameSizeNegative, Answer::kClose, "frame_size_negative", "a frame length is negative"},
    Row{kFrameTooLarge, Answer::kClose, "frame_too_large", "a frame is over the limit"},
    Row{kMessageTooLarge, Answer::kClose, "message_too_large",
        "an unframed message is over the limit"},
    Row{kUnknownProtocol, Answer::kClose, "unknown_protocol",
        "a frame is neither strict binary nor compact nor THeader"},
    Row{kHeaderMalformed, Answer::kClose, "header_malformed", "a THeader section is malformed"},
    Row{kHeaderTooManyPairs, Answer::kClose, "header_too_many_pairs",
        "a THeader section has more than 128 info headers"},
    Row{kHeaderProtocol, Answer::kException, "header_protocol",
        "a THeader protocol id is neither 0 (binary) nor 2 (compact)"},
    Row{kHeaderTransform, Answer::kException, "header_transform",
        "THeader transforms are not supported"},
    Row{kTruncated, Answer::kException, "truncated", "the message ends inside a value"},
    Row{kTrailingBytes, Answer::kException, "trailing_bytes",
        "bytes follow the message in its frame"},
    Row{kBadVersion, Answer::kException, "bad_version",
        "the message is neither strict binary nor compact, version 1"},
    Row{kNameTooLong, Answer::kException, "name_too_long", "the method name is too long"},
    Row{kNameInvalid, Answer::kException, "name_invalid", "the method name is not UTF-8"},
    Row{kVarintTooLong, Answer::kException, "varint_too_long",
        "a varint has more bits than its type"},
    Row{kSizeOutOfRange, Answer::kException, "size_out_of_range",
        "a length or count is negative or more than the message holds"},
    Row{kBadType, Answer::kException, "bad_type", "a type code is unknown"},
    Row{kElementType, Answer::kException, "element_type",
        "the elements of a container have another type than the contract says"},
    Row{kBadBool, Answer::kException, "bad_bool", "a bool byte is neither true nor false"},
    Row{kFieldIdOutOfRange, Answer::kException, "field_id_out_of_range",
        "a field id is over 32767"},
    Row{kTooDeep, Answer::kException, "too_deep", "the message is nested too deeply"},
    Row{kInvalidMessageType, Answer::kException, "invalid_message_type",
        "the message is not a call"},
    Row{kInvalidUtf8, Answer::kInvalidArgument, "invalid_utf8", "a text field is not UTF-8"},
    Row{kTooManyElements, Answer::kInvalidArgument, "too_many_elements",
        "a request has too many tensors, or a tensor too many dimensions"},
    Row{kTooManyValues, Answer::kInvalidArgument, "too_many_values",
        "a message has too many values"},
};

constexpr bool rows_are_in_order() {
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    if (static_cast<std::size_t>(kRows[i].status) != i) return false;
  }
  return kRows.back().status == kTooManyValues;
}
static_assert(rows_are_in_order());

const Row& row(Status status) noexcept { return kRows[static_cast<std::size_t>(status)]; }

}  // namespace

Answer answer_to(Status status) noexcept { return row(status).answer; }

ExceptionType exception_type(Status status) noexcept {
  switch (status) {
    case kInvalidMessageType:
      return ExceptionType::kInvalidMessageType;
    case kHeaderTransform:
      return ExceptionType::kInvalidTransform;
    case kHeaderProtocol:
      return ExceptionType::kInvalidProtocol;
    default:
      return ExceptionType::kProtocolError;
  }
}

std::string_view name_of(Status status) noexcept { return row(status).name; }

std::string_view describe(Status status) noexcept { return row(status).description; }

}  // namespace thriftscore::wire
