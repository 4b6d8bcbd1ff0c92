// SPDX-License-Identifier: Apache-2.0
// The memory of a process that is a server and nothing else.
#pragma once

namespace thriftscore::server {

/**
 * Has the allocator keep large blocks that are freed, within 64 MiB, for the next large message.
 * It would give them back to the system at once, which then has to clear each page again: half of
 * the time that a message of a megabyte takes. For the whole process; other C libraries than
 * glibc take no notice. Call it before threads allocate.
 */
void keep_freed_memory() noexcept;

}  // namespace thriftscore::server
