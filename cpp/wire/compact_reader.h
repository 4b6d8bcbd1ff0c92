// SPDX-License-Identifier: Apache-2.0
// Reads the Thrift compact protocol: zigzag varints, relative field ids, little-endian doubles.
#pragma once

#include <array>
#include <bit>
#include <limits>

#include "wire/byte_reader.h"

namespace thriftscore::wire {

/// Compact type codes, where they differ from the position in kCompactTypes.
inline constexpr std::uint8_t kCompactTrue = 1;
inline constexpr std::uint8_t kCompactFalse = 2;
inline constexpr std::uint8_t kCompactProtocolId = 0x82;
inline constexpr std::uint8_t kCompactVersion = 1;
inline constexpr std::uint8_t kCompactVersionMask = 0x1f;

/// WireType of each compact type code.
inline constexpr std::array kCompactTypes{
    WireType::kStop, WireType::kBool, WireType::kBool,   WireType::kI8,     WireType::kI16,
    WireType::kI32,  WireType::kI64,  WireType::kDouble, WireType::kString, WireType::kList,
    WireType::kSet,  WireType::kMap,  WireType::kStruct, WireType::kUuid,
};

class CompactReader : public ByteReader {
 public:
  static constexpr Protocol kProtocol = Protocol::kCompact;
  static constexpr std::endian kDoubleOrder = std::endian::little;

  using ByteReader::ByteReader;

  /// As in BinaryReader.
  static constexpr std::uint64_t fixed_size(WireType type) noexcept {
    switch (type) {
      case WireType::kI8:
        return 1;
      case WireType::kDouble:
        return 8;
      case WireType::kUuid:
        return 16;
      default:
        return 0;
    }
  }

  /// As in BinaryReader: all but the fixed sizes have one byte or more.
  static constexpr std::uint64_t size_min(WireType type) noexcept {
    const std::uint64_t size = fixed_size(type);
    return size == 0 ? 1 : size;
  }

  bool read_message(std::uint8_t& type, Bytes& name, std::int32_t& sequence_id) noexcept {
    std::uint8_t protocol_id = 0;
    std::uint8_t version_and_type = 0;
    if (!read_byte(protocol_id)) return false;
    if (protocol_id != kCompactProtocolId) return fail(Status::kBadVersion);
    if (!read_byte(version_and_type)) return false;
    if ((version_and_type & kCompactVersionMask) != kCompactVersion) {
      return fail(Status::kBadVersion);
    }
    type = static_cast<std::uint8_t>(version_and_type >> 5U);
    std::uint32_t unsigned_id = 0;  // a varint without zigzag
    if (!read_varint(unsigned_id)) return false;
    sequence_id = static_cast<std::int32_t>(unsigned_id);
    std::uint32_t name_size = 0;
    return read_size(name_size) && read_name(name_size, name);
  }

  /// Updates `last_id`, which starts at 0 for each struct.
  bool read_field(std::int16_t& last_id, FieldHeader& field) noexcept {
    std::uint8_t byte = 0;
    if (!read_byte(byte)) return false;
    const auto code = static_cast<std::uint8_t>(byte & 0x0fU);
    if (!to_wire_type(code, field.type)) return false;
    if (field.type == WireType::kStop) return true;
    field.bool_value = code == kCompactTrue;
    const int delta = byte >> 4U;
    if (delta == 0) {
      if (!read_zigzag<std::uint16_t>(last_id)) return false;
    } else {
      const int id = last_id + delta;
      if (id > std::numeric_limits<std::int16_t>::max()) return fail(Status::kFieldIdOutOfRange);
      last_id = static_cast<std::int16_t>(id);
    }
    field.id = last_id;
    return true;
  }

  static bool read_bool_field(const FieldHeader& field, bool& value) noexcept {
    value = field.bool_value;
    return true;
  }

