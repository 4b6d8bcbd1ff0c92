// SPDX-License-Identifier: Apache-2.0
#include "wire/doubles.h"

#include <bit>
#include <cstring>

namespace thriftscore::wire {
namespace {

static_assert(std::endian::native == std::endian::little, "written for little-endian machines");

/// The loops below have no branch and compile to vector shuffles.
void copy_swapped(const std::byte* source, std::size_t count, std::byte* target) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, source + i * kDoubleBytes, kDoubleBytes);
    bits = __builtin_bswap64(bits);
    std::memcpy(target + i * kDoubleBytes, &bits, kDoubleBytes);
  }
}

}  // namespace

void load_doubles(Protocol protocol, const std::byte* source, std::size_t count,
                  double* values) noexcept {
  auto* const target = reinterpret_cast<std::byte*>(values);
  if (protocol == Protocol::kBinary) return copy_swapped(source, count, target);
  if (count != 0) std::memcpy(target, source, count * kDoubleBytes);
}

template <>
void store_doubles(Protocol protocol, const double* values, std::size_t count,
                   std::byte* target) noexcept {
  const auto* const source = reinterpret_cast<const std::byte*>(values);
  if (protocol == Protocol::kBinary) return copy_swapped(source, count, target);
  if (count != 0) std::memmove(target, source, count * kDoubleBytes);
}

template <>
void store_doubles(Protocol protocol, const float* values, std::size_t count,
                   std::byte* target) noexcept {
  const bool swapped = protocol == Protocol::kBinary;
  for (std::size_t i = 0; i < count; ++i) {
    const auto bits = std::bit_cast<std::uint64_t>(static_cast<double>(values[i]));
    const std::uint64_t ordered = swapped ? __builtin_bswap64(bits) : bits;
    std::memcpy(target + i * kDoubleBytes, &ordered, kDoubleBytes);
  }
}

}  // namespace thriftscore::wire
