// SPDX-License-Identifier: Apache-2.0
// Reads values of the contract from either protocol's reader. Internal to the codec.
#pragma once

#include <optional>
#include <type_traits>
#include <utility>

#include "wire/messages.h"
#include "wire/skip.h"
#include "wire/text.h"

namespace thriftscore::wire {

template <typename T>
inline constexpr WireType wire_type_of = HasSchema<T> ? WireType::kStruct : WireType::kStop;
template <>
inline constexpr WireType wire_type_of<bool> = WireType::kBool;
template <>
inline constexpr WireType wire_type_of<std::int32_t> = WireType::kI32;
template <>
inline constexpr WireType wire_type_of<DataType> = WireType::kI32;
template <>
inline constexpr WireType wire_type_of<std::int64_t> = WireType::kI64;
template <>
inline constexpr WireType wire_type_of<double> = WireType::kDouble;
template <>
inline constexpr WireType wire_type_of<std::string_view> = WireType::kString;
template <>
inline constexpr WireType wire_type_of<Bytes> = WireType::kString;
template <>
inline constexpr WireType wire_type_of<Shape> = WireType::kList;
template <typename T>
inline constexpr WireType wire_type_of<ListView<T>> = WireType::kList;
template <typename K, typename V>
inline constexpr WireType wire_type_of<MapView<K, V>> = WireType::kMap;
template <typename T>
inline constexpr WireType wire_type_of<std::optional<T>> = wire_type_of<T>;

template <typename Reader>
bool read_value(Reader& reader, bool& value) noexcept {
  return reader.read_bool(value);
}

template <typename Reader>
bool read_value(Reader& reader, std::int32_t& value) noexcept {
  return reader.read_i32(value);
}

template <typename Reader>
bool read_value(Reader& reader, std::int64_t& value) noexcept {
  return reader.read_i64(value);
}

template <typename Reader>
bool read_value(Reader& reader, double& value) noexcept {
  return reader.read_double(value);
}

template <typename Reader>
bool read_value(Reader& reader, DataType& value) noexcept {
  std::int32_t number = 0;
  if (!reader.read_i32(number)) return false;
  value = static_cast<DataType>(number);
  return true;
}

template <typename Reader>
bool read_value(Reader& reader, Bytes& value) noexcept {
  return reader.read_binary(value);
}

template <typename Reader>
bool read_value(Reader& reader, std::string_view& value) noexcept {
  Bytes bytes;
  if (!reader.read_binary(bytes)) return false;
  value = as_text(bytes);
  return is_utf8(bytes) || reader.fail(Status::kInvalidUtf8);
}

template <typename Reader, HasSchema T>
bool read_value(Reader& reader, T& value) noexcept {
  return read_struct(reader, value);
}

/// How many elements of T one list may have.
template <typename T>
constexpr std::uint32_t count_max(const Limits& limits) noexcept {
  constexpr bool kIsTensor = std::is_same_v<T, Tensor> || std::is_same_v<T, InferRequestedOutput>;
  return kIsTensor ? limits.tensors_max : 0x7fffffffU;
}

/// Checks all elements. Those of a fixed size need no look.
template <typename T, typename Reader>
bool check_elements(Reader& reader, std::uint32_t count) noexcept {
  constexpr WireType type = wire_type_of<T>;
  constexpr std::uint64_t size = Reader::fixed_size(type);
  if constexpr (type == WireType::kBool) return reader.skip_bools(count);
  if constexpr (size != 0) return reader.skip_bytes(count * size);
  if (!is_integer(type) && !reader.spend(count)) return false;
  T ignored{};
  for (std::uint32_t i = 0; i < count; ++i) {
    if (!read_value(reader, ignored)) return false;
  }
  return true;
}

template <typename Reader, typename T>
bool read_value(Reader& reader, ListView<T>& value) noexcept {
  ListHeader list;
  if (!reader.enter() || !reader.read_list(list)) return false;
  if (list.count != 0 && list.element != wire_type_of<T>) return reader.fail(Status::kElementType);
  if (list.count > count_max<T>(reader.limits())) return reader.fail(Status::kTooManyElements);
  const std::byte* const first = reader.position();
  if (!check_elements<T>(reader, list.count)) return false;
  reader.leave();
  value = ListView<T>({Reader::kProtocol, list.count, Bytes(first, reader.position())});
  return true;
}

template <typename Reader>
bool read_value(Reader& reader, Shape& value) noexcept {
  ListView<std::int64_t> list;
  if (!read_value(reader, list)) return false;
  if (list.size() > reader.limits().tensor_rank_max) return reader.fail(Status::kTooManyElements);
  value.rank = 0;
  for (const std::int64_t extent : list) value.extents[value.rank++] = extent;
  return true;
}

template <typename Reader, typename K, typename V>
bool read_value(Reader& reader, MapView<K, V>& value) noexcept {
  MapHeader map;
  if (!reader.enter() || !reader.read_map(map)) return false;
  const bool expected = map.key == wire_type_of<K> && map.value == wire_type_of<V>;
  if (map.count != 0 && !expected) return reader.fail(Status::kElementType);
  if (!reader.spend(map.count)) return false;
  const std::byte* const first = reader.position();
  for (std::uint32_t i = 0; i < map.count; ++i) {
    std::pair<K, V> ignored;
    if (!read_value(reader, ignored.first) || !read_value(reader, ignored.second)) return false;
  }
  reader.leave();
  value = MapView<K, V>({Reader::kProtocol, map.count, Bytes(first, reader.position())});
  return true;
}

/// The value of a field of the right type, in place of what an earlier one left.
template <typename Reader, typename T>
bool read_field_value(Reader& reader, const FieldHeader& field, T& value) noexcept {
  if constexpr (std::is_same_v<T, bool>) {
    return reader.read_bool_field(field, value);
  } else {
    if constexpr (HasSchema<T>) value = T{};
    return read_value(reader, value);
  }
}

template <typename Reader, typename T>
bool read_field_value(Reader& reader, const FieldHeader& field, std::optional<T>& value) noexcept {
  return read_field_value(reader, field, value.emplace());
}

/// By a copy: a reader whose address is known elsewhere cannot stay in registers.
template <typename Reader>
bool skip_unknown(Reader& reader, const FieldHeader& field) noexcept {
  Reader copy = reader;
  const bool skipped = skip_field(copy, field);
  reader = copy;
  return skipped;
}

template <typename Reader, HasSchema T>
bool read_struct(Reader& reader, T& value) noexcept {
  if (!reader.enter()) return false;
  std::int16_t last_id = 0;
  for (;;) {
    FieldHeader header;
    if (!reader.read_field(last_id, header)) return false;
    if (header.type == WireType::kStop) break;
    bool read = false;
    const bool known = any_field<T>([&](const auto& field) {
      auto& member = value.*field.member;
      if (header.id != field.id) return false;
      if (header.type != wire_type_of<std::remove_reference_t<decltype(member)>>) return false;
      read = read_field_value(reader, header, member);
      return true;
    });
    if (!known) read = skip_unknown(reader, header);
    if (!read || !reader.spend(1)) return false;
  }
  reader.leave();
  return true;
}

}  // namespace thriftscore::wire
