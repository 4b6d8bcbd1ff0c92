// SPDX-License-Identifier: Apache-2.0
// What replies hold, as thriftscore.thrift has it.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "wire/messages.h"
#include "wire/status.h"

namespace thriftscore::wire {

/// A `binary` field of a reply that is filled after encoding, by the kernels.
struct Room {
  std::size_t size = 0;       ///< in bytes
  std::byte* data = nullptr;  ///< set by encoding; at any alignment
};

/// A list<double> that is filled after encoding, with store_doubles().
struct DoublesRoom {
  std::size_t count = 0;
  std::byte* data = nullptr;  ///< set by encoding: count * kDoubleBytes bytes
};

struct ScoreResponse {
  Room scores;
  DataType datatype = DataType::kFp32;
  std::int64_t rows = 0;
  std::int32_t columns = 0;
  std::string_view model_version;
  std::optional<std::string_view> request_id;
};

struct NormalizeResponse {
  Room values;
  DataType datatype = DataType::kFp32;
  std::int64_t rows = 0;
  std::int32_t columns = 0;
  std::string_view model_version;
  std::optional<std::string_view> request_id;
};

struct OutputTensor {
  std::string_view name;
  DataType datatype = DataType::kFp32;
  std::span<const std::int64_t> shape;
  Room data;
};

struct InferResponse {
  std::string_view model_name;
  std::string_view model_version;
  std::optional<std::string_view> id;
  std::span<OutputTensor> outputs;
  std::optional<std::string_view> request_id;
};

enum class ErrorCode : std::int32_t {
  kInvalidArgument = 1,
  kModelNotFound,
  kModelNotReady,
  kDeadlineExceeded,
  kOverloaded,
  kUnauthenticated,
  kPermissionDenied,
  kUnavailable,
  kUnimplemented,
  kInternal,
};

struct ScoringError {
  ErrorCode code = ErrorCode::kInternal;
  std::string_view message;
  bool retryable = false;
  std::int32_t retry_after_ms = 0;
};

/// Thrift's own exception, for what no method declares.
struct ApplicationException {
  std::string_view message;
  ExceptionType type = ExceptionType::kUnknown;
};

template <>
struct Schema<ScoreResponse> {
  static constexpr std::tuple fields{
      Field{1, "scores", &ScoreResponse::scores},
      Field{2, "datatype", &ScoreResponse::datatype},
      Field{3, "rows", &ScoreResponse::rows},
      Field{4, "columns", &ScoreResponse::columns},
      Field{5, "model_version", &ScoreResponse::model_version},
      Field{6, "request_id", &ScoreResponse::request_id},
  };
};

template <>
struct Schema<NormalizeResponse> {
  static constexpr std::tuple fields{
      Field{1, "values", &NormalizeResponse::values},
      Field{2, "datatype", &NormalizeResponse::datatype},
      Field{3, "rows", &NormalizeResponse::rows},
      Field{4, "columns", &NormalizeResponse::columns},
      Field{5, "model_version", &NormalizeResponse::model_version},
      Field{6, "request_id", &NormalizeResponse::request_id},
  };
};

template <>
struct Schema<OutputTensor> {
  static constexpr std::tuple fields{
      Field{1, "name", &OutputTensor::name},
      Field{2, "datatype", &OutputTensor::datatype},
      Field{3, "shape", &OutputTensor::shape},
      Field{4, "data", &OutputTensor::data},
  };
};

template <>
struct Schema<InferResponse> {
  static constexpr std::tuple fields{
      Field{1, "model_name", &InferResponse::model_name},
      Field{2, "model_version", &InferResponse::model_version},
      Field{3, "id", &InferResponse::id},
      Field{5, "outputs", &InferResponse::outputs},
      Field{6, "request_id", &InferResponse::request_id},
  };
};

template <>
struct Schema<ScoringError> {
  static constexpr std::tuple fields{
      Field{1, "code", &ScoringError::code},
      Field{2, "message", &ScoringError::message},
      Field{3, "retryable", &ScoringError::retryable},
      Field{4, "retry_after_ms", &ScoringError::retry_after_ms},
  };
};

template <>
struct Schema<ApplicationException> {
  static constexpr std::tuple fields{
      Field{1, "message", &ApplicationException::message},
      Field{2, "type", &ApplicationException::type},
  };
};

}  // namespace thriftscore::wire
