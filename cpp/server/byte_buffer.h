// SPDX-License-Identifier: Apache-2.0
// Bytes that are written once, in order, without being set to zero first.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <utility>

namespace thriftscore::server {

/** Bytes enter behind and leave in front. What is moved from is empty. */
class ByteBuffer {
 public:
  ByteBuffer() = default;
  ByteBuffer(ByteBuffer&& other) noexcept { swap(other); }
  ByteBuffer& operator=(ByteBuffer&& other) noexcept {
    ByteBuffer taken(std::move(other));
    swap(taken);
    return *this;
  }

  /** At least `bytes` bytes behind what is committed. Earlier addresses may become invalid. */
  std::span<std::byte> reserve(std::size_t bytes) {
    if (capacity_ - end_ < bytes) make_room(bytes);
    return {data_.get() + end_, capacity_ - end_};
  }

  /** Makes the first `bytes` of the reserved bytes part of the content. */
  void commit(std::size_t bytes) noexcept { end_ += bytes; }

  void append(std::span<const std::byte> bytes) {
    if (bytes.empty()) return;
    std::memcpy(reserve(bytes.size()).data(), bytes.data(), bytes.size());
    commit(bytes.size());
  }

  /** Removes the first `bytes` bytes, in constant time; the others stay where they are. */
  void drop_front(std::size_t bytes) noexcept {
    begin_ += bytes;
    if (begin_ == end_) begin_ = end_ = 0;
  }

  std::span<const std::byte> bytes() const noexcept { return {data_.get() + begin_, size()}; }
  std::size_t size() const noexcept { return end_ - begin_; }
  bool empty() const noexcept { return begin_ == end_; }
  std::size_t capacity() const noexcept { return capacity_; }

  /** Empties the buffer; memory beyond `kept_bytes_max` is given back. */
  void clear(std::size_t kept_bytes_max) noexcept {
    begin_ = end_ = 0;
    if (capacity_ > kept_bytes_max) *this = ByteBuffer();
  }

 private:
  void swap(ByteBuffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(begin_, other.begin_);
    std::swap(end_, other.end_);
    std::swap(capacity_, other.capacity_);
  }

  // Moves no more bytes than were dropped or will be written, so that each byte costs a constant.
  void make_room(std::size_t bytes) {
    const std::size_t held = size();
    if (begin_ >= held && capacity_ - held >= bytes) {
      if (held != 0) std::memcpy(data_.get(), data_.get() + begin_, held);
    } else {
      const std::size_t capacity = std::max(held + bytes, held * 2);
      auto data = std::make_unique_for_overwrite<std::byte[]>(capacity);
      if (held != 0) std::memcpy(data.get(), data_.get() + begin_, held);
      data_ = std::move(data);
      capacity_ = capacity;
    }
    begin_ = 0;
    end_ = held;
  }

  std::unique_ptr<std::byte[]> data_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace thriftscore::server
