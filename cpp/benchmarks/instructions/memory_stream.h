// SPDX-License-Identifier: Apache-2.0
// A client without a socket.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "server/byte_stream.h"

namespace thriftscore::benchmarks {

/// What a MemoryStream has to say and was told; outlives it.
struct MemoryClient {
  std::vector<std::byte> request;
  bool has_sent = true;                       ///< false: the next read gets the request
  std::vector<std::byte>* replies = nullptr;  ///< where written bytes go; null: nowhere
};

/// Gives each request to one read, and takes every write whole. Copies the request once only, into
/// the buffer of a loop that has no other connection: copying is the kernel's part of a read.
class MemoryStream final : public server::ByteStream {
 public:
  explicit MemoryStream(MemoryClient& client) noexcept : client_(client) {}

  server::Transfer read(std::span<std::byte> into) noexcept override;
  server::Transfer write(std::span<const std::byte> from) noexcept override;
  // Nothing becomes ready here: whoever owns the connection calls its on_readable().
  void wait_readable(std::shared_ptr<server::StreamOwner> /*owner*/) override {}
  void wait_writable(std::shared_ptr<server::StreamOwner> /*owner*/) override {}
  void close() noexcept override {}

 private:
  MemoryClient& client_;
  std::byte* filled_ = nullptr;  ///< the buffer that has the request
};

}  // namespace thriftscore::benchmarks
