// SPDX-License-Identifier: Apache-2.0
#include "server/plain_stream.h"

#include <sys/socket.h>

#include <asio/ip/tcp.hpp>
#include <cerrno>
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

}  // namespace

PlainStream::PlainStream(Socket socket) : socket_(std::move(socket)) {
  asio::error_code ignored;  // Unix-domain sockets refuse the TCP options, and do without them
  socket_.native_non_blocking(true, ignored);
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  socket_.set_option(asio::socket_base::keep_alive(true), ignored);
}

Transfer PlainStream::read(std::span<std::byte> into) noexcept {
  return transfer_of(::recv(socket_.native_handle(), into.data(), into.size(), 0));
}

Transfer PlainStream::write(std::span<const std::byte> from) noexcept {
  return transfer_of(::send(socket_.native_handle(), from.data(), from.size(), MSG_NOSIGNAL));
}

void PlainStream::wait_readable(std::shared_ptr<StreamOwner> owner) {
  socket_.async_wait(Socket::wait_read, [owner = std::move(owner)](const asio::error_code& error) {
    owner->on_readable(static_cast<bool>(error));
  });
}

void PlainStream::wait_writable(std::shared_ptr<StreamOwner> owner) {
  socket_.async_wait(Socket::wait_write, [owner = std::move(owner)](const asio::error_code& error) {
    owner->on_writable(static_cast<bool>(error));
  });
}

void PlainStream::close() noexcept {
  asio::error_code ignored;
  socket_.close(ignored);
}

}  // namespace thriftscore::server
