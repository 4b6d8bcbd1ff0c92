// SPDX-License-Identifier: Apache-2.0
#include "tests/server/counted_memory.h"

#include <malloc.h>

#include <atomic>
#include <cerrno>
#include <cstddef>

namespace thriftscore::testing {
namespace {

std::atomic<std::size_t> count{0};
thread_local bool left_out = false;

void count_one() noexcept {
  if (!left_out) count.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

std::size_t allocations() noexcept { return count.load(); }
void leave_out_this_thread() noexcept { left_out = true; }

std::size_t allocated_bytes() noexcept { return ::mallinfo2().uordblks + ::mallinfo2().hblkhd; }

}  // namespace thriftscore::testing

// Takes the place of the C library's functions in this program; its free() fits all of them.
extern "C" {

void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* memory, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

void* malloc(std::size_t size) {
  thriftscore::testing::count_one();
  return __libc_malloc(size);
}

void* calloc(std::size_t count, std::size_t size) {
  thriftscore::testing::count_one();
  return __libc_calloc(count, size);
}

void* realloc(void* memory, std::size_t size) {
  thriftscore::testing::count_one();
  return __libc_realloc(memory, size);
}

void* aligned_alloc(std::size_t alignment, std::size_t size) {
  thriftscore::testing::count_one();
  return __libc_memalign(alignment, size);
}

void* memalign(std::size_t alignment, std::size_t size) {
  thriftscore::testing::count_one();
  return __libc_memalign(alignment, size);
}

int posix_memalign(void** memory, std::size_t alignment, std::size_t size) {
  thriftscore::testing::count_one();
  *memory = __libc_memalign(alignment, size);
  return *memory == nullptr ? ENOMEM : 0;
}

}  // extern "C"
