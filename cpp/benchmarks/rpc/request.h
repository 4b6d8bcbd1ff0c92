// SPDX-License-Identifier: Apache-2.0
// Calls as bytes that are made once and then only have their ids patched.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "wire/messages.h"

namespace thriftscore::benchmarks {

enum class Method : std::uint8_t { kPing, kScore, kScoreValues, kScoreNamed };

std::string_view name_of(Method method) noexcept;

/// What is asked, of which model, and how it is put on the wire.
struct RequestOptions {
  Method method = Method::kScore;
  std::string model = "model";
  std::size_t rows = 1;       ///< of score; the other methods take one row, or none
  std::size_t features = 32;  ///< values in a row
  /// For score_named; empty = f0, f1 and so on, else as many as `features`.
  std::vector<std::string> feature_names;
  wire::DataType datatype = wire::DataType::kFp32;  ///< of score: kFp32 or kFp64
  wire::Transport transport = wire::Transport::kFramed;
  wire::Protocol protocol = wire::Protocol::kBinary;
  bool with_request_id = false;  ///< score only: the other methods have no context
  std::uint64_t seed = 1;        ///< of the feature values, uniform in [-1, 1)
};

/// Sequence ids that a request can carry: those whose compact varint has exactly four bytes, so
/// that one id can be written over another.
inline constexpr std::int32_t kSequenceIdFirst = 1 << 21;
inline constexpr std::int32_t kSequenceIdCount = (1 << 28) - (1 << 21);

/// Bytes of a request id.
inline constexpr std::size_t kRequestIdBytes = 16;

/// `number` as kRequestIdBytes lower-case hexadecimal digits.
void write_request_id(std::uint64_t number, std::byte* target) noexcept;

/// One complete call, framed, and where its ids are.
class RequestTemplate {
 public:
  /// Throws UsageError where the options contradict each other or the call would exceed 1 GiB.
  explicit RequestTemplate(const RequestOptions& options);

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }

  /// Writes the ids into `copy`, a copy of bytes(). `request_id` is used if the template has one.
  void patch(std::byte* copy, std::int32_t sequence_id, std::uint64_t request_id) const noexcept;

 private:
  template <typename Writer>
  std::vector<std::byte> write_call(const RequestOptions& options);
  template <typename Writer>
  void write_score(Writer& writer, const RequestOptions& options);

  std::vector<std::byte> bytes_;
  bool is_compact_;
  bool has_header_;
  std::size_t sequence_id_at_ = 0;
  std::optional<std::size_t> request_id_at_;
};

}  // namespace thriftscore::benchmarks
