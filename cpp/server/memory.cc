// SPDX-License-Identifier: Apache-2.0
#include "server/memory.h"

#if defined(__linux__)
#include <malloc.h>
#endif

namespace thriftscore::server {

void keep_freed_memory() noexcept {
#if defined(__GLIBC__)
  mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the most that glibc takes
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
#endif
}

}  // namespace thriftscore::server
