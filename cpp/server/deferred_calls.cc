// SPDX-License-Identifier: Apache-2.0
#include "server/deferred_calls.h"

#include <algorithm>

#include "wire/encode.h"

namespace thriftscore::server {

void DeferredCall::answer(std::span<const std::byte> message_bytes) const {
  ByteBuffer framed;
  if (!message_bytes.empty()) {
    const wire::ReplyTo to{transport, protocol, sequence_id, {}};
    const auto target = framed.reserve(wire::envelope_bytes_max(to, message_bytes));
    framed.commit(wire::encode_envelope(target, to, message_bytes));
  }
  reply->send(std::move(framed));
}

bool DeferredCalls::push(std::shared_ptr<DeferredCall> call) {
  {
    const std::scoped_lock lock(mutex_);
    const std::size_t bytes = call->message.buffer.size();
    if (closed_ || calls_.size() >= calls_max_ || bytes > bytes_max_ - bytes_) return false;
    bytes_ += bytes;
    calls_.push_back(std::move(call));
  }
  ready_.notify_one();
  return true;
}

void DeferredCalls::withdraw(const DeferredCall* call) {
  const std::scoped_lock lock(mutex_);
  const auto queued = std::find_if(calls_.begin(), calls_.end(),
                                   [call](const auto& one) { return one.get() == call; });
  if (queued == calls_.end()) return;
  bytes_ -= call->message.buffer.size();
  calls_.erase(queued);
}

std::shared_ptr<DeferredCall> DeferredCalls::take(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  ready_.wait_for(lock, patience, [this] { return closed_ || !calls_.empty(); });
  if (calls_.empty()) return nullptr;
  auto call = std::move(calls_.front());
  calls_.pop_front();
  bytes_ -= call->message.buffer.size();
  return call;
}

void DeferredCalls::close() {
  {
    const std::scoped_lock lock(mutex_);
    closed_ = true;
  }
  ready_.notify_all();
}

std::size_t DeferredCalls::size() const {
  const std::scoped_lock lock(mutex_);
  return calls_.size();
}

}  // namespace thriftscore::server
