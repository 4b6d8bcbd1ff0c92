// SPDX-License-Identifier: Apache-2.0
// Bytes that are written once, in order, without being set to zero first.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>

namespace thriftscore::server {

class ByteBuffer {
 public:
  /** At least `bytes` bytes behind what is committed. Earlier addresses may become invalid. */
  std::span<std::byte> reserve(std::size_t bytes) {
    if (capacity_ - size_ < bytes) grow(size_ + bytes);
    return {data_.get() + size_, capacity_ - size_};
  }

  /** Makes the first `bytes` of the reserved bytes part of the content. */
  void commit(std::size_t bytes) noexcept { size_ += bytes; }

  void append(std::span<const std::byte> bytes) {
    const auto room = reserve(bytes.size());
    if (!bytes.empty()) std::memcpy(room.data(), bytes.data(), bytes.size());
    commit(bytes.size());
  }

  std::span<const std::byte> bytes() const noexcept { return {data_.get(), size_}; }
  std::size_t size() const noexcept { return size_; }

  /** Empties the buffer; memory beyond `kept_bytes_max` is given back. */
  void clear(std::size_t kept_bytes_max) noexcept {
    size_ = 0;
    if (capacity_ <= kept_bytes_max) return;
    data_.reset();
    capacity_ = 0;
  }

 private:
  void grow(std::size_t bytes_min) {
    const std::size_t capacity = std::max(bytes_min, capacity_ * 2);
    auto data = std::make_unique_for_overwrite<std::byte[]>(capacity);
    if (size_ != 0) std::memcpy(data.get(), data_.get(), size_);
    data_ = std::move(data);
    capacity_ = capacity;
  }

  std::unique_ptr<std::byte[]> data_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace thriftscore::server
