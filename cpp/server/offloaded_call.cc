// SPDX-License-Identifier: Apache-2.0
#include "server/offloaded_call.h"

#include <new>
#include <utility>

#include "server/refusals.h"

namespace thriftscore::server {

std::shared_ptr<OffloadedCall> OffloadedCall::start(Shared& shared, Origin origin,
                                                    OwnedMessage message) {
  auto call = std::make_shared<OffloadedCall>(shared, std::move(origin), std::move(message));
  call->prepare();
  // The job owns the call until it has ended, and the call its job while it may be given up.
  auto& job = *call->job_;
  job.run_block = [call](std::size_t first, std::size_t count) {
    return call->run_block(first, count);
  };
  job.done = [call](JobEnd end) { call->finish(end); };
  if (shared.compute.submit(call->job_)) return call;
  job.run_block = nullptr;
  job.done = nullptr;
  return nullptr;
}

OffloadedCall::OffloadedCall(Shared& shared, Origin origin, OwnedMessage message)
    : shared_(shared), origin_(std::move(origin)), message_(std::move(message)) {}

void OffloadedCall::give_up() { job_->cancelled.store(true); }

/** Decodes the message where it is now; the loop has checked it. */
void OffloadedCall::prepare() {
  const Nanoseconds began_ns = now_ns();
  static_cast<void>(wire::read_call(origin_.protocol, message_.bytes(), shared_.limits, head_));
  static_cast<void>(call_.decode(origin_.method, head_, shared_.limits));
  call_.bind(*origin_.served, shared_.options);
  const Nanoseconds decoded_ns = now_ns();
  to_ = {origin_.transport, origin_.protocol, head_.sequence_id, head_.method};
  reply_.commit(call_.encode(to_, reply_));
  times_.decode = decoded_ns - began_ns;
  times_.encode = now_ns() - decoded_ns;
  job_->rows = call_.work().rows;
  job_->block_rows = call_.work().block_rows();
  const auto deadline_ms = call_.context() ? call_.context()->deadline_ms.value_or(0) : 0;
  if (deadline_ms > 0) job_->deadline_ns = origin_.received_ns + milliseconds(deadline_ms);
  computing_since_ns_ = now_ns();
}

bool OffloadedCall::run_block(std::size_t first, std::size_t count) {
  thread_local Scratch scratch;
  try {
    if (call_.run(first, count, scratch).state == RowOutcome::State::kDone) return true;
  } catch (const std::bad_alloc&) {  // as if refused: Python says so, if it has no memory either
  }
  refused_.store(true);
  return false;
}

void OffloadedCall::finish(JobEnd end) {
  if (end == JobEnd::kCancelled) return;
  if (end == JobEnd::kDeadlinePassed) return refuse_late();
  if (refused_.load()) return pass_to_python();
  const Nanoseconds ended_ns = now_ns();
  times_.compute = ended_ns - computing_since_ns_;
  times_.total = ended_ns - origin_.received_ns;
  times_.ended = ended_ns;
  if (origin_.comparison != nullptr) {
    shared_.shadows->offer(origin_.comparison, call_.work(), call_.work().output);
  }
  shared_.pool_statistics.record({origin_.served, origin_.method, std::nullopt},
                                 [this](CallStatistics& statistics) {
                                   statistics.record(times_, call_.work().rows);
                                   statistics.executions.add(1);
                                 });
  origin_.reply->send(std::move(reply_));
}

void OffloadedCall::pass_to_python() {
  auto deferred = std::make_shared<DeferredCall>(
      DeferredCall{origin_.transport, origin_.protocol, head_.sequence_id, std::move(message_),
                   origin_.received_ns, origin_.reply});
  if (shared_.deferred.push(deferred)) return;
  ByteBuffer reply;
  append_error(reply, to_, overloaded(kPythonQueueFull, shared_.options));
  origin_.reply->send(std::move(reply));
}

void OffloadedCall::refuse_late() {
  times_.ended = now_ns();
  times_.total = times_.ended - origin_.received_ns;
  shared_.pool_statistics.record(
      {origin_.served, origin_.method, kTooLate.code},
      [this](CallStatistics& statistics) { statistics.record(times_, call_.work().rows); });
  ByteBuffer reply;
  append_error(reply, to_, kTooLate);
  origin_.reply->send(std::move(reply));
}

}  // namespace thriftscore::server
