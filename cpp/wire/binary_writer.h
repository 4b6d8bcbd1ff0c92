// SPDX-License-Identifier: Apache-2.0
// Writes the Thrift binary protocol.
#pragma once

#include <bit>

#include "wire/byte_writer.h"
#include "wire/text.h"

namespace thriftscore::wire {

class BinaryWriter : public ByteWriter {
 public:
  static constexpr Protocol kProtocol = Protocol::kBinary;

  using ByteWriter::ByteWriter;

  void write_message(MessageType type, std::string_view name, std::int32_t sequence_id) noexcept {
    write_fixed<std::endian::big>(0x80010000U | static_cast<std::uint32_t>(type));
    write_binary(as_bytes(name));
    write_i32(sequence_id);
  }

  /// `last_id` is for the compact protocol.
  void write_field(std::int16_t& /*last_id*/, std::int16_t id, WireType type) noexcept {
    write_byte(static_cast<std::uint8_t>(type));
    write_fixed<std::endian::big>(id);
  }

  void write_bool_field(std::int16_t& last_id, std::int16_t id, bool value) noexcept {
    write_field(last_id, id, WireType::kBool);
    write_bool(value);
  }

  void write_stop() noexcept { write_byte(0); }
  void write_bool(bool value) noexcept { write_byte(value ? 1 : 0); }
  void write_i32(std::int32_t value) noexcept { write_fixed<std::endian::big>(value); }
  void write_i64(std::int64_t value) noexcept { write_fixed<std::endian::big>(value); }

  void write_double(double value) noexcept {
    write_fixed<std::endian::big>(std::bit_cast<std::uint64_t>(value));
  }

  void write_size(std::size_t size) noexcept { write_i32(static_cast<std::int32_t>(size)); }

  void write_binary(Bytes bytes) noexcept {
    write_size(bytes.size());
    write_bytes(bytes);
  }

  void write_list(WireType element, std::size_t count) noexcept {
    write_byte(static_cast<std::uint8_t>(element));
    write_size(count);
  }

  void write_map(WireType key, WireType value, std::size_t count) noexcept {
    write_byte(static_cast<std::uint8_t>(key));
    write_byte(static_cast<std::uint8_t>(value));
    write_size(count);
  }
};

}  // namespace thriftscore::wire
