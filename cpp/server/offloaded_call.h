// SPDX-License-Identifier: Apache-2.0
// A large request that the compute pool answers, split over its rows.
#pragma once

#include <atomic>
#include <memory>

#include "server/deferred_calls.h"
#include "server/hot_call.h"
#include "server/shared.h"

namespace thriftscore::server {

class OffloadedCall final : public CallUnderWay {
 public:
  struct Origin {
    Method method;
    std::shared_ptr<const ServedVersion> served;
    std::shared_ptr<Comparison> comparison;  // or null
    wire::Transport transport;
    wire::Protocol protocol;
    Nanoseconds received_ns;
    std::shared_ptr<LaterReply> reply;
  };

  /**
   * Hands `message`, a request that has been decoded and bound before, to the compute pool.
   * nullptr if the pool's queue is full: then nothing has been done.
   */
  static std::shared_ptr<OffloadedCall> start(Shared& shared, Origin origin, OwnedMessage message);

  OffloadedCall(Shared& shared, Origin origin, OwnedMessage message);
  void give_up() override;

 private:
  void prepare();
  bool run_block(std::size_t first, std::size_t count);
  void finish(JobEnd end);
  void pass_to_python();
  void refuse_late();

  Shared& shared_;
  const Origin origin_;
  OwnedMessage message_;
  wire::Call head_;
  wire::ReplyTo to_;
  HotCall call_;
  ByteBuffer reply_;
  CallTimes times_;
  Nanoseconds computing_since_ns_ = 0;
  std::atomic<bool> refused_{false};  // a block found something that Python is to word
  std::shared_ptr<Job> job_ = std::make_shared<Job>();
};

}  // namespace thriftscore::server
