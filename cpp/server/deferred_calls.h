// SPDX-License-Identifier: Apache-2.0
// The bounded queue between the event loops and the Python processor.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <utility>

#include "server/byte_buffer.h"
#include "server/clock.h"
#include "wire/types.h"

namespace thriftscore::server {

/**
 * Where the reply of a call goes that has left its loop. For any thread, even after the server has
 * been stopped or destroyed. A connection whose reply is never sent is closed.
 */
class LaterReply {
 public:
  virtual ~LaterReply() = default;
  /** Sends a reply with its frame; an empty one closes the connection. Only the first counts. */
  virtual void send(ByteBuffer reply) = 0;
};

/** A call that has left its loop, as the connection sees it: something that can be given up. */
class CallUnderWay {
 public:
  virtual ~CallUnderWay() = default;
  /** The client has gone: work that has not begun need not be done. */
  virtual void give_up() = 0;
};

/** A message that outlives the read it came with, perhaps inside a larger buffer. */
struct OwnedMessage {
  ByteBuffer buffer;
  std::size_t begin = 0;
  std::size_t size = 0;

  std::span<const std::byte> bytes() const noexcept { return buffer.bytes().subspan(begin, size); }
};

/** A complete message that the Python processor is to answer. */
struct DeferredCall {
  wire::Transport transport;
  wire::Protocol protocol;
  std::int32_t sequence_id;
  OwnedMessage message;  // without frame or header
  Nanoseconds received_ns;
  std::shared_ptr<LaterReply> reply;

  /** Sends `message`, an encoded reply, in the frame that the client uses. Empty: closes. */
  void answer(std::span<const std::byte> message_bytes) const;
};

/**
 * First in, first out, at most `calls_max` calls with `bytes_max` bytes. Loops push and withdraw,
 * Python's threads take. No loop ever waits for it.
 */
class DeferredCalls {
 public:
  DeferredCalls(std::size_t calls_max, std::size_t bytes_max)
      : calls_max_(calls_max), bytes_max_(bytes_max) {}

  /** False if the queue is full or closed. */
  bool push(std::shared_ptr<DeferredCall> call);

  /** Removes a call that has not been taken yet: its client has gone. */
  void withdraw(const DeferredCall* call);

  /** The next call; nullptr after `patience` without one, or once closed and empty. */
  std::shared_ptr<DeferredCall> take(std::chrono::milliseconds patience);

  /** Wakes every waiting thread; calls that are queued can still be taken. */
  void close();

  std::size_t size() const;

 private:
  const std::size_t calls_max_;
  const std::size_t bytes_max_;
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<std::shared_ptr<DeferredCall>> calls_;
  std::size_t bytes_ = 0;
  bool closed_ = false;
};

/** A connection's handle on its deferred call, which belongs to the queue and then to Python. */
class QueuedCall final : public CallUnderWay {
 public:
  QueuedCall(DeferredCalls& calls, std::weak_ptr<DeferredCall> call)
      : calls_(calls), call_(std::move(call)) {}
  void give_up() override {
    if (const auto call = call_.lock()) calls_.withdraw(call.get());
  }

 private:
  DeferredCalls& calls_;
  std::weak_ptr<DeferredCall> call_;
};

}  // namespace thriftscore::server
