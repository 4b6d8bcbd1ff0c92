// SPDX-License-Identifier: Apache-2.0
// The vocabulary of the wire: protocols, transports, type codes, limits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace thriftscore::wire {

/// Bytes that belong to somebody else, usually to a connection's read buffer.
using Bytes = std::span<const std::byte>;

enum class Protocol : std::uint8_t { kBinary, kCompact };

/// How one message is delimited. Replies go out as the request came in.
enum class Transport : std::uint8_t {
  kFramed,    ///< a 4-byte length, then the message
  kUnframed,  ///< the message alone; it ends where its argument struct ends
  kHeader,    ///< THeader: a frame with a header section before the message
};

/// Message types of every Thrift protocol.
enum class MessageType : std::uint8_t { kCall = 1, kReply = 2, kException = 3, kOneway = 4 };

/// Type codes of the binary protocol; the compact codec translates its own into these.
enum class WireType : std::uint8_t {
  kStop = 0,
  kBool = 2,
  kI8 = 3,
  kDouble = 4,
  kI16 = 6,
  kI32 = 8,
  kI64 = 10,
  kString = 11,
  kStruct = 12,
  kMap = 13,
  kSet = 14,
  kList = 15,
  kUuid = 16,
};

/// True for the types that a value can have (kStop is not one).
constexpr bool is_value_type(WireType type) noexcept {
  constexpr std::uint32_t kValueTypes = 0b1'1111'1101'0101'1100;
  const auto code = static_cast<std::uint32_t>(type);
  return code < 17 && ((kValueTypes >> code) & 1U) != 0;
}

constexpr bool is_integer(WireType type) noexcept {
  return type == WireType::kI8 || type == WireType::kI16 || type == WireType::kI32 ||
         type == WireType::kI64;
}

/// The start of a field. A kStop type ends the struct; `id` is then 0.
struct FieldHeader {
  WireType type = WireType::kStop;
  std::int16_t id = 0;
  bool bool_value = false;  ///< compact only: the value of a bool field is in its header
};

/// The start of a list or set. `element` is meaningless where `count` is 0.
struct ListHeader {
  WireType element = WireType::kStop;
  std::uint32_t count = 0;
};

/// The start of a map. The types are meaningless where `count` is 0.
struct MapHeader {
  WireType key = WireType::kStop;
  WireType value = WireType::kStop;
  std::uint32_t count = 0;
};

/// Deepest nesting that can be configured; the size of the skip stack.
inline constexpr std::size_t kNestingCapacity = 64;
/// Highest tensor rank that can be configured; the size of Shape.
inline constexpr std::size_t kRankCapacity = 16;
/// Most key-value pairs in the header section of a THeader frame.
inline constexpr std::size_t kInfoPairsMax = 128;

/// What a peer may send. Everything is checked before it costs memory or time.
struct Limits {
  /// Largest frame, without its 4-byte length, in bytes.
  std::uint32_t frame_bytes_max = 16'384'000;
  /// Largest unframed message, in bytes.
  std::uint32_t message_bytes_max = 100U << 20U;
  /// Longest method name, with the service prefix of a multiplexed call, in bytes.
  std::uint32_t method_name_bytes_max = 128;
  /// Structs, lists, sets and maps inside one another, the argument struct included; at most
  /// kNestingCapacity.
  std::uint32_t nesting_max = kNestingCapacity;
  /// Tensors, or requested outputs, in one request.
  std::uint32_t tensors_max = 256;
  /// Dimensions of a tensor; at most kRankCapacity.
  std::uint32_t tensor_rank_max = kRankCapacity;
  /// Values of a message that have to be visited one by one: fields, and elements that are
  /// strings, structs or containers. Bounds the time that a legal but absurd message costs.
  std::uint32_t values_max = 1U << 20U;
};

}  // namespace thriftscore::wire
