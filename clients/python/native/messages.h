// SPDX-License-Identifier: Apache-2.0
// Calls to messages of the binary protocol, and the usual reply with a matrix back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "line.h"

namespace thriftscore_client {

/// A call as Python has prepared it; see `Call` and `Wire.encode`.
struct CallParts {
  std::string_view method;
  std::string_view arguments;  ///< open within the context, where there is one
  bool has_context = false;
  std::string_view request_id{};
  std::string_view rest;  ///< encoded fields of the context
  bool has_payload = false;
  std::int16_t payload_field = 0;
  std::span<const char> payload;
};

/// The frame of a call. Small payloads are copied into it. `deadline_ms` is at least 1.
Message encode(const CallParts& call, std::int32_t sequence, std::int32_t deadline_ms);

/// Bytes of the message in a frame.
std::size_t message_bytes(const Message& message) noexcept;

/// A ScoreResponse or a NormalizeResponse, over the bytes of the reply.
struct MatrixReply {
  std::string_view values{};
  std::int32_t datatype = 0;
  std::int64_t rows = 0;
  std::int32_t columns = 0;
  std::string_view model_version{};
  std::string_view request_id{};

  bool is_double() const noexcept;
};

/// The result in the content of a reply. Nothing for all that is in the least unusual: errors,
/// unknown fields, a shape that does not fit. What that is, Python finds out.
std::optional<MatrixReply> read_matrix(std::span<const char> content, std::int64_t rows) noexcept;

}  // namespace thriftscore_client
