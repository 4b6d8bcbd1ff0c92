// SPDX-License-Identifier: Apache-2.0
// Encodes replies, framed as the call was.
#pragma once

#include <span>

#include "wire/call.h"
#include "wire/doubles.h"
#include "wire/info_headers.h"
#include "wire/replies.h"

namespace thriftscore::wire {

/// Where a reply goes: everything of the call that it has to repeat.
struct ReplyTo {
  Transport transport = Transport::kFramed;
  Protocol protocol = Protocol::kBinary;
  std::int32_t sequence_id = 0;
  std::string_view method;              ///< without a service
  std::span<const InfoPair> headers{};  ///< for kHeader; together at most 60,000 bytes
};

// Each function below writes one complete reply to the start of `target` and returns its size in
// bytes, or 0 if `target` is too small: reply_bytes_max() bytes are enough. They do not allocate
// and do not throw.

/// The result of a method. T is bool, ScoreResponse, NormalizeResponse, InferResponse or
/// DoublesRoom. The Rooms in `result` then have their addresses in `target`; nothing else of the
/// reply changes when they are filled.
template <typename T>
std::size_t encode_result(std::span<std::byte> target, const ReplyTo& to, T& result) noexcept;

/// The exception that every method declares.
std::size_t encode_error(std::span<std::byte> target, const ReplyTo& to,
                         const ScoringError& error) noexcept;

/// Thrift's own exception, for calls that no method answers.
std::size_t encode_exception(std::span<std::byte> target, const ReplyTo& to,
                             const ApplicationException& exception) noexcept;

/// A message that has been encoded elsewhere, in the frame that `to` asks for.
std::size_t encode_envelope(std::span<std::byte> target, const ReplyTo& to, Bytes message) noexcept;

/// Bytes that are enough for `message` with its frame.
std::size_t envelope_bytes_max(const ReplyTo& to, Bytes message) noexcept;

/// Bytes that are enough for `result` of the above types, ScoringError or ApplicationException.
template <typename T>
std::size_t reply_bytes_max(const ReplyTo& to, const T& result) noexcept;

}  // namespace thriftscore::wire
