// SPDX-License-Identifier: Apache-2.0
// The fastest server that one thread can be: it reads messages and answers each with the same
// bytes.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "benchmarks/rpc/endpoint.h"
#include "benchmarks/rpc/request.h"
#include "wire/framer.h"

namespace thriftscore::benchmarks {

struct EchoOptions {
  std::size_t reply_bytes = 0;  ///< of each reply, with its frame; 0 = the smallest
  Method method = Method::kScore;
  wire::Transport transport = wire::Transport::kFramed;
  wire::Protocol protocol = wire::Protocol::kBinary;
  bool poll = false;  ///< never sleep
};

/// A well-formed success of the method with exactly `options.reply_bytes` bytes; its ids are those
/// of no request. Throws UsageError where no such reply has this size.
std::vector<std::byte> make_reply(const EchoOptions& options);

/// Counts the messages in a stream without looking at them, as far as that is possible: the length
/// of a frame is all that is read of it. An unframed message has to be walked through to its end.
class MessageCounter {
 public:
  explicit MessageCounter(wire::Transport transport) noexcept;

  /// Messages that end in `bytes`, which follow those of the last call. Negative: no messages.
  std::int64_t count(wire::Bytes bytes);

 private:
  std::int64_t count_frames(wire::Bytes bytes) noexcept;
  std::int64_t count_unframed(wire::Bytes bytes);

  bool is_framed_;
  std::size_t frame_left_ = 0;  // bytes of a frame that has begun
  std::array<std::byte, 4> length_{};
  std::size_t length_bytes_ = 0;  // of these
  wire::Framer framer_;
  std::vector<std::byte> pending_;  // the start of an unframed message
};

/// The loop. One read and one write for each connection that is ready; not thread-safe.
class EchoServer {
 public:
  /// Takes connections from `listener`. Throws what make_reply() does, and std::system_error.
  EchoServer(FileDescriptor listener, const EchoOptions& options);

  /// Until SIGTERM or SIGINT, which the calling thread has blocked. Throws std::system_error.
  void run();

 private:
  struct Peer {
    Peer(FileDescriptor accepted, wire::Transport transport)
        : socket(std::move(accepted)), counter(transport) {}
    FileDescriptor socket;
    MessageCounter counter;
    std::size_t unsent = 0;   // bytes of replies
    std::size_t sent_at = 0;  // in the first unsent reply
    bool waits_to_write = false;
  };

  void accept_peers();
  bool serve(Peer& peer);
  bool read(Peer& peer);
  bool write(Peer& peer);
  void watch(Peer& peer);

  FileDescriptor listener_;
  FileDescriptor epoll_;
  FileDescriptor signals_;
  EchoOptions options_;
  std::size_t reply_bytes_;
  std::vector<std::byte> replies_;  // the reply, many times over
  std::vector<epoll_event> events_;
  std::vector<std::byte> buffer_;
  std::vector<std::unique_ptr<Peer>> peers_;  // by descriptor
};

}  // namespace thriftscore::benchmarks
