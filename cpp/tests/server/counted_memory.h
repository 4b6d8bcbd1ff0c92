// SPDX-License-Identifier: Apache-2.0
// Counts what other threads allocate, by whatever means.
#pragma once

#include <cstddef>

namespace thriftscore::testing {

/// Allocations since the program started, but for those of threads that are left out.
std::size_t allocations() noexcept;
/// Leaves out the calling thread from now on.
void leave_out_this_thread() noexcept;
/// Bytes that are allocated now, by all threads.
std::size_t allocated_bytes() noexcept;

}  // namespace thriftscore::testing
