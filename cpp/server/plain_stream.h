// SPDX-License-Identifier: Apache-2.0
// A ByteStream over a TCP or Unix-domain socket.
#pragma once

#include "server/byte_stream.h"
#include "server/readiness.h"

namespace thriftscore::server {

class PlainStream final : public ByteStream, private Readiness::Watched {
 public:
  /**
   * Takes over a connected socket; makes it non-blocking, without Nagle's delay, with keep-alive.
   */
  PlainStream(Readiness& readiness, int descriptor) noexcept;
  PlainStream(const PlainStream&) = delete;
  PlainStream& operator=(const PlainStream&) = delete;
  ~PlainStream() override { PlainStream::close(); }

  Transfer read(std::span<std::byte> into) noexcept override;
  Transfer write(std::span<const std::byte> from) noexcept override;
  void wait_readable(std::shared_ptr<StreamOwner> owner) override;
  void wait_writable(std::shared_ptr<StreamOwner> owner) override;
  void close() noexcept override;

 private:
  void on_ready(Interest ready) override;
  void watch();

  Readiness& readiness_;
  int descriptor_;  // -1 once closed
  Interest wanted_;
  Interest watched_;
  bool handling_ = false;               // what is wanted may change until that is over
  std::shared_ptr<StreamOwner> owner_;  // while it waits
};

}  // namespace thriftscore::server
