// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/rpc/reply.h"

#include <optional>

#include "wire/binary_reader.h"
#include "wire/compact_reader.h"
#include "wire/read_struct.h"
#include "wire/text.h"

namespace thriftscore::benchmarks {
namespace {

constexpr std::array<std::string_view, 11> kCodes{
    "UNKNOWN_ERROR",     "INVALID_ARGUMENT", "MODEL_NOT_FOUND", "MODEL_NOT_READY",
    "DEADLINE_EXCEEDED", "OVERLOADED",       "UNAUTHENTICATED", "PERMISSION_DENIED",
    "UNAVAILABLE",       "UNIMPLEMENTED",    "INTERNAL"};
constexpr std::array<std::string_view, 11> kExceptions{
    "UNKNOWN",           "UNKNOWN_METHOD",   "INVALID_MESSAGE_TYPE",   "WRONG_METHOD_NAME",
    "BAD_SEQUENCE_ID",   "MISSING_RESULT",   "INTERNAL_ERROR",         "PROTOCOL_ERROR",
    "INVALID_TRANSFORM", "INVALID_PROTOCOL", "UNSUPPORTED_CLIENT_TYPE"};
constexpr std::array<std::string_view, 6> kOthers{
    "EXCEPTION_OF_UNKNOWN_TYPE", "MALFORMED_REPLY",   "MISSING_RESULT",
    "OTHER_TRANSPORT",           "CONNECTION_CLOSED", "UNANSWERED"};
static_assert(static_cast<std::size_t>(Failure::kUnknownException) + kOthers.size() == kFailures);

constexpr std::int16_t kSuccessField = 0;
constexpr std::int16_t kErrorField = 1;

Failure plus(Failure base, std::int32_t number) noexcept {
  return static_cast<Failure>(static_cast<std::int32_t>(base) + number);
}

}  // namespace

/// The code of a ScoringError.
struct ErrorReply {
  std::int32_t code = static_cast<std::int32_t>(kCodes.size()) - 1;  // the contract's default
};

/// The type of a TApplicationException.
struct ExceptionReply {
  std::int32_t type = 0;
};

struct ScoreReply {
  wire::Bytes scores;
  wire::DataType datatype = wire::DataType::kFp32;
  std::int64_t rows = 0;
  std::int32_t columns = 0;
  std::optional<std::string_view> request_id;
};

struct ScoreResult {
  std::optional<ScoreReply> success;
};

}  // namespace thriftscore::benchmarks

namespace thriftscore::wire {

template <>
struct Schema<benchmarks::ErrorReply> {
  static constexpr std::tuple fields{Field{1, "code", &benchmarks::ErrorReply::code}};
};

template <>
struct Schema<benchmarks::ExceptionReply> {
  static constexpr std::tuple fields{Field{2, "type", &benchmarks::ExceptionReply::type}};
};

template <>
struct Schema<benchmarks::ScoreReply> {
  static constexpr std::tuple fields{
      Field{1, "scores", &benchmarks::ScoreReply::scores},
      Field{2, "datatype", &benchmarks::ScoreReply::datatype},
      Field{3, "rows", &benchmarks::ScoreReply::rows},
      Field{4, "columns", &benchmarks::ScoreReply::columns},
      Field{6, "request_id", &benchmarks::ScoreReply::request_id},
  };
};

template <>
struct Schema<benchmarks::ScoreResult> {
  static constexpr std::tuple fields{Field{0, "success", &benchmarks::ScoreResult::success}};
};

}  // namespace thriftscore::wire

