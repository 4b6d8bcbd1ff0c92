// SPDX-License-Identifier: Apache-2.0
// Accepts connections and hands them to the event loops.
#pragma once

#include <asio/basic_socket_acceptor.hpp>
#include <asio/generic/stream_protocol.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <string>

#include "server/plain_stream.h"

namespace thriftscore::server {

/**
 * Lives on one event loop. Out of file descriptors, it rests instead of spinning and tries again;
 * the connections that wait meanwhile are kept by the system's backlog.
 */
class Listener {
 public:
  using Socket = PlainStream::Socket;
  /** Takes a connected socket; it may close it. */
  using Take = std::function<void(Socket)>;

  Listener(asio::io_context& context, Take take);

  /** Binds and listens. Throws std::system_error, which names the address. */
  void listen_tcp(const std::string& host, std::uint16_t port);
  /** A socket file that nobody listens on is replaced; one in use is an error. */
  void listen_unix(const std::string& path);

  void start() { accept(); }
  /** Stops listening and removes the socket file. On the thread of the loop, or after it. */
  void close();

  /** The TCP port; 0 for a Unix-domain socket. */
  std::uint16_t port() const noexcept { return port_; }

 private:
  void bind(const asio::generic::stream_protocol::endpoint& endpoint, const std::string& name);
  void accept();
  void accepted(const asio::error_code& error, Socket socket);

  asio::io_context& context_;
  asio::basic_socket_acceptor<asio::generic::stream_protocol> acceptor_;
  asio::steady_timer rest_;
  Take take_;
  std::uint16_t port_ = 0;
  std::string path_;
};

}  // namespace thriftscore::server
