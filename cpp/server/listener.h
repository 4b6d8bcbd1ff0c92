// SPDX-License-Identifier: Apache-2.0
// Accepts connections and hands them to the event loops.
#pragma once

#include <asio/basic_socket_acceptor.hpp>
#include <asio/generic/stream_protocol.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <functional>

namespace thriftscore::server {

/**
 * Lives on one event loop. Out of file descriptors, it rests instead of spinning and tries again;
 * the connections that wait meanwhile are kept by the system's backlog.
 */
class Listener {
 public:
  /** Takes over the descriptor of a connected socket. */
  using Take = std::function<void(int)>;

  /**
   * Takes over `descriptor`, a TCP or Unix-domain socket that listens already. Throws
   * std::system_error if it is none; then the descriptor stays with the caller.
   */
  Listener(asio::io_context& context, int descriptor, Take take);

  void start() { accept(); }
  /**
   * Takes the connections that clients have made until now, and stops listening. On the thread of
   * the loop, or after it has ended.
   */
  void close();

 private:
  using Socket = asio::generic::stream_protocol::socket;

  void accept();
  void accepted(const asio::error_code& error, Socket socket);
  void hand_over(Socket socket);

  asio::basic_socket_acceptor<asio::generic::stream_protocol> acceptor_;
  asio::steady_timer rest_;
  Take take_;
};

}  // namespace thriftscore::server
