// SPDX-License-Identifier: Apache-2.0
#include "messages.h"

#include "binary.h"

namespace thriftscore_client {
namespace {

constexpr std::size_t kJoinedBytesMax = 16'384;  // copying this much costs less than a second part
constexpr std::size_t kLengthBytes = 4;
constexpr std::int16_t kDeadlineField = 2;  // of RequestContext
constexpr std::int32_t kFloat = 11;         // of DataType
constexpr std::int32_t kDouble = 12;
constexpr std::size_t kFixedBytes = 64;

template <typename Number>
void append(std::string& to, Number number) {
  char bytes[sizeof(Number)];
  store(bytes, number);
  to.append(bytes, sizeof bytes);
}

void append_text(std::string& to, std::string_view text) {
  append(to, static_cast<std::int32_t>(text.size()));
  to += text;
}

void append_field(std::string& to, FieldType type, std::int16_t field) {
  append(to, static_cast<std::uint8_t>(type));
  append(to, field);
}

void append_context(std::string& to, const CallParts& call, std::int32_t deadline_ms) {
  append_text(to, call.request_id);
  append_field(to, FieldType::kI32, kDeadlineField);
  append(to, deadline_ms);
  to += call.rest;
  append(to, static_cast<std::uint8_t>(FieldType::kStop));
}

/// Reads one after the other; false where there is no more or something else.
class FieldReader {
 public:
  explicit FieldReader(std::span<const char> content) : rest_(content.data(), content.size()) {}

  template <typename Number>
  bool read(Number& number) noexcept {
    if (rest_.size() < sizeof(Number)) return false;
    number = load<Number>(rest_.data());
    rest_.remove_prefix(sizeof(Number));
    return true;
  }

  bool read(std::string_view& text) noexcept {
    std::int32_t length = 0;
    if (!read(length) || length < 0 || rest_.size() < static_cast<std::size_t>(length))
      return false;
    text = rest_.substr(0, static_cast<std::size_t>(length));
    rest_.remove_prefix(text.size());
    return true;
  }

  bool at_end() const noexcept { return rest_.empty(); }

 private:
  std::string_view rest_;
};

template <typename Value>
bool read_value(FieldReader& reader, FieldType type, FieldType expected, Value& value) noexcept {
  return type == expected && reader.read(value);
}

bool read_field(FieldReader& reader, FieldType type, MatrixReply& reply) noexcept {
  std::int16_t field = 0;
  if (!reader.read(field)) return false;
  switch (field) {
    case 1:
      return read_value(reader, type, FieldType::kString, reply.values);
    case 2:
      return read_value(reader, type, FieldType::kI32, reply.datatype);
    case 3:
      return read_value(reader, type, FieldType::kI64, reply.rows);
    case 4:
      return read_value(reader, type, FieldType::kI32, reply.columns);
    case 5:
      return read_value(reader, type, FieldType::kString, reply.model_version);
    case 6:
      return read_value(reader, type, FieldType::kString, reply.request_id);
    default:
      return false;
  }
}

bool fits(const MatrixReply& reply, std::int64_t rows) noexcept {
  if (reply.datatype != kFloat && reply.datatype != kDouble) return false;
  if (rows < 1 || reply.rows != rows || reply.columns < 1) return false;
  const std::size_t row_bytes =
      static_cast<std::size_t>(reply.columns) * (reply.is_double() ? 8 : 4);
  return reply.values.size() % row_bytes == 0 &&
         reply.values.size() / row_bytes == static_cast<std::size_t>(rows);
}

}  // namespace

bool MatrixReply::is_double() const noexcept { return datatype == kDouble; }

Message encode(const CallParts& call, std::int32_t sequence, std::int32_t deadline_ms) {
  const bool is_joined = call.payload.size() <= kJoinedBytesMax;
  Message message;
  std::string& head = message.head;
  head.reserve(kFixedBytes + call.method.size() + call.arguments.size() + call.request_id.size() +
               call.rest.size() + (is_joined ? call.payload.size() : 0));
  head.resize(kLengthBytes);
  append(head, kBinaryVersion | kCall);
  append_text(head, call.method);
  append(head, sequence);
  head += call.arguments;
  if (call.has_context) append_context(head, call, deadline_ms);
  if (call.has_payload) {
    append_field(head, FieldType::kString, call.payload_field);
    append(head, static_cast<std::int32_t>(call.payload.size()));
    if (is_joined) {
      head.append(call.payload.data(), call.payload.size());
    } else {
      message.payload = call.payload;
    }
  }
  if (call.has_context) (is_joined ? head : message.end).append(2, '\0');
  store(head.data(), static_cast<std::uint32_t>(message_bytes(message)));
  return message;
}

std::size_t message_bytes(const Message& message) noexcept {
  return message.head.size() - kLengthBytes + message.payload.size() + message.end.size();
}

std::optional<MatrixReply> read_matrix(std::span<const char> content, std::int64_t rows) noexcept {
  FieldReader reader(content);
  MatrixReply reply{.datatype = kFloat};
  std::uint8_t type = 0;
  std::int16_t field = 0;
  if (!reader.read(type) || static_cast<FieldType>(type) != FieldType::kStruct) return {};
  if (!reader.read(field) || field != 0) return {};  // of the result: success
  while (true) {
    if (!reader.read(type)) return {};
    if (static_cast<FieldType>(type) == FieldType::kStop) break;
    if (!read_field(reader, static_cast<FieldType>(type), reply)) return {};
  }
  if (!reader.read(type) || static_cast<FieldType>(type) != FieldType::kStop) return {};
  if (!reader.at_end() || !fits(reply, rows)) return {};
  return reply;
}

}  // namespace thriftscore_client
