// SPDX-License-Identifier: Apache-2.0
// The errors that are worded here rather than in Python: those that must not wait for it.
#pragma once

#include <string_view>

#include "server/byte_buffer.h"
#include "server/options.h"
#include "wire/encode.h"

namespace thriftscore::server {

inline constexpr wire::ScoringError kTooLate{
    wire::ErrorCode::kDeadlineExceeded, "deadline_ms passed before the rows were scored", true, 0};

inline constexpr std::string_view kPythonQueueFull =
    "the queue of calls that Python answers is full";
inline constexpr std::string_view kComputeQueueFull = "the queue of large requests is full";

inline wire::ScoringError overloaded(std::string_view full, const ServerOptions& options) noexcept {
  return {wire::ErrorCode::kOverloaded, full, true, options.retry_after_ms};
}

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
