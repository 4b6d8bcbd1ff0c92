// SPDX-License-Identifier: Apache-2.0
// Memory for what connections have to keep for a moment, so that they need not allocate it.
#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "server/byte_buffer.h"

namespace thriftscore::server {

/** Of one loop. What does not fit into one of them, or comes when all are lent, is allocated. */
class SpareBuffers {
 public:
  SpareBuffers() : spare_(kCount) {
    for (ByteBuffer& buffer : spare_) buffer.reserve(kBytesEach);
  }

  /** Appends to `buffer` and reserves `room` bytes behind; it is lent memory if it has none. */
  void append(ByteBuffer& buffer, std::span<const std::byte> bytes, std::size_t room = 0) {
    if (bytes.empty()) return;
    const bool fits = bytes.size() + room <= kBytesEach;
    if (buffer.capacity() == 0 && fits && !spare_.empty()) {
      buffer = std::move(spare_.back());
      spare_.pop_back();
      buffer.reserve(kBytesEach);
    }
    buffer.reserve(bytes.size() + room);
    buffer.append(bytes);
  }

  /** Takes the memory of `buffer`, which is no longer needed. */
  void take_back(ByteBuffer& buffer) noexcept {
    buffer.clear(kBytesEach);
    if (buffer.capacity() != 0 && spare_.size() < kCount) {
      spare_.push_back(std::exchange(buffer, {}));
    }
    buffer.clear(0);
  }

 private:
  static constexpr std::size_t kCount = 4;
  static constexpr std::size_t kBytesEach = std::size_t{256} << 10;

  std::vector<ByteBuffer> spare_;
};

}  // namespace thriftscore::server
