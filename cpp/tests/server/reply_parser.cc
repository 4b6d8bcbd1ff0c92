// SPDX-License-Identifier: Apache-2.0
// Reads replies without the codec under test.
#include <bit>
#include <stdexcept>

#include "tests/server/messages.h"

namespace thriftscore::testing {
namespace {

/// Type codes of the binary protocol; the compact ones are translated.
enum Type {
  kStop = 0,
  kBool = 2,
  kByte = 3,
  kDouble = 4,
  kI16 = 6,
  kI32 = 8,
  kI64 = 10,
  kString = 11,
  kStruct = 12,
  kSet = 14,
  kList = 15
};
constexpr int kCompactTypes[] = {kStop,   kBool,   kBool, kByte, kI16, kI32,   kI64,
                                 kDouble, kString, kList, kSet,  0,    kStruct};

class CutReply : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Parser {
 public:
  Parser(std::span<const std::byte> bytes, bool compact) : bytes_(bytes), compact_(compact) {}

  std::size_t used() const { return used_; }

  std::uint64_t big_endian(int size) {
    std::uint64_t value = 0;
    for (int i = 0; i < size; ++i) value = value << 8U | byte();
    return value;
  }

  Reply head() {
    Reply reply;
    if (compact_) {
      expect(byte() == 0x82);
      const auto version = byte();
      expect((version & 0x1fU) == 1);
      reply.type = static_cast<int>(version >> 5U);
      reply.sequence_id = static_cast<std::int32_t>(varint());
      reply.method = text();
    } else {
      expect(big_endian(2) == 0x8001);
      reply.type = static_cast<int>(big_endian(2));
      reply.method = text();
      reply.sequence_id = static_cast<std::int32_t>(big_endian(4));
    }
    return reply;
  }

  Value value(int type) {
    switch (type) {
      case kBool:
      case kByte:
        return {static_cast<std::int64_t>(byte())};
      case kI16:
        return {integer(2)};
      case kI32:
        return {integer(4)};
      case kI64:
        return {integer(8)};
      case kDouble:
        return {std::bit_cast<double>(compact_ ? little_endian() : big_endian(8))};
      case kString:
        return {text()};
      case kStruct:
        return {structure()};
      case kList:
        return {list()};
      default:
        throw std::runtime_error("a type that no reply has");
    }
  }

 private:
  static void expect(bool condition) {
    if (!condition) throw std::runtime_error("a reply is malformed");
  }

  unsigned byte() {
    if (used_ == bytes_.size()) throw CutReply("a reply is cut");
    return std::to_integer<unsigned>(bytes_[used_++]);
  }

  std::uint64_t little_endian() {
    std::uint64_t value = 0;
    for (unsigned i = 0; i < 8; ++i) value |= std::uint64_t{byte()} << (8 * i);
    return value;
  }

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
      const std::uint64_t next = byte();
      value |= (next & 0x7fU) << shift;
      if (next < 0x80) return value;
    }
  }

  std::int64_t integer(int size) {
    if (compact_) {
      const auto zigzag = varint();
      return static_cast<std::int64_t>(zigzag >> 1U) ^ -static_cast<std::int64_t>(zigzag & 1U);
    }
    const auto unused = static_cast<unsigned>(64 - 8 * size);
    return static_cast<std::int64_t>(big_endian(size) << unused) >> unused;
  }

  std::string text() {
    const std::size_t size = compact_ ? varint() : big_endian(4);
    std::string text;
    for (std::size_t i = 0; i < size; ++i) text.push_back(static_cast<char>(byte()));
    return text;
  }

  Value::List list() {
    const unsigned head = byte();
    const int type = compact_ ? kCompactTypes[head & 0xfU] : static_cast<int>(head);
    std::size_t count = compact_ ? head >> 4U : big_endian(4);
    if (compact_ && count == 15) count = varint();
    Value::List values;
    for (std::size_t i = 0; i < count; ++i) values.push_back(value(type));
    return values;
  }

  Value::Struct structure() {
    Value::Struct fields;
    int id = 0;
    while (const unsigned head = byte()) {
      if (!compact_) {
        id = static_cast<int>(big_endian(2));
        fields[id] = value(static_cast<int>(head));
        continue;
      }
      const unsigned delta = head >> 4U;
      id = delta == 0 ? static_cast<int>(integer(2)) : id + static_cast<int>(delta);
      const unsigned code = head & 0xfU;
      const bool is_bool = code == 1 || code == 2;
      fields[id] = is_bool ? Value{std::int64_t{code == 1}} : value(kCompactTypes[code]);
    }
    return fields;
  }

  std::span<const std::byte> bytes_;
  bool compact_;
  std::size_t used_ = 0;
};

}  // namespace

std::int64_t Reply::error_code() const {
  return type == 2 && result.has(1) ? result.field(1).field(1).number() : 0;
}

std::int64_t Reply::exception_type() const { return type == 3 ? result.field(2).number() : -1; }

Reply parse_reply(const Format& format, std::span<const std::byte> stream) {
  const bool compact = format.protocol == wire::Protocol::kCompact;
  std::size_t before = 0;
  std::size_t frame_bytes = 0;
  if (format.transport != wire::Transport::kUnframed) {
    Parser frame(stream, false);
    frame_bytes = 4 + frame.big_endian(4);
    before = 4;
    if (format.transport == wire::Transport::kHeader) {
      frame.big_endian(8);  // magic, flags, sequence id
      before = 14 + 4 * frame.big_endian(2);
    }
  }
  Parser parser(stream.subspan(before), compact);
  Reply reply = parser.head();
  reply.result = parser.value(kStruct);
  reply.bytes = before + parser.used();
  if (frame_bytes != 0 && frame_bytes != reply.bytes) {
    throw std::runtime_error("a frame has another length than its message");
  }
  return reply;
}

std::vector<Reply> parse_replies(const Format& format, std::span<const std::byte> stream) {
  std::vector<Reply> replies;
  while (!stream.empty()) {
    replies.push_back(parse_reply(format, stream));
    stream = stream.subspan(replies.back().bytes);
  }
  return replies;
}

Buffer receive_reply_bytes(Client& client, const Format& format) {
  if (format.transport != wire::Transport::kUnframed) return client.receive_frame();
  for (std::span<const std::byte> ahead = client.ahead();;) {
    try {
      return client.receive(parse_reply(format, ahead).bytes);
    } catch (const CutReply&) {
      ahead = client.look_ahead();
    }
  }
}

Reply receive_reply(Client& client, const Format& format) {
  return parse_reply(format, receive_reply_bytes(client, format));
}

}  // namespace thriftscore::testing
