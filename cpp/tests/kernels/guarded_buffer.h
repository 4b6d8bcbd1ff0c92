// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <new>
#include <span>
#include <vector>

namespace thriftscore::kernels {

// Values that end `gap` bytes before a page no one may touch, with known bytes on both sides:
// reading past a buffer with gap 0 ends the process, writing past any buffer shows in intact().
template <typename T>
class GuardedBuffer {
 public:
  explicit GuardedBuffer(std::span<const T> values, std::size_t gap = 0)
      : count_(values.size()),
        pages_(values.size_bytes() + gap),
        start_(pages_.end - gap - values.size_bytes()) {
    std::fill(pages_.start, pages_.end, kFill);
    if (!values.empty()) std::memcpy(start_, values.data(), values.size_bytes());
  }
  explicit GuardedBuffer(std::size_t count, std::size_t gap = 0)
      : GuardedBuffer(std::span<const T>(std::vector<T>(count)), gap) {}

  T* data() { return static_cast<T*>(static_cast<void*>(start_)); }

  [[nodiscard]] std::vector<T> values() const {
    std::vector<T> copy(count_);
    if (count_ > 0) std::memcpy(copy.data(), start_, count_ * sizeof(T));
    return copy;
  }

  [[nodiscard]] bool intact() const {
    const auto is_fill = [](unsigned char byte) { return byte == kFill; };
    return std::all_of(pages_.start, start_, is_fill) &&
           std::all_of(start_ + count_ * sizeof(T), pages_.end, is_fill);
  }

 private:
  static constexpr unsigned char kFill = 0xA5;

  // Whole pages [start, end) followed by a page without access.
  struct Pages {
    explicit Pages(std::size_t bytes) {
      const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
      const std::size_t size = (bytes / page + 1) * page;
      void* mapped =
          mmap(nullptr, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (mapped == MAP_FAILED) throw std::bad_alloc();
      start = static_cast<unsigned char*>(mapped);
      end = start + size;
      mapped_size = size + page;
      if (mprotect(end, page, PROT_NONE) != 0) throw std::bad_alloc();
    }
    Pages(const Pages&) = delete;
    Pages& operator=(const Pages&) = delete;
    Pages(Pages&&) = delete;
    Pages& operator=(Pages&&) = delete;
    ~Pages() { munmap(start, mapped_size); }

    unsigned char* start = nullptr;
    unsigned char* end = nullptr;
    std::size_t mapped_size = 0;
  };

  std::size_t count_ = 0;
  Pages pages_;
  unsigned char* start_ = nullptr;
};

}  // namespace thriftscore::kernels
