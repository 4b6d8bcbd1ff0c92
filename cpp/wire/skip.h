// SPDX-License-Identifier: Apache-2.0
// Skips values of any type and nesting without recursion, in one go or as the bytes arrive.
#pragma once

#include <array>

#include "wire/types.h"

namespace thriftscore::wire {

/// Where a skip stands: the structs and containers that have begun and not ended.
/// Left uninitialised on purpose beyond `depth`: one is made for each skipped value.
struct SkipState {
  struct Level {
    std::uint32_t remaining;  ///< values still to come; a map counts its keys and values
    std::int16_t last_id;     ///< of a struct: the last field
    WireType key;             ///< kStop for a struct
    WireType value;           ///< lists have key == value
  };

  std::array<Level, kNestingCapacity> levels;
  std::size_t depth = 0;

  // NOLINTNEXTLINE: `= default` or an initialiser would write all of `levels`
  SkipState() noexcept {}
};

/// Goes on with what `state` has begun until nothing is open. False with kTruncated means that a
/// stream has to deliver more: the reader is then back at the first byte that was not dealt with,
/// and a new reader from there can go on with the same state.
template <typename Reader>
bool resume_skip(Reader& reader, SkipState& state) noexcept;

/// Starts a struct: resume_skip() then skips its fields.
template <typename Reader>
bool begin_struct(Reader& reader, SkipState& state) noexcept;

/// Skips the rest of a field whose header has been read.
template <typename Reader>
bool skip_field(Reader& reader, const FieldHeader& field) noexcept;

}  // namespace thriftscore::wire
