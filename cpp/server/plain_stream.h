// SPDX-License-Identifier: Apache-2.0
// A ByteStream over a TCP or Unix-domain socket.
#pragma once

#include <asio/generic/stream_protocol.hpp>

#include "server/byte_stream.h"

namespace thriftscore::server {

class PlainStream final : public ByteStream {
 public:
  using Socket = asio::generic::stream_protocol::socket;

  /** Takes a connected socket; makes it non-blocking, without Nagle's delay, with keep-alive. */
  explicit PlainStream(Socket socket);

  Transfer read(std::span<std::byte> into) noexcept override;
  Transfer write(std::span<const std::byte> from) noexcept override;
  void wait_readable(std::shared_ptr<StreamOwner> owner) override;
  void wait_writable(std::shared_ptr<StreamOwner> owner) override;
  void close() noexcept override;

 private:
  Socket socket_;
};

}  // namespace thriftscore::server
