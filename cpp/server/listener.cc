// SPDX-License-Identifier: Apache-2.0
#include "server/listener.h"

#include <sys/stat.h>
#include <unistd.h>

#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>
#include <chrono>
#include <system_error>
#include <utility>

namespace thriftscore::server {
namespace {

constexpr int kBacklog = 4'096;
constexpr std::chrono::milliseconds kRest{100};

/** Removes the file of a Unix-domain socket that nobody listens on. */
void remove_stale_socket(asio::io_context& context, const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) return;
  asio::local::stream_protocol::socket probe(context);
  asio::error_code refused;
  probe.connect(asio::local::stream_protocol::endpoint(path), refused);
  if (refused == asio::error::connection_refused) ::unlink(path.c_str());
}

}  // namespace

Listener::Listener(asio::io_context& context, Take take)
    : context_(context), acceptor_(context), rest_(context), take_(std::move(take)) {}

void Listener::listen_tcp(const std::string& host, std::uint16_t port) {
  asio::ip::tcp::resolver resolver(context_);
  asio::error_code error;
  const auto found = resolver.resolve(host, std::to_string(port),
                                      asio::ip::tcp::resolver::passive, error);
  const std::string name = host + ":" + std::to_string(port);
  if (error) throw std::system_error(error, name);
  bind(found.begin()->endpoint(), name);
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  ::getsockname(acceptor_.native_handle(), reinterpret_cast<sockaddr*>(&address), &size);
  const bool six = address.ss_family == AF_INET6;
  port_ = ntohs(six ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                    : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

void Listener::listen_unix(const std::string& path) {
  remove_stale_socket(context_, path);
  asio::error_code error;
  bind(asio::local::stream_protocol::endpoint(path), "unix:" + path);
  path_ = path;
}

void Listener::bind(const asio::generic::stream_protocol::endpoint& endpoint,
                    const std::string& name) {
  asio::error_code error;
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(kBacklog, error);
  if (error) throw std::system_error(error, name);
}

void Listener::accept() {
  acceptor_.async_accept(
      [this](const asio::error_code& error, Socket socket) { accepted(error, std::move(socket)); });
}

void Listener::accepted(const asio::error_code& error, Socket socket) {
  if (error == asio::error::operation_aborted || !acceptor_.is_open()) return;
  if (!error) {
    take_(std::move(socket));
    return accept();
  }
  rest_.expires_after(kRest);
  rest_.async_wait([this](const asio::error_code& cancelled) {
    if (!cancelled && acceptor_.is_open()) accept();
  });
}

void Listener::close() {
  asio::error_code ignored;
  acceptor_.close(ignored);
  rest_.cancel();
  if (!path_.empty()) ::unlink(path_.c_str());
  path_.clear();
}

}  // namespace thriftscore::server
