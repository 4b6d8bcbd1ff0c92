// SPDX-License-Identifier: Apache-2.0
// A cursor over a buffer that is filled: what both protocol writers share.
#pragma once

#include <bit>
#include <cstring>
#include <span>

#include "wire/types.h"

namespace thriftscore::wire {

/// Writes `value` at `target` with its bytes in `order`.
template <std::endian order, typename T>
void store(T value, std::byte* target) noexcept {
  static_assert(std::endian::native == std::endian::little, "written for little-endian machines");
  using Unsigned = std::make_unsigned_t<T>;
  auto bits = static_cast<Unsigned>(value);
  if constexpr (order == std::endian::big && sizeof(T) == 2) bits = __builtin_bswap16(bits);
  if constexpr (order == std::endian::big && sizeof(T) == 4) bits = __builtin_bswap32(bits);
  if constexpr (order == std::endian::big && sizeof(T) == 8) bits = __builtin_bswap64(bits);
  std::memcpy(target, &bits, sizeof(T));
}

/// Writes into a span and never past it. What does not fit is dropped, and fits() turns false.
class ByteWriter {
 public:
  explicit ByteWriter(std::span<std::byte> target) noexcept
      : first_(target.data()), cursor_(target.data()), end_(target.data() + target.size()) {}

  [[nodiscard]] bool fits() const noexcept { return fits_; }
  [[nodiscard]] std::size_t written() const noexcept {
    return static_cast<std::size_t>(cursor_ - first_);
  }

  /// The address of `size` bytes for the caller to fill, or nullptr where they do not fit.
  std::byte* reserve(std::size_t size) noexcept {
    fits_ = fits_ && size <= static_cast<std::size_t>(end_ - cursor_);
    if (!fits_) return nullptr;
    std::byte* const target = cursor_;
    cursor_ += size;
    return target;
  }

  void write_bytes(Bytes bytes) noexcept {
    std::byte* const target = reserve(bytes.size());
    if (target != nullptr && !bytes.empty()) std::memcpy(target, bytes.data(), bytes.size());
  }

  void write_byte(std::uint8_t byte) noexcept {
    if (std::byte* const target = reserve(1)) *target = std::byte{byte};
  }

  template <std::endian order, typename T>
  void write_fixed(T value) noexcept {
    if (std::byte* const target = reserve(sizeof(T))) store<order>(value, target);
  }

 private:
  std::byte* first_;
  std::byte* cursor_;
  std::byte* end_;
  bool fits_ = true;
};

}  // namespace thriftscore::wire
