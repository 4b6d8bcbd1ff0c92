// SPDX-License-Identifier: Apache-2.0
#include "server/plain_stream.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace thriftscore::server {
namespace {

Transfer transfer_of(ssize_t result) noexcept {
  if (result > 0) return {Transfer::State::kMoved, static_cast<std::size_t>(result)};
  if (result < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
    return {Transfer::State::kWouldBlock};
  }
  return {Transfer::State::kClosed};
}

/** Unix-domain sockets refuse the options of TCP, and do without them. */
void set_option(int descriptor, int level, int name) noexcept {
  const int on = 1;
  static_cast<void>(::setsockopt(descriptor, level, name, &on, sizeof(on)));
}

}  // namespace

PlainStream::PlainStream(Readiness& readiness, int descriptor) noexcept
    : readiness_(readiness), descriptor_(descriptor) {
  static_cast<void>(::fcntl(descriptor_, F_SETFL, ::fcntl(descriptor_, F_GETFL) | O_NONBLOCK));
  set_option(descriptor_, IPPROTO_TCP, TCP_NODELAY);
  set_option(descriptor_, SOL_SOCKET, SO_KEEPALIVE);
}

Transfer PlainStream::read(std::span<std::byte> into) noexcept {
  return transfer_of(::recv(descriptor_, into.data(), into.size(), 0));
}

Transfer PlainStream::write(std::span<const std::byte> from) noexcept {
  return transfer_of(::send(descriptor_, from.data(), from.size(), MSG_NOSIGNAL));
}

void PlainStream::wait_readable(std::shared_ptr<StreamOwner> owner) {
  owner_ = std::move(owner);
  wanted_.readable = true;
  if (!handling_) watch();
}

void PlainStream::wait_writable(std::shared_ptr<StreamOwner> owner) {
  owner_ = std::move(owner);
  wanted_.writable = true;
  if (!handling_) watch();
}

void PlainStream::watch() {
  if (descriptor_ < 0) return;
  readiness_.change(descriptor_, *this, watched_, wanted_);
  watched_ = wanted_;
}

void PlainStream::on_ready(Interest ready) {
  const auto owner = std::exchange(owner_, nullptr);  // until its waits are over, this one's too
  handling_ = true;
  if (ready.readable && std::exchange(wanted_.readable, false)) owner->on_readable(false);
  if (ready.writable && std::exchange(wanted_.writable, false)) owner->on_writable(false);
  handling_ = false;
  if (wanted_ != Interest()) owner_ = owner;
  try {
    watch();
  } catch (const std::system_error&) {
    owner->on_readable(true);
  }
}

void PlainStream::close() noexcept {
  if (descriptor_ < 0) return;
  static_cast<void>(::close(std::exchange(descriptor_, -1)));
  wanted_ = watched_ = {};
  owner_ = nullptr;
}

}  // namespace thriftscore::server
