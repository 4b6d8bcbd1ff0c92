// SPDX-License-Identifier: Apache-2.0
// Writes the Thrift compact protocol.
#pragma once

#include <array>
#include <bit>

#include "wire/byte_writer.h"
#include "wire/compact_reader.h"
#include "wire/text.h"

namespace thriftscore::wire {

class CompactWriter : public ByteWriter {
 public:
  static constexpr Protocol kProtocol = Protocol::kCompact;

  using ByteWriter::ByteWriter;

  void write_message(MessageType type, std::string_view name, std::int32_t sequence_id) noexcept {
    write_byte(kCompactProtocolId);
    write_byte(static_cast<std::uint8_t>(kCompactVersion | static_cast<unsigned>(type) << 5U));
    write_varint(static_cast<std::uint32_t>(sequence_id));
    write_binary(as_bytes(name));
  }

  /// Updates `last_id`, which starts at 0 for each struct.
  void write_field(std::int16_t& last_id, std::int16_t id, WireType type) noexcept {
    write_field_code(last_id, id, to_code(type));
  }

  void write_bool_field(std::int16_t& last_id, std::int16_t id, bool value) noexcept {
    write_field_code(last_id, id, value ? kCompactTrue : kCompactFalse);
  }

  void write_stop() noexcept { write_byte(0); }
  void write_bool(bool value) noexcept { write_byte(value ? kCompactTrue : kCompactFalse); }
  void write_i32(std::int32_t value) noexcept { write_i64(value); }

  void write_i64(std::int64_t value) noexcept {
    const auto bits = static_cast<std::uint64_t>(value);
    write_varint((bits << 1U) ^ (std::uint64_t{0} - (bits >> 63U)));
  }

  void write_double(double value) noexcept {
    write_fixed<std::endian::little>(std::bit_cast<std::uint64_t>(value));
  }

  void write_size(std::size_t size) noexcept { write_varint(size); }

  void write_binary(Bytes bytes) noexcept {
    write_size(bytes.size());
    write_bytes(bytes);
  }

  void write_list(WireType element, std::size_t count) noexcept {
    const std::size_t short_count = count < 15 ? count : 15;
    write_byte(static_cast<std::uint8_t>(short_count << 4U | to_code(element)));
    if (count >= 15) write_size(count);
  }

  void write_map(WireType key, WireType value, std::size_t count) noexcept {
    write_size(count);
    if (count != 0) write_byte(static_cast<std::uint8_t>(to_code(key) << 4U | to_code(value)));
  }

  void write_varint(std::uint64_t value) noexcept {
    for (; value >= 0x80; value >>= 7U) write_byte(static_cast<std::uint8_t>(value | 0x80U));
    write_byte(static_cast<std::uint8_t>(value));
  }

 private:
  static constexpr unsigned to_code(WireType type) noexcept {
    unsigned code = 0;
    while (kCompactTypes[code] != type) ++code;
    return code;
  }

  void write_field_code(std::int16_t& last_id, std::int16_t id, unsigned code) noexcept {
    const int delta = id - last_id;
    last_id = id;
    if (delta > 0 && delta < 16) {
      write_byte(static_cast<std::uint8_t>(static_cast<unsigned>(delta) << 4U | code));
    } else {
      write_byte(static_cast<std::uint8_t>(code));
      write_i32(id);
    }
  }
};

}  // namespace thriftscore::wire
