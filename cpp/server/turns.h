// SPDX-License-Identifier: Apache-2.0
// How the system's scheduler shares a processor between the server's threads.
#pragma once

namespace thriftscore::server {

/**
 * Asks for many short turns rather than few long ones for the calling thread, at the same share of
 * the processor. A thread that wakes then need not wait until the turn of one with longer turns is
 * over: requests are answered while versions are loaded and other programs compute. Linux 6.12 and
 * newer do so; older ones change nothing.
 */
void prefer_short_turns() noexcept;

}  // namespace thriftscore::server
