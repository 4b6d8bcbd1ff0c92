// SPDX-License-Identifier: Apache-2.0
// A cursor over bytes from a peer: what both protocol readers share.
#pragma once

#include <bit>
#include <cstring>

#include "wire/status.h"
#include "wire/types.h"

namespace thriftscore::wire {

/// The value of a T that starts at `source`, whose bytes are in `order`.
template <std::endian order, typename T>
T load(const std::byte* source) noexcept {
  static_assert(std::endian::native == std::endian::little, "written for little-endian machines");
  T value;
  std::memcpy(&value, source, sizeof(T));
  if constexpr (order == std::endian::big) {
    if constexpr (sizeof(T) == 2)
      value = static_cast<T>(__builtin_bswap16(static_cast<std::uint16_t>(value)));
    if constexpr (sizeof(T) == 4)
      value = static_cast<T>(__builtin_bswap32(static_cast<std::uint32_t>(value)));
    if constexpr (sizeof(T) == 8)
      value = static_cast<T>(__builtin_bswap64(static_cast<std::uint64_t>(value)));
  }
  return value;
}

/// Reads from a span and never past it. A function that returns false has set status().
///
/// A reader of a *stream* has only the start of a message: kTruncated then means that `missing()`
/// or more bytes have to arrive, and a length is refused only if the message limit forbids it.
class ByteReader {
 public:
  /// All bytes of a message, or of a part of one.
  ByteReader(Bytes bytes, const Limits& limits) noexcept
      : cursor_(bytes.data()),
        end_(bytes.data() + bytes.size()),
        limits_(&limits),
        values_left_(limits.values_max) {}

  /// The bytes of a message so far, of which `may_follow` more are allowed.
  ByteReader(Bytes bytes, std::size_t may_follow, const Limits& limits) noexcept
      : cursor_(bytes.data()),
        end_(bytes.data() + bytes.size()),
        limits_(&limits),
        may_follow_(may_follow),
        values_left_(limits.values_max),
        streaming_(true) {}

  [[nodiscard]] Status status() const noexcept { return status_; }
  [[nodiscard]] std::size_t available() const noexcept {
    return static_cast<std::size_t>(end_ - cursor_);
  }
  [[nodiscard]] const std::byte* position() const noexcept { return cursor_; }
  [[nodiscard]] const Limits& limits() const noexcept { return *limits_; }
  /// After kTruncated: how many bytes were missing at least.
  [[nodiscard]] std::size_t missing() const noexcept { return missing_; }

  bool fail(Status status) noexcept {
    status_ = status;
    return false;
  }

  /// Back to an earlier position().
  void rewind(const std::byte* position) noexcept { cursor_ = position; }

  bool skip_bytes(std::uint64_t count) noexcept {
    if (!need(count)) return false;
    cursor_ += count;
    return true;
  }

  /// Accounts for values that are visited one by one.
  bool spend(std::uint32_t values) noexcept {
    if (values > values_left_) return fail(Status::kTooManyValues);
    values_left_ -= values;
    return true;
  }
  [[nodiscard]] std::uint32_t values_left() const noexcept { return values_left_; }
  void set_values_left(std::uint32_t values) noexcept { values_left_ = values; }

  /// Enters a struct or container of the contract; leave() it after its last byte.
  bool enter() noexcept {
    if (depth_ >= limits_->nesting_max) return fail(Status::kTooDeep);
    ++depth_;
    return true;
  }
  void leave() noexcept { --depth_; }
  [[nodiscard]] std::size_t depth() const noexcept { return depth_; }

 protected:
  bool need(std::uint64_t count) noexcept {
    if (count <= available()) [[likely]]
      return true;
    return fail_short(count);
  }

  /// Refuses `count` elements of `bytes_min` bytes or more where they cannot all be there.
  bool check_count(std::uint32_t count, std::uint64_t bytes_min) noexcept {
    if (count * bytes_min <= available() + may_follow_) [[likely]]
      return true;
    return fail(streaming_ ? Status::kMessageTooLarge : Status::kSizeOutOfRange);
  }

  bool read_byte(std::uint8_t& value) noexcept {
    if (!need(1)) return false;
    value = static_cast<std::uint8_t>(*cursor_++);
    return true;
  }

  template <std::endian order, typename T>
  bool read_fixed(T& value) noexcept {
    if (!need(sizeof(T))) return false;
    value = load<order, T>(cursor_);
    cursor_ += sizeof(T);
    return true;
  }

  bool read_bytes(std::uint32_t count, Bytes& value) noexcept {
    if (!need(count)) return false;
    value = Bytes(cursor_, count);
    cursor_ += count;
    return true;
  }

  /// A method name. A stream does not wait for the bytes of one that will be refused.
  bool read_name(std::uint32_t count, Bytes& value) noexcept {
    if (streaming_ && count > limits_->method_name_bytes_max) return fail(Status::kNameTooLong);
    return read_bytes(count, value);
  }

  /// Skips `count` bytes, none of which may be over `largest`.
  bool skip_bool_bytes(std::uint32_t count, std::byte largest) noexcept {
    if (!need(count)) return false;
    std::byte worst{0};
    for (std::size_t i = 0; i < count; ++i) worst = worst < cursor_[i] ? cursor_[i] : worst;
    if (worst > largest) return fail(Status::kBadBool);
    cursor_ += count;
    return true;
  }

 private:
  bool fail_short(std::uint64_t count) noexcept {
    const std::uint64_t missing = count - available();
    if (streaming_ && missing > may_follow_) return fail(Status::kMessageTooLarge);
    missing_ = static_cast<std::size_t>(missing);
    return fail(Status::kTruncated);
  }

  const std::byte* cursor_;
  const std::byte* end_;
  const Limits* limits_;
  std::size_t may_follow_ = 0;
  std::size_t missing_ = 0;
  std::uint32_t values_left_;
  std::uint32_t depth_ = 0;
  bool streaming_ = false;
  Status status_ = Status::kOk;
};

}  // namespace thriftscore::wire
