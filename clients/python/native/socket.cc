// SPDX-License-Identifier: Apache-2.0
#include "socket.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace thriftscore_client {
namespace {

using std::chrono::ceil;
using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr milliseconds kPreciseBelow{200};  // the kernel rounds a socket's own limit
#ifdef MSG_NOSIGNAL
constexpr int kSendFlags = MSG_DONTWAIT | MSG_NOSIGNAL;
#else
constexpr int kSendFlags = MSG_DONTWAIT;  // Python ignores SIGPIPE
#endif

bool would_block(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

iovec vector_of(std::span<const char> bytes) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): sendmsg() only reads
  return {const_cast<char*>(bytes.data()), bytes.size()};
}

void advance(std::span<const char>& head, std::span<const char>& payload, std::size_t sent) {
  const std::size_t of_head = std::min(sent, head.size());
  head = head.subspan(of_head);
  payload = payload.subspan(sent - of_head);
}

}  // namespace

int Socket::send(std::span<const char> head, std::span<const char> payload,
                 Deadline deadline) noexcept {
  while (!head.empty() || !payload.empty()) {
    std::array<iovec, 2> parts{vector_of(head), vector_of(payload)};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = payload.empty() ? 1 : 2;
    const std::ptrdiff_t sent = ::sendmsg(descriptor_, &message, kSendFlags);
    if (sent >= 0) {
      advance(head, payload, static_cast<std::size_t>(sent));
    } else if (would_block(errno)) {
      int error = 0;
      do {
        error = wait(POLLOUT, deadline);
      } while (error == EINTR);
      if (error != 0) return error;
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

std::ptrdiff_t Socket::send_now(std::span<const char> bytes) const noexcept {
  const std::ptrdiff_t sent = ::send(descriptor_, bytes.data(), bytes.size(), kSendFlags);
  if (sent >= 0) return sent;
  return would_block(errno) || errno == EINTR ? 0 : -errno;
}

std::ptrdiff_t Socket::receive(std::span<char> space, Deadline deadline) noexcept {
  while (true) {
    const auto left = ceil<microseconds>(deadline - Clock::now());
    if (left <= kPreciseBelow) {
      if (const int error = wait(POLLIN, deadline); error != 0) return -error;
    } else if (receive_limit_ == microseconds::zero() || receive_limit_ > left + left / 20) {
      limit_receive(left);
    }
    const std::ptrdiff_t count = ::recv(descriptor_, space.data(), space.size(), 0);
    if (count >= 0) return count;
    if (!would_block(errno)) return -errno;
    const auto rest = ceil<microseconds>(deadline - Clock::now());
    if (rest <= microseconds::zero()) return -ETIMEDOUT;
    limit_receive(rest);
  }
}

void Socket::limit_receive(microseconds left) noexcept {
  const auto whole = duration_cast<std::chrono::seconds>(left);
  timeval limit{};
  limit.tv_sec = whole.count();
  limit.tv_usec = static_cast<suseconds_t>((left - whole).count());
  ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  receive_limit_ = left;
}

int Socket::wait(short event, Deadline deadline) const noexcept {
  const auto left = ceil<milliseconds>(deadline - Clock::now());
  if (left <= milliseconds::zero()) return ETIMEDOUT;
  constexpr milliseconds longest{1'000'000'000};
  pollfd watched{descriptor_, event, 0};
  const int ready = ::poll(&watched, 1, static_cast<int>(std::min(left, longest).count()));
  if (ready < 0) return errno;
  return ready == 0 ? ETIMEDOUT : 0;
}

bool Socket::is_quiet() const noexcept {
  char byte = 0;
  return ::recv(descriptor_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && would_block(errno);
}

void Socket::shut_down() const noexcept {
  if (descriptor_ >= 0) ::shutdown(descriptor_, SHUT_RDWR);
}

void Socket::close() noexcept {
  const int descriptor = descriptor_.exchange(-1);
  if (descriptor >= 0) ::close(descriptor);
}

}  // namespace thriftscore_client
