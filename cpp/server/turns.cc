// SPDX-License-Identifier: Apache-2.0
#include "server/turns.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace thriftscore::server {
namespace {

constexpr std::uint64_t kTurnNs = 200'000;  // the scheduler's own is 0.7 to 3 ms

/** The first version of the kernel's `struct sched_attr`, for which the C library has no header. */
struct SchedulingAttributes {
  std::uint32_t size;
  std::uint32_t policy;
  std::uint64_t flags;
  std::int32_t nice;
  std::uint32_t priority;
  std::uint64_t runtime_ns;  // the length of a turn, in the normal policy
  std::uint64_t deadline_ns;
  std::uint64_t period_ns;
};

}  // namespace

void prefer_short_turns() noexcept {
  SchedulingAttributes attributes{};
  if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0) return;
  attributes.runtime_ns = kTurnNs;
  (void)syscall(SYS_sched_setattr, 0, &attributes, 0);
}

}  // namespace thriftscore::server
