// SPDX-License-Identifier: Apache-2.0
// A non-blocking stream of bytes to one client.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

namespace thriftscore::server {

/** What became of a read or a write. */
struct Transfer {
  enum class State { kMoved, kWouldBlock, kClosed };
  State state = State::kWouldBlock;
  std::size_t bytes = 0;
};

/** Whoever waits for a stream. Called on the thread of the stream's event loop. */
class StreamOwner {
 public:
  virtual ~StreamOwner() = default;
  /** Another read, or write, may move bytes; or the wait failed because the stream was closed. */
  virtual void on_readable(bool failed) = 0;
  virtual void on_writable(bool failed) = 0;
};

/**
 * Reads and writes never block. The waits are one-shot and keep their owner alive until they end.
 * Waiting for readiness, instead of handing a buffer to the system, means that an idle connection
 * owns no buffer; TLS fits behind the same calls.
 */
class ByteStream {
 public:
  virtual ~ByteStream() = default;
  virtual Transfer read(std::span<std::byte> into) noexcept = 0;
  virtual Transfer write(std::span<const std::byte> from) noexcept = 0;
  virtual void wait_readable(std::shared_ptr<StreamOwner> owner) = 0;
  virtual void wait_writable(std::shared_ptr<StreamOwner> owner) = 0;
  /** Ends both directions; pending waits fail. */
  virtual void close() noexcept = 0;
};

}  // namespace thriftscore::server
