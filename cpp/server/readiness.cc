// SPDX-License-Identifier: Apache-2.0
#include "server/readiness.h"

#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <system_error>

namespace thriftscore::server {
namespace {

constexpr std::size_t kEventsMax = 128;
/** Asio's own events, such as replies from other threads, have their turn after so many looks. */
constexpr int kLooksMax = 4;

int new_set() {
  const int descriptor = ::epoll_create1(EPOLL_CLOEXEC);
  if (descriptor < 0) throw std::system_error(errno, std::system_category(), "epoll_create1");
  return descriptor;
}

std::uint32_t events_of(Interest interest) noexcept {
  return (interest.readable ? EPOLLIN : 0U) | (interest.writable ? EPOLLOUT : 0U);
}

// Nothing to wait for is no entry, since the system reports failures of every entry, asked or not.
int operation(Interest before, Interest after) noexcept {
  if (before == Interest()) return EPOLL_CTL_ADD;
  return after == Interest() ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
}

}  // namespace

Readiness::Readiness(asio::io_context& context) : set_(context, new_set()) {}

void Readiness::change(int descriptor, Watched& watched, Interest before, Interest after) {
  if (before == after) return;
  epoll_event event{};
  event.events = events_of(after);
  event.data.ptr = &watched;
  if (::epoll_ctl(set_.native_handle(), operation(before, after), descriptor, &event) != 0) {
    throw std::system_error(errno, std::system_category(), "epoll_ctl");
  }
}

void Readiness::start() {
  set_.async_wait(asio::posix::stream_descriptor::wait_read, [this](const asio::error_code& error) {
    if (error) return;
    for (int looks = 0; looks < kLooksMax && handle_ready(); ++looks) continue;
    start();
  });
}

void Readiness::stop() { set_.cancel(); }

bool Readiness::handle_ready() {
  std::array<epoll_event, kEventsMax> events;  // NOLINT(*-member-init): filled by the system
  const int count = ::epoll_wait(set_.native_handle(), events.data(), kEventsMax, 0);
  for (int index = 0; index < count; ++index) {
    const epoll_event& event = events[static_cast<std::size_t>(index)];
    const bool failed = (event.events & (EPOLLERR | EPOLLHUP)) != 0;
    static_cast<Watched*>(event.data.ptr)
        ->on_ready({.readable = failed || (event.events & EPOLLIN) != 0,
                    .writable = failed || (event.events & EPOLLOUT) != 0});
  }
  return count > 0;
}

}  // namespace thriftscore::server
