// SPDX-License-Identifier: Apache-2.0
#include "frames.h"

#include <cstring>
#include <utility>

#include "binary.h"

namespace thriftscore_client {
namespace {

constexpr std::size_t kStartBytes = 65'536;
constexpr std::size_t kLengthBytes = 4;

}  // namespace

FrameSplitter::FrameSplitter(std::size_t frame_bytes_max)
    : frame_bytes_max_(frame_bytes_max),
      start_(std::make_unique_for_overwrite<char[]>(kStartBytes)) {}

std::span<char> FrameSplitter::space() noexcept {
  if (large_.data) return {large_.data.get() + large_filled_, large_.size - large_filled_};
  return {start_.get() + end_, kStartBytes - end_};
}

void FrameSplitter::filled(std::size_t count) noexcept {
  (large_.data ? large_filled_ : end_) += count;
}

FrameSplitter::Found FrameSplitter::next(Frame& frame) {
  if (large_.data) return next_large(frame);
  if (end_ - begin_ < kLengthBytes) {
    keep_rest();
    return Found::kNothing;
  }
  const auto length = load<std::int32_t>(start_.get() + begin_);
  if (length <= 0 || static_cast<std::size_t>(length) > frame_bytes_max_) {
    bad_length_ = length;
    return Found::kBadLength;
  }
  const auto size = static_cast<std::size_t>(length);
  if (end_ - begin_ < kLengthBytes + size) {
    if (kLengthBytes + size > kStartBytes) {
      begin_large(size);
    } else {
      keep_rest();
    }
    return Found::kNothing;
  }
  frame = {std::make_unique_for_overwrite<char[]>(size), size};
  std::memcpy(frame.data.get(), start_.get() + begin_ + kLengthBytes, size);
  begin_ += kLengthBytes + size;
  return Found::kFrame;
}

FrameSplitter::Found FrameSplitter::next_large(Frame& frame) noexcept {
  if (large_filled_ < large_.size) return Found::kNothing;
  frame = std::exchange(large_, {});
  return Found::kFrame;
}

void FrameSplitter::begin_large(std::size_t length) {
  large_ = {std::make_unique_for_overwrite<char[]>(length), length};
  large_filled_ = end_ - begin_ - kLengthBytes;
  std::memcpy(large_.data.get(), start_.get() + begin_ + kLengthBytes, large_filled_);
  begin_ = end_ = 0;
}

void FrameSplitter::keep_rest() noexcept {
  if (begin_ == 0) return;
  std::memmove(start_.get(), start_.get() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
}

}  // namespace thriftscore_client