namespace thriftscore::benchmarks {
namespace {

template <typename Reader>
Failure read_exception(Reader& reader) noexcept {
  ExceptionReply exception;
  if (!wire::read_struct(reader, exception)) return Failure::kMalformedReply;
  const bool known = exception.type >= 0 && exception.type < std::ssize(kExceptions);
  return known ? plus(Failure::kException, exception.type) : Failure::kUnknownException;
}

template <typename Reader>
Failure read_result(Reader& reader) noexcept {
  std::int16_t last_id = 0;
  wire::FieldHeader field;
  if (!reader.read_field(last_id, field)) return Failure::kMalformedReply;
  if (field.type == wire::WireType::kStop) return Failure::kMissingResult;
  if (field.id == kSuccessField) return Failure::kNone;
  ErrorReply error;
  if (field.id != kErrorField || !wire::read_struct(reader, error)) {
    return Failure::kMalformedReply;
  }
  const bool known = error.code > 0 && error.code < std::ssize(kCodes);
  return plus(Failure::kScoringError, known ? error.code : 0);
}

template <typename Reader>
Reply read_reply_of(wire::Bytes message) noexcept {
  Reader reader(message, reply_limits());
  Reply reply{Failure::kMalformedReply, 0, {}};
  std::uint8_t type = 0;
  wire::Bytes name;
  if (!reader.read_message(type, name, reply.sequence_id)) return reply;
  reply.method = wire::as_text(name);
  if (type == static_cast<std::uint8_t>(wire::MessageType::kReply)) {
    reply.failure = read_result(reader);
  } else if (type == static_cast<std::uint8_t>(wire::MessageType::kException)) {
    reply.failure = read_exception(reader);
  }
  return reply;
}

template <typename Reader>
bool score_answers(wire::Bytes message, const Expected& expected) noexcept {
  Reader reader(message, reply_limits());
  std::uint8_t type = 0;
  wire::Bytes name;
  std::int32_t sequence_id = 0;
  ScoreResult result;
  if (!reader.read_message(type, name, sequence_id) || !wire::read_struct(reader, result)) {
    return false;
  }
  if (reader.available() != 0 || !result.success) return false;
  const ScoreReply& score = *result.success;
  std::array<std::byte, kRequestIdBytes> request_id{};
  write_request_id(expected.request_id, request_id.data());
  const std::uint64_t value_bytes = score.datatype == wire::DataType::kFp64 ? 8 : 4;
  return score.request_id == wire::as_text(request_id) && score.columns > 0 &&
         score.rows == static_cast<std::int64_t>(expected.rows) &&
         score.scores.size() ==
             expected.rows * static_cast<std::uint64_t>(score.columns) * value_bytes;
}

}  // namespace

std::string name_of(Failure failure) {
  const auto number = static_cast<std::size_t>(failure);
  const auto from = [number](Failure base) { return number - static_cast<std::size_t>(base); };
  if (failure >= Failure::kUnknownException) {
    return std::string(kOthers[from(Failure::kUnknownException)]);
  }
  if (failure >= Failure::kException) {
    return "EXCEPTION_" + std::string(kExceptions[from(Failure::kException)]);
  }
  return std::string(kCodes[from(Failure::kScoringError)]);
}

Reply read_reply(wire::Protocol protocol, wire::Bytes message) noexcept {
  return protocol == wire::Protocol::kBinary ? read_reply_of<wire::BinaryReader>(message)
                                             : read_reply_of<wire::CompactReader>(message);
}

bool answers(wire::Protocol protocol, wire::Bytes message, const Expected& expected) noexcept {
  const Reply reply = read_reply(protocol, message);
  if (reply.sequence_id != expected.sequence_id || reply.method != name_of(expected.method)) {
    return false;
  }
  if (reply.failure != Failure::kNone || expected.method != Method::kScore) return true;
  return protocol == wire::Protocol::kBinary
             ? score_answers<wire::BinaryReader>(message, expected)
             : score_answers<wire::CompactReader>(message, expected);
}

const wire::Limits& reply_limits() noexcept {
  static constexpr wire::Limits kLimits{
      .frame_bytes_max = 1U << 30U, .message_bytes_max = 1U << 30U, .values_max = 1U << 26U};
  return kLimits;
}

}  // namespace thriftscore::benchmarks
