// SPDX-License-Identifier: Apache-2.0
#include "wire/skip.h"

#include "wire/binary_reader.h"
#include "wire/compact_reader.h"

namespace thriftscore::wire {
namespace {

/// Whether one more struct or container may open.
template <typename Reader>
bool check_depth(Reader& reader, const SkipState& state) noexcept {
  const std::size_t open = reader.depth() + state.depth;
  return open < reader.limits().nesting_max || reader.fail(Status::kTooDeep);
}

bool push(SkipState& state, const SkipState::Level& level) noexcept {
  state.levels[state.depth++] = level;
  return true;
}

/// Elements that need no visit are skipped at once; others become a level.
template <typename Reader>
bool begin_list(Reader& reader, SkipState& state) noexcept {
  ListHeader list;
  if (!check_depth(reader, state) || !reader.read_list(list)) return false;
  if (list.count == 0) return true;
  if (list.element == WireType::kBool) return reader.skip_bools(list.count);
  const std::uint64_t size = Reader::fixed_size(list.element);
  if (size != 0) return reader.skip_bytes(list.count * size);
  if (!is_integer(list.element) && !reader.spend(list.count)) return false;
  return push(state, {list.count, 0, list.element, list.element});
}

template <typename Reader>
bool begin_map(Reader& reader, SkipState& state) noexcept {
  MapHeader map;
  if (!check_depth(reader, state) || !reader.read_map(map)) return false;
  if (map.count == 0) return true;
  const std::uint64_t key_size = Reader::fixed_size(map.key);
  const std::uint64_t value_size = Reader::fixed_size(map.value);
  if (key_size != 0 && value_size != 0) {
    return reader.skip_bytes(map.count * (key_size + value_size));
  }
  return reader.spend(map.count) && push(state, {2 * map.count, 0, map.key, map.value});
}

/// Skips a value, or begins it where it contains others.
template <typename Reader>
bool begin_value(Reader& reader, SkipState& state, WireType type) noexcept {
  Bytes ignored;
  bool ignored_bool = false;
  switch (type) {
    case WireType::kBool:
      return reader.read_bool(ignored_bool);
    case WireType::kI8:
    case WireType::kI16:
    case WireType::kI32:
    case WireType::kI64:
      return reader.skip_integer(type);
    case WireType::kDouble:
    case WireType::kUuid:
      return reader.skip_bytes(Reader::fixed_size(type));
    case WireType::kString:
      return reader.read_binary(ignored);
    case WireType::kStruct:
      return begin_struct(reader, state);
    case WireType::kList:
    case WireType::kSet:
      return begin_list(reader, state);
    case WireType::kMap:
      return begin_map(reader, state);
    case WireType::kStop:
      break;
  }
  return reader.fail(Status::kBadType);
}

/// Begins the value of a field; a compact bool has ended with its header.
template <typename Reader>
bool begin_field(Reader& reader, SkipState& state, const FieldHeader& field) noexcept {
  if (field.type == WireType::kBool) {
    bool ignored = false;
    return reader.read_bool_field(field, ignored);
  }
  return begin_value(reader, state, field.type);
}

/// After a failure: back to the last byte that was dealt with, for a stream to go on from.
template <typename Reader>
bool retreat(Reader& reader, const std::byte* position) noexcept {
  if (reader.status() == Status::kTruncated) reader.rewind(position);
  return false;
}

/// One field of a struct, as far as a step goes. Nothing changes unless the step succeeds.
template <typename Reader>
bool step_struct(Reader& reader, SkipState& state, SkipState::Level& level) noexcept {
  const std::byte* const before = reader.position();
  FieldHeader field;
  std::int16_t last_id = level.last_id;
  if (!reader.read_field(last_id, field)) return retreat(reader, before);
  if (field.type == WireType::kStop) {
    --state.depth;
    return true;
  }
  if (!begin_field(reader, state, field)) return retreat(reader, before);
  level.last_id = last_id;
  return reader.spend(1);
}

/// All elements of a list of integers.
template <typename Reader>
bool step_integers(Reader& reader, SkipState::Level& level) noexcept {
  for (; level.remaining != 0; --level.remaining) {
    const std::byte* const before = reader.position();
    if (!reader.skip_integer(level.value)) return retreat(reader, before);
  }
  return true;
}

/// One element of a container, in the same way. Maps have an even number left before a key.
template <typename Reader>
bool step_container(Reader& reader, SkipState& state, SkipState::Level& level) noexcept {
  if (level.remaining == 0) {
    --state.depth;
    return true;
  }
  const std::byte* const before = reader.position();
  const WireType type = level.remaining % 2 == 0 ? level.key : level.value;
  if (level.key == level.value && is_integer(type)) return step_integers(reader, level);
  if (!begin_value(reader, state, type)) return retreat(reader, before);
  --level.remaining;
  return true;
}

}  // namespace

template <typename Reader>
bool begin_struct(Reader& reader, SkipState& state) noexcept {
  return check_depth(reader, state) && push(state, {0, 0, WireType::kStop, WireType::kStop});
}

template <typename Reader>
bool resume_skip(Reader& reader, SkipState& state) noexcept {
  while (state.depth != 0) {
    SkipState::Level& level = state.levels[state.depth - 1];
    const bool is_struct = level.key == WireType::kStop;
    if (!(is_struct ? step_struct(reader, state, level) : step_container(reader, state, level))) {
      return false;
    }
  }
  return true;
}

template <typename Reader>
bool skip_field(Reader& reader, const FieldHeader& field) noexcept {
  SkipState state;
  return begin_field(reader, state, field) && resume_skip(reader, state);
}

template bool begin_struct(BinaryReader&, SkipState&) noexcept;
template bool begin_struct(CompactReader&, SkipState&) noexcept;
template bool resume_skip(BinaryReader&, SkipState&) noexcept;
template bool resume_skip(CompactReader&, SkipState&) noexcept;
template bool skip_field(BinaryReader&, const FieldHeader&) noexcept;
template bool skip_field(CompactReader&, const FieldHeader&) noexcept;

}  // namespace thriftscore::wire
