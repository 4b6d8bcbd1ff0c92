// SPDX-License-Identifier: Apache-2.0
// Cuts a stream into frames: a length of four bytes, then as many bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace thriftscore_client {

/// One frame's content, on the heap.
struct Frame {
  std::unique_ptr<char[]> data;
  std::size_t size = 0;

  std::span<const char> bytes() const noexcept { return {data.get(), size}; }
};

/// Read the stream into `space()`, say how much with `filled`, take frames with `next`.
class FrameSplitter {
 public:
  enum class Found { kFrame, kNothing, kBadLength };

  explicit FrameSplitter(std::size_t frame_bytes_max);

  /// Where the next bytes of the stream belong; never empty once `next` has found nothing.
  std::span<char> space() noexcept;
  /// So many bytes came.
  void filled(std::size_t count) noexcept;
  /// The next whole frame, if there is one.
  Found next(Frame& frame);
  /// The length that was bad.
  std::int32_t bad_length() const noexcept { return bad_length_; }

 private:
  Found next_large(Frame& frame) noexcept;
  void begin_large(std::size_t length);
  void keep_rest() noexcept;

  std::size_t frame_bytes_max_;
  std::unique_ptr<char[]> start_;
  std::size_t begin_ = 0;  // of what is in `start_`
  std::size_t end_ = 0;
  Frame large_;  // one that does not fit in `start_`, on its way
  std::size_t large_filled_ = 0;
  std::int32_t bad_length_ = 0;
};

}  // namespace thriftscore_client
