// SPDX-License-Identifier: Apache-2.0
// The errors that are worded here rather than in Python: those that must not wait for it.
#pragma once

#include "server/byte_buffer.h"
#include "wire/encode.h"

namespace thriftscore::server {

inline constexpr std::int32_t kRetryAfterMs = 50;
inline constexpr wire::ScoringError kTooLate{wire::ErrorCode::kDeadlineExceeded,
                                             "deadline_ms passed before the rows were scored"};
inline constexpr wire::ScoringError kPythonQueueFull{
    wire::ErrorCode::kOverloaded, "the queue of calls that Python answers is full", true,
    kRetryAfterMs};
inline constexpr wire::ScoringError kComputeQueueFull{
    wire::ErrorCode::kOverloaded, "the queue of large requests is full", true, kRetryAfterMs};

inline void append_error(ByteBuffer& replies, const wire::ReplyTo& to,
                         const wire::ScoringError& error) {
  const auto target = replies.reserve(wire::reply_bytes_max(to, error));
  replies.commit(wire::encode_error(target, to, error));
}

inline void append_exception(ByteBuffer& replies, const wire::ReplyTo& to,
                             const wire::ApplicationException& exception) {
  const auto target = replies.reserve(wire::reply_bytes_max(to, exception));
  replies.commit(wire::encode_exception(target, to, exception));
}

}  // namespace thriftscore::server
