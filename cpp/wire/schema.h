// SPDX-License-Identifier: Apache-2.0
// Says which fields a struct has on the wire; read_struct() and write_struct() follow it.
#pragma once

#include <cstdint>
#include <string_view>
#include <tuple>

namespace thriftscore::wire {

/// Field `id` of Struct, kept in `member`. The member's type decides the wire type:
///
///   bool, std::int32_t, an enum, std::int64_t, double     the base type; an enum is an i32
///   std::string_view / Bytes                              text, checked to be UTF-8 / binary
///   a struct with a Schema                                a struct
///   ListView, MapView, Shape                              list, map, list<i64>
///   std::optional of these                                a field that may be absent
template <typename Struct, typename Member>
struct Field {
  constexpr Field(std::int16_t field_id, std::string_view field_name,
                  Member Struct::*field_member) noexcept
      : id(field_id), name(field_name), member(field_member) {}

  std::int16_t id;
  std::string_view name;
  Member Struct::*member;
};

/// Specialised for each struct with `static constexpr std::tuple fields{Field{...}, ...};`.
/// A new field of the contract is a member of the struct and one line here.
template <typename Struct>
struct Schema;

template <typename T>
concept HasSchema = requires {
  Schema<T>::fields;
};

/// Calls `visit` with each Field of Struct, until one returns true; true if one did.
template <typename Struct, typename Visit>
constexpr bool any_field(Visit visit) {
  return std::apply([&](const auto&... field) { return (visit(field) || ...); },
                    Schema<Struct>::fields);
}

}  // namespace thriftscore::wire
