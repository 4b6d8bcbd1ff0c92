// SPDX-License-Identifier: Apache-2.0
// Bytes over a connected socket, within deadlines, with as few system calls as can be.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <span>

namespace thriftscore_client {

using Clock = std::chrono::steady_clock;
using Deadline = Clock::time_point;

/// A socket that this object owns. One thread at a time may send, and one may receive.
class Socket {
 public:
  /// Takes over a connected, blocking socket.
  explicit Socket(int descriptor) noexcept : descriptor_(descriptor) {}
  ~Socket() { close(); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  /// Sends both parts, one after the other. Returns 0 or the error's number, ETIMEDOUT of those.
  int send(std::span<const char> head, std::span<const char> payload, Deadline deadline) noexcept;

  /// Sends what there is room for. Returns how much, or the negative of an error's number.
  std::ptrdiff_t send_now(std::span<const char> bytes) const noexcept;

  /// Waits for bytes. Returns how many came, 0 = the peer sends no more; below 0 it is the negative
  /// of an error's number: of ETIMEDOUT, and of EINTR after a signal, where one may call again.
  std::ptrdiff_t receive(std::span<char> space, Deadline deadline) noexcept;

  /// True where nothing is there to be received and the peer has not gone.
  bool is_quiet() const noexcept;

  /// Ends the connection and wakes who waits at it.
  void shut_down() const noexcept;

  /// Gives the socket back to the system. Nobody may be at it: its number is used again.
  void close() noexcept;

 private:
  int wait(short event, Deadline deadline) const noexcept;
  void limit_receive(std::chrono::microseconds left) noexcept;

  std::atomic<int> descriptor_;
  std::chrono::microseconds receive_limit_{0};  // what the kernel was told; 0 = nothing yet
};

}  // namespace thriftscore_client
