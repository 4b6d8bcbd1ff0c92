// SPDX-License-Identifier: Apache-2.0
// Which sockets of an event loop can be read or written now.
#pragma once

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <cstdint>

namespace thriftscore::server {

/** What a socket waits for, and what it is ready for. */
struct Interest {
  bool readable = false;
  bool writable = false;
  bool operator==(const Interest&) const = default;
};

/**
 * The sockets of one loop in an epoll set of their own, which Asio watches as one descriptor. An
 * Asio wait costs a system call for every request; here a socket that goes on waiting for the same
 * costs none. Everything is for the thread of the loop.
 */
class Readiness {
 public:
  class Watched {
   public:
    virtual ~Watched() = default;
    /** What failed is ready for both: reading or writing tells. */
    virtual void on_ready(Interest ready) = 0;
  };

  /** Throws std::system_error, if the system gives no epoll set. */
  explicit Readiness(asio::io_context& context);

  /**
   * Changes what `descriptor` waits for, from `before` to `after`; `watched` hears of it until
   * then, again and again. Throws std::system_error. Closing a descriptor ends its waits.
   */
  void change(int descriptor, Watched& watched, Interest before, Interest after);

  /** Lets what is ready be handled from within the loop's run(). */
  void start();
  /** Ends start(). */
  void stop();
  /** Lets what is ready now be handled; false if nothing is. */
  bool handle_ready();

 private:
  asio::posix::stream_descriptor set_;
};

}  // namespace thriftscore::server
