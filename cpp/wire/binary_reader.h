// SPDX-License-Identifier: Apache-2.0
// Reads the Thrift binary protocol: big-endian, fixed widths, strict message header.
#pragma once

#include <bit>

#include "wire/byte_reader.h"

namespace thriftscore::wire {

class BinaryReader : public ByteReader {
 public:
  static constexpr Protocol kProtocol = Protocol::kBinary;
  static constexpr std::endian kDoubleOrder = std::endian::big;

  using ByteReader::ByteReader;

  /// Bytes of every value of `type`, or 0 where they differ or have to be looked at (bool).
  static constexpr std::uint64_t fixed_size(WireType type) noexcept {
    switch (type) {
      case WireType::kI8:
        return 1;
      case WireType::kI16:
        return 2;
      case WireType::kI32:
        return 4;
      case WireType::kI64:
      case WireType::kDouble:
        return 8;
      case WireType::kUuid:
        return 16;
      default:
        return 0;
    }
  }

  /// Fewest bytes that a value of `type` has as an element.
  static constexpr std::uint64_t size_min(WireType type) noexcept {
    switch (type) {
      case WireType::kString:
        return 4;
      case WireType::kList:
      case WireType::kSet:
        return 5;
      case WireType::kMap:
        return 6;
      case WireType::kBool:
      case WireType::kStruct:
        return 1;
      default:
        return fixed_size(type);
    }
  }

  /// Type, name and sequence id of a message. The type is not checked.
  bool read_message(std::uint8_t& type, Bytes& name, std::int32_t& sequence_id) noexcept {
    std::uint32_t version = 0;
    if (!read_fixed<std::endian::big>(version)) return false;
    if ((version & 0xffff0000U) != 0x80010000U) return fail(Status::kBadVersion);
    type = static_cast<std::uint8_t>(version & 0xffU);
    std::uint32_t name_size = 0;
    return read_size(name_size) && read_name(name_size, name) && read_i32(sequence_id);
  }

  /// `last_id` is for the compact protocol, whose field ids are relative.
  bool read_field(std::int16_t& /*last_id*/, FieldHeader& field) noexcept {
    std::uint8_t type = 0;
    if (!read_byte(type)) return false;
    field.type = static_cast<WireType>(type);
    if (field.type == WireType::kStop) return true;
    if (!is_value_type(field.type)) return fail(Status::kBadType);
    return read_fixed<std::endian::big>(field.id);
  }

  bool read_bool_field(const FieldHeader& /*field*/, bool& value) noexcept {
    return read_bool(value);
  }

  bool read_bool(bool& value) noexcept {
    std::uint8_t byte = 0;
    if (!read_byte(byte)) return false;
    if (byte > 1) return fail(Status::kBadBool);
    value = byte == 1;
    return true;
  }

  bool read_i32(std::int32_t& value) noexcept { return read_fixed<std::endian::big>(value); }
  bool read_i64(std::int64_t& value) noexcept { return read_fixed<std::endian::big>(value); }

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
    std::uint8_t element = 0;
    if (!read_byte(element) || !read_size(list.count)) return false;
    if (list.count == 0) return true;
    list.element = static_cast<WireType>(element);
    if (!is_value_type(list.element)) return fail(Status::kBadType);
    return check_count(list.count, size_min(list.element));
  }

  bool read_map(MapHeader& map) noexcept {
    std::uint8_t key = 0;
    std::uint8_t value = 0;
    if (!read_byte(key) || !read_byte(value) || !read_size(map.count)) return false;
    if (map.count == 0) return true;
    map.key = static_cast<WireType>(key);
    map.value = static_cast<WireType>(value);
    if (!is_value_type(map.key) || !is_value_type(map.value)) return fail(Status::kBadType);
    return check_count(map.count, size_min(map.key) + size_min(map.value));
  }

  bool skip_integer(WireType type) noexcept { return skip_bytes(fixed_size(type)); }
  bool skip_bools(std::uint32_t count) noexcept { return skip_bool_bytes(count, std::byte{1}); }

 private:
  bool read_size(std::uint32_t& size) noexcept {
    if (!read_fixed<std::endian::big>(size)) return false;
    return size <= 0x7fffffffU || fail(Status::kSizeOutOfRange);
  }
};

}  // namespace thriftscore::wire