  /// A bool that is an element. Encoders write 1 and 2; the specification says 1 and 0.
  bool read_bool(bool& value) noexcept {
    std::uint8_t byte = 0;
    if (!read_byte(byte)) return false;
    if (byte > kCompactFalse) return fail(Status::kBadBool);
    value = byte == kCompactTrue;
    return true;
  }

  bool read_i32(std::int32_t& value) noexcept { return read_zigzag<std::uint32_t>(value); }
  bool read_i64(std::int64_t& value) noexcept { return read_zigzag<std::uint64_t>(value); }

  bool read_double(double& value) noexcept {
    std::uint64_t bits = 0;
    if (!read_fixed<kDoubleOrder>(bits)) return false;
    value = std::bit_cast<double>(bits);
    return true;
  }

  bool read_binary(Bytes& value) noexcept {
    std::uint32_t size = 0;
    return read_size(size) && read_bytes(size, value);
  }

  bool read_list(ListHeader& list) noexcept {
    std::uint8_t byte = 0;
    if (!read_byte(byte) || !to_wire_type(byte & 0x0fU, list.element)) return false;
    list.count = byte >> 4U;
    if (list.count == 15 && !read_size(list.count)) return false;
    if (list.count == 0) return true;
    if (list.element == WireType::kStop) return fail(Status::kBadType);
    return check_count(list.count, size_min(list.element));
  }

  bool read_map(MapHeader& map) noexcept {
    if (!read_size(map.count)) return false;
    if (map.count == 0) return true;
    std::uint8_t types = 0;
    if (!read_byte(types)) return false;
    if (!to_wire_type(static_cast<std::uint8_t>(types >> 4U), map.key)) return false;
    if (!to_wire_type(types & 0x0fU, map.value)) return false;
    if (map.key == WireType::kStop || map.value == WireType::kStop) return fail(Status::kBadType);
    return check_count(map.count, size_min(map.key) + size_min(map.value));
  }

  bool skip_integer(WireType type) noexcept {
    std::int16_t i16 = 0;
    std::int32_t i32 = 0;
    std::int64_t i64 = 0;
    switch (type) {
      case WireType::kI16:
        return read_zigzag<std::uint16_t>(i16);
      case WireType::kI32:
        return read_i32(i32);
      case WireType::kI64:
        return read_i64(i64);
      default:
        return skip_bytes(1);
    }
  }

  bool skip_bools(std::uint32_t count) noexcept {
    return skip_bool_bytes(count, std::byte{kCompactFalse});
  }

  /// Unsigned: no more bytes than U needs, and no bits beyond U.
  template <typename U>
  bool read_varint(U& value) noexcept {
    constexpr unsigned kBits = std::numeric_limits<U>::digits;
    std::uint64_t result = 0;
    for (unsigned shift = 0; shift < kBits; shift += 7) {
      std::uint8_t byte = 0;
      if (!read_byte(byte)) return false;
      if (shift + 7 > kBits && (byte >> (kBits - shift)) != 0) break;
      result |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
      if (byte < 0x80) {
        value = static_cast<U>(result);
        return true;
      }
    }
    return fail(Status::kVarintTooLong);
  }

  /// A length or count: 0 to 2^31 - 1.
  bool read_size(std::uint32_t& size) noexcept {
    if (!read_varint(size)) return false;
    return size <= 0x7fffffffU || fail(Status::kSizeOutOfRange);
  }

 private:
  template <typename U, typename S>
  bool read_zigzag(S& value) noexcept {
    U bits = 0;
    if (!read_varint(bits)) return false;
    value = static_cast<S>((bits >> 1U) ^ (U{0} - (bits & 1U)));
    return true;
  }

  bool to_wire_type(std::uint8_t code, WireType& type) noexcept {
    if (code >= kCompactTypes.size()) return fail(Status::kBadType);
    type = kCompactTypes[code];
    return true;
  }
};

}  // namespace thriftscore::wire
