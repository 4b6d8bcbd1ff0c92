// SPDX-License-Identifier: Apache-2.0
#include "server/listener.h"

#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <system_error>
#include <utility>

namespace thriftscore::server {
namespace {

constexpr std::chrono::milliseconds kRest{100};

int socket_option(int descriptor, int name) {
  int value = 0;
  socklen_t size = sizeof(value);
  if (::getsockopt(descriptor, SOL_SOCKET, name, &value, &size) != 0) {
    throw std::system_error(errno, std::system_category(), "not a listening socket");
  }
  return value;
}

asio::generic::stream_protocol protocol_of(int descriptor) {
  if (socket_option(descriptor, SO_ACCEPTCONN) == 0) {
    throw std::system_error(EINVAL, std::system_category(), "not a listening socket");
  }
  return {socket_option(descriptor, SO_DOMAIN), 0};
}

}  // namespace

Listener::Listener(asio::io_context& context, int descriptor, Take take)
    : acceptor_(context), rest_(context), take_(std::move(take)) {
  acceptor_.assign(protocol_of(descriptor), descriptor);
}

void Listener::accept() {
  acceptor_.async_accept(
      [this](const asio::error_code& error, Socket socket) { accepted(error, std::move(socket)); });
}

void Listener::accepted(const asio::error_code& error, Socket socket) {
  if (!error) hand_over(std::move(socket));  // perhaps after close(), but accepted before it
  if (error == asio::error::operation_aborted || !acceptor_.is_open()) return;
  if (!error) return accept();
  rest_.expires_after(kRest);
  rest_.async_wait([this](const asio::error_code& cancelled) {
    if (!cancelled && acceptor_.is_open()) accept();
  });
}

void Listener::hand_over(Socket socket) {
  asio::error_code error;
  const int descriptor = socket.release(error);
  if (!error) take_(descriptor);
}

void Listener::close() {
  asio::error_code error;
  acceptor_.non_blocking(true, error);
  while (!error) {  // those that closing would reset, though their clients may have sent already
    Socket socket(acceptor_.get_executor());
    acceptor_.accept(socket, error);
    if (!error) hand_over(std::move(socket));
  }
  acceptor_.close(error);
  rest_.cancel();
}

}  // namespace thriftscore::server
