// SPDX-License-Identifier: Apache-2.0
// Writes values of the contract with either protocol's writer. Internal to the codec.
#pragma once

#include <type_traits>

#include "wire/doubles.h"
#include "wire/replies.h"
#include "wire/text.h"

namespace thriftscore::wire {

/// The wire type that a member of a reply is written with.
template <typename T>
constexpr WireType written_type() noexcept {
  if constexpr (std::is_same_v<T, bool>) return WireType::kBool;
  if constexpr (std::is_enum_v<T> || std::is_same_v<T, std::int32_t>) return WireType::kI32;
  if constexpr (std::is_same_v<T, std::int64_t>) return WireType::kI64;
  if constexpr (std::is_same_v<T, double>) return WireType::kDouble;
  if constexpr (std::is_same_v<T, std::string_view> || std::is_same_v<T, Room>) {
    return WireType::kString;
  }
  if constexpr (HasSchema<T>) return WireType::kStruct;
  return WireType::kList;
}

template <typename Writer>
void write_value(Writer& writer, std::int32_t value) noexcept {
  writer.write_i32(value);
}

template <typename Writer>
void write_value(Writer& writer, std::int64_t value) noexcept {
  writer.write_i64(value);
}

template <typename Writer, typename T>
requires std::is_enum_v<T>
void write_value(Writer& writer, T value) noexcept {
  writer.write_i32(static_cast<std::int32_t>(value));
}

template <typename Writer>
void write_value(Writer& writer, std::string_view value) noexcept {
  writer.write_binary(as_bytes(value));
}

template <typename Writer>
void write_value(Writer& writer, Room& room) noexcept {
  writer.write_size(room.size);
  room.data = writer.reserve(room.size);
}

template <typename Writer>
void write_value(Writer& writer, DoublesRoom& room) noexcept {
  writer.write_list(WireType::kDouble, room.count);
  room.data = writer.reserve(room.count * kDoubleBytes);
}

template <typename Writer, HasSchema T>
void write_value(Writer& writer, T& value) noexcept {
  write_struct(writer, value);
}

template <typename Writer, typename T>
void write_value(Writer& writer, std::span<T> values) noexcept {
  writer.write_list(written_type<std::remove_const_t<T>>(), values.size());
  for (T& value : values) write_value(writer, value);
}

template <typename Writer, typename T>
void write_field(Writer& writer, std::int16_t& last_id, std::int16_t id, T& value) noexcept {
  if constexpr (std::is_same_v<T, bool>) {
    writer.write_bool_field(last_id, id, value);
  } else {
    writer.write_field(last_id, id, written_type<T>());
    write_value(writer, value);
  }
}

template <typename Writer, typename T>
void write_field(Writer& writer, std::int16_t& last_id, std::int16_t id,
                 std::optional<T>& value) noexcept {
  if (value) write_field(writer, last_id, id, *value);
}

template <typename Writer, HasSchema T>
void write_struct(Writer& writer, T& value) noexcept {
  std::int16_t last_id = 0;
  any_field<T>([&](const auto& field) {
    write_field(writer, last_id, field.id, value.*field.member);
    return false;
  });
  writer.write_stop();
}

}  // namespace thriftscore::wire
