// SPDX-License-Identifier: Apache-2.0
#include "wire/encode.h"

#include "wire/binary_writer.h"
#include "wire/compact_writer.h"
#include "wire/write_struct.h"

namespace thriftscore::wire {
namespace {

constexpr std::uint16_t kHeaderMagic = 0x0fff;
constexpr std::size_t kFixedHeaderBytes = 14;  // with the length of the frame
constexpr std::size_t kHeaderWordsAt = 12;
constexpr std::uint8_t kKeyValueBlock = 1;
/// A field header, a length, a number or a stop byte, in either protocol; generously.
constexpr std::size_t kItemBytesMax = 16;

void write_header_section(CompactWriter& writer, const ReplyTo& to) noexcept {
  writer.write_byte(to.protocol == Protocol::kBinary ? 0 : 2);
  writer.write_byte(0);  // no transforms
  if (to.headers.empty()) return;
  writer.write_byte(kKeyValueBlock);
  writer.write_size(to.headers.size());
  for (const InfoPair& pair : to.headers) {
    writer.write_binary(as_bytes(pair.key));
    writer.write_binary(as_bytes(pair.value));
  }
}

/// The THeader part of a frame but for its length; returns its size, or 0 where it does not fit.
std::size_t write_header(std::span<std::byte> target, const ReplyTo& to) noexcept {
  if (target.size() < kFixedHeaderBytes) return 0;
  CompactWriter section(target.subspan(kFixedHeaderBytes));
  write_header_section(section, to);
  while (section.fits() && section.written() % 4 != 0) section.write_byte(0);
  const std::size_t words = section.written() / 4;
  if (!section.fits() || words > 0xffff) return 0;
  ByteWriter fixed(target);
  fixed.write_fixed<std::endian::big>(std::uint32_t{0});
  fixed.write_fixed<std::endian::big>(kHeaderMagic);
  fixed.write_fixed<std::endian::big>(std::uint16_t{0});  // flags
  fixed.write_fixed<std::endian::big>(to.sequence_id);
  static_assert(kHeaderWordsAt == 4 + 2 + 2 + 4);
  fixed.write_fixed<std::endian::big>(static_cast<std::uint16_t>(words));
  return kFixedHeaderBytes + section.written();
}

/// `write_rest` is given the bytes behind the frame's own, and returns how many it has written.
template <typename WriteRest>
std::size_t write_frame(std::span<std::byte> target, const ReplyTo& to,
                        const WriteRest& write_rest) noexcept {
  std::size_t before = 0;
  if (to.transport == Transport::kFramed) before = sizeof(std::uint32_t);
  if (to.transport == Transport::kHeader) before = write_header(target, to);
  const bool has_frame = to.transport != Transport::kUnframed;
  if (before > target.size() || (has_frame && before == 0)) return 0;
  const std::size_t size = write_rest(target.subspan(before));
  if (size == 0) return 0;
  const std::size_t total = before + size;
  if (has_frame) {
    const auto frame_bytes = static_cast<std::uint32_t>(total - sizeof(std::uint32_t));
    store<std::endian::big>(frame_bytes, target.data());
  }
  return total;
}

template <typename Writer, typename WriteBody>
[[gnu::flatten]] std::size_t write_message(std::span<std::byte> target, const ReplyTo& to,
                                           MessageType type, const WriteBody& write_body) noexcept {
  Writer writer(target);
  writer.write_message(type, to.method, to.sequence_id);
  write_body(writer);
  return writer.fits() ? writer.written() : 0;
}

/// `write_body` is called with the protocol's writer after the head of the message.
template <typename WriteBody>
std::size_t write_reply(std::span<std::byte> target, const ReplyTo& to, MessageType type,
                        const WriteBody& write_body) noexcept {
  return write_frame(target, to, [&](std::span<std::byte> rest) {
    return to.protocol == Protocol::kBinary
               ? write_message<BinaryWriter>(rest, to, type, write_body)
               : write_message<CompactWriter>(rest, to, type, write_body);
  });
}

// Upper bounds of encoded sizes.

template <typename T>
std::size_t bytes_max(const T& /*number*/) noexcept {
  return kItemBytesMax;
}

std::size_t bytes_max(std::string_view text) noexcept { return kItemBytesMax + text.size(); }
std::size_t bytes_max(const Room& room) noexcept { return kItemBytesMax + room.size; }
std::size_t bytes_max(const DoublesRoom& room) noexcept {
  return kItemBytesMax + room.count * kDoubleBytes;
}
std::size_t bytes_max(std::span<const std::int64_t> list) noexcept {
  return kItemBytesMax * (1 + list.size());
}

template <typename T>
std::size_t bytes_max(const std::optional<T>& value) noexcept {
  return value ? bytes_max(*value) : 0;
}

template <HasSchema T>
std::size_t bytes_max(const T& value) noexcept;

std::size_t bytes_max(std::span<OutputTensor> tensors) noexcept {
  std::size_t sum = kItemBytesMax;
  for (const OutputTensor& tensor : tensors) sum += bytes_max(tensor);
  return sum;
}

template <HasSchema T>
std::size_t bytes_max(const T& value) noexcept {
  std::size_t sum = kItemBytesMax;
  any_field<T>([&](const auto& field) {
    sum += kItemBytesMax + bytes_max(value.*field.member);
    return false;
  });
  return sum;
}

}  // namespace

template <typename T>
std::size_t encode_result(std::span<std::byte> target, const ReplyTo& to, T& result) noexcept {
  return write_reply(target, to, MessageType::kReply, [&](auto& writer) {
    std::int16_t last_id = 0;
    write_field(writer, last_id, 0, result);
    writer.write_stop();
  });
}

std::size_t encode_error(std::span<std::byte> target, const ReplyTo& to,
                         const ScoringError& error) noexcept {
  return write_reply(target, to, MessageType::kReply, [&](auto& writer) {
    std::int16_t last_id = 0;
    ScoringError copy = error;
    write_field(writer, last_id, 1, copy);
    writer.write_stop();
  });
}

std::size_t encode_exception(std::span<std::byte> target, const ReplyTo& to,
                             const ApplicationException& exception) noexcept {
  return write_reply(target, to, MessageType::kException, [&](auto& writer) {
    ApplicationException copy = exception;
    write_struct(writer, copy);
  });
}

std::size_t encode_envelope(std::span<std::byte> target, const ReplyTo& to,
                            Bytes message) noexcept {
  return write_frame(target, to, [&](std::span<std::byte> rest) {
    ByteWriter writer(rest);
    writer.write_bytes(message);
    return writer.fits() ? writer.written() : 0;
  });
}

std::size_t envelope_bytes_max(const ReplyTo& to, Bytes message) noexcept {
  std::size_t sum = kFixedHeaderBytes + 4 * kItemBytesMax;
  for (const InfoPair& pair : to.headers) sum += bytes_max(pair.key) + bytes_max(pair.value);
  return sum + message.size();
}

template <typename T>
std::size_t reply_bytes_max(const ReplyTo& to, const T& result) noexcept {
  return envelope_bytes_max(to, {}) + to.method.size() + bytes_max(result) + 2 * kItemBytesMax;
}

template std::size_t encode_result(std::span<std::byte>, const ReplyTo&, bool&) noexcept;
template std::size_t encode_result(std::span<std::byte>, const ReplyTo&, ScoreResponse&) noexcept;
template std::size_t encode_result(std::span<std::byte>, const ReplyTo&,
                                   NormalizeResponse&) noexcept;
template std::size_t encode_result(std::span<std::byte>, const ReplyTo&, InferResponse&) noexcept;
template std::size_t encode_result(std::span<std::byte>, const ReplyTo&, DoublesRoom&) noexcept;

template std::size_t reply_bytes_max(const ReplyTo&, const bool&) noexcept;
template std::size_t reply_bytes_max(const ReplyTo&, const ScoreResponse&) noexcept;
template std::size_t reply_bytes_max(const ReplyTo&, const NormalizeResponse&) noexcept;
template std::size_t reply_bytes_max(const ReplyTo&, const InferResponse&) noexcept;
template std::size_t reply_bytes_max(const ReplyTo&, const DoublesRoom&) noexcept;
template std::size_t reply_bytes_max(const ReplyTo&, const ScoringError&) noexcept;
template std::size_t reply_bytes_max(const ReplyTo&, const ApplicationException&) noexcept;

}  // namespace thriftscore::wire
