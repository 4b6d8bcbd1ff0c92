// SPDX-License-Identifier: Apache-2.0
// Numbers of the Thrift binary protocol: big-endian.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace thriftscore_client {

enum class FieldType : std::uint8_t { kStop = 0, kI32 = 8, kI64 = 10, kString = 11, kStruct = 12 };

constexpr std::uint32_t kBinaryVersion = 0x8001'0000U;
constexpr std::uint32_t kCall = 1;
constexpr std::uint32_t kReply = 2;

/// The number at `from`.
template <typename Number>
Number load(const char* from) noexcept {
  std::make_unsigned_t<Number> value = 0;
  for (std::size_t index = 0; index < sizeof(Number); ++index) {
    value = static_cast<std::make_unsigned_t<Number>>(value << 8U |
                                                      static_cast<unsigned char>(from[index]));
  }
  return static_cast<Number>(value);
}

/// Writes a number to `to`.
template <typename Number>
void store(char* to, Number number) noexcept {
  auto value = static_cast<std::make_unsigned_t<Number>>(number);
  for (std::size_t index = sizeof(Number); index-- > 0;) {
    to[index] = static_cast<char>(value & 0xffU);
    value = static_cast<std::make_unsigned_t<Number>>(value >> 7U >> 1U);
  }
}

}  // namespace thriftscore_client
