// SPDX-License-Identifier: Apache-2.0
// The arguments of the methods that are answered without Python, as thriftscore.thrift has them.
// Texts and bytes point into the message.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <tuple>

#include "wire/schema.h"
#include "wire/types.h"
#include "wire/views.h"

namespace thriftscore::wire {

/// Any number may come from the wire: is_defined() first.
enum class DataType : std::int32_t {
  kBool = 1,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kFp16,
  kFp32,
  kFp64,
  kBytes,
};

constexpr bool is_defined(DataType type) noexcept {
  return type >= DataType::kBool && type <= DataType::kBytes;
}

struct RequestContext {
  std::optional<std::string_view> request_id;
  std::optional<std::int32_t> deadline_ms;
  std::optional<std::string_view> traceparent;
  std::optional<std::string_view> auth_token;
};

struct ScoreRequest {
  std::string_view model_name;
  std::string_view model_version;
  Bytes features;
  DataType datatype = DataType::kFp32;
  std::optional<RequestContext> context;
  std::optional<std::int32_t> columns;
};

struct SparseScoreRequest {
  std::string_view model_name;
  std::string_view model_version;
  Bytes indptr;
  Bytes indices;
  Bytes values;
  DataType datatype = DataType::kFp32;
  std::optional<RequestContext> context;
};

struct NormalizeRequest {
  std::string_view model_name;
  std::string_view model_version;
  Bytes values;
  DataType datatype = DataType::kFp32;
  std::optional<RequestContext> context;
  std::optional<std::int32_t> columns;
};

struct InferParameter {
  std::optional<bool> bool_param;
  std::optional<std::int64_t> int64_param;
  std::optional<std::string_view> string_param;
  std::optional<double> double_param;
};

using InferParameters = MapView<std::string_view, InferParameter>;

struct TensorContents {
  std::optional<ListView<bool>> bool_contents;
  std::optional<ListView<std::int32_t>> int_contents;
  std::optional<ListView<std::int64_t>> int64_contents;
  std::optional<ListView<double>> fp_contents;
  std::optional<ListView<Bytes>> bytes_contents;
};

struct Tensor {
  std::string_view name;
  DataType datatype = DataType::kFp32;
  Shape shape;
  std::optional<Bytes> data;
  std::optional<TensorContents> contents;
  std::optional<InferParameters> parameters;
};

struct InferRequestedOutput {
  std::string_view name;
  std::optional<InferParameters> parameters;
};

struct InferRequest {
  std::string_view model_name;
  std::string_view model_version;
  std::optional<std::string_view> id;
  std::optional<InferParameters> parameters;
  ListView<Tensor> inputs;
  std::optional<ListView<InferRequestedOutput>> outputs;
  std::optional<RequestContext> context;
};

// The argument structs. A request that is absent is for the method to refuse.

/// ping, and every method without arguments.
struct NoArguments {};

/// Methods with one argument, `request`.
template <typename Request>
struct Arguments {
  std::optional<Request> request;
};

struct ScoreValuesArguments {
  std::optional<std::string_view> model_name;
  std::optional<ListView<double>> values;
};

struct ScoreNamedArguments {
  std::optional<std::string_view> model_name;
  std::optional<MapView<std::string_view, double>> features;
};

template <>
struct Schema<RequestContext> {
  static constexpr std::tuple fields{
      Field{1, "request_id", &RequestContext::request_id},
      Field{2, "deadline_ms", &RequestContext::deadline_ms},
      Field{3, "traceparent", &RequestContext::traceparent},
      Field{4, "auth_token", &RequestContext::auth_token},
  };
};

template <>
struct Schema<ScoreRequest> {
  static constexpr std::tuple fields{
      Field{1, "model_name", &ScoreRequest::model_name},
      Field{2, "model_version", &ScoreRequest::model_version},
      Field{3, "features", &ScoreRequest::features},
      Field{4, "datatype", &ScoreRequest::datatype},
      Field{5, "context", &ScoreRequest::context},
      Field{6, "columns", &ScoreRequest::columns},
  };
};

template <>
struct Schema<SparseScoreRequest> {
  static constexpr std::tuple fields{
      Field{1, "model_name", &SparseScoreRequest::model_name},
      Field{2, "model_version", &SparseScoreRequest::model_version},
      Field{3, "indptr", &SparseScoreRequest::indptr},
      Field{4, "indices", &SparseScoreRequest::indices},
      Field{5, "values", &SparseScoreRequest::values},
      Field{6, "datatype", &SparseScoreRequest::datatype},
      Field{7, "context", &SparseScoreRequest::context},
  };
};

template <>
struct Schema<NormalizeRequest> {
  static constexpr std::tuple fields{
      Field{1, "model_name", &NormalizeRequest::model_name},
      Field{2, "model_version", &NormalizeRequest::model_version},
      Field{3, "values", &NormalizeRequest::values},
      Field{4, "datatype", &NormalizeRequest::datatype},
      Field{5, "context", &NormalizeRequest::context},
      Field{6, "columns", &NormalizeRequest::columns},
  };
};

template <>
struct Schema<InferParameter> {
  static constexpr std::tuple fields{
      Field{1, "bool_param", &InferParameter::bool_param},
      Field{2, "int64_param", &InferParameter::int64_param},
      Field{3, "string_param", &InferParameter::string_param},
      Field{4, "double_param", &InferParameter::double_param},
  };
};

template <>
struct Schema<TensorContents> {
  static constexpr std::tuple fields{
      Field{1, "bool_contents", &TensorContents::bool_contents},
      Field{2, "int_contents", &TensorContents::int_contents},
      Field{3, "int64_contents", &TensorContents::int64_contents},
      Field{4, "fp_contents", &TensorContents::fp_contents},
      Field{5, "bytes_contents", &TensorContents::bytes_contents},
  };
};

template <>
struct Schema<Tensor> {
  static constexpr std::tuple fields{
      Field{1, "name", &Tensor::name},         Field{2, "datatype", &Tensor::datatype},
      Field{3, "shape", &Tensor::shape},       Field{4, "data", &Tensor::data},
      Field{5, "contents", &Tensor::contents}, Field{6, "parameters", &Tensor::parameters},
  };
};

template <>
struct Schema<InferRequestedOutput> {
  static constexpr std::tuple fields{
      Field{1, "name", &InferRequestedOutput::name},
      Field{2, "parameters", &InferRequestedOutput::parameters},
  };
};

template <>
struct Schema<InferRequest> {
  static constexpr std::tuple fields{
      Field{1, "model_name", &InferRequest::model_name},
      Field{2, "model_version", &InferRequest::model_version},
      Field{3, "id", &InferRequest::id},
      Field{4, "parameters", &InferRequest::parameters},
      Field{5, "inputs", &InferRequest::inputs},
      Field{6, "outputs", &InferRequest::outputs},
      Field{7, "context", &InferRequest::context},
  };
};

template <>
struct Schema<NoArguments> {
  static constexpr std::tuple<> fields{};
};

template <typename Request>
struct Schema<Arguments<Request>> {
  static constexpr std::tuple fields{Field{1, "request", &Arguments<Request>::request}};
};

template <>
struct Schema<ScoreValuesArguments> {
  static constexpr std::tuple fields{
      Field{1, "model_name", &ScoreValuesArguments::model_name},
      Field{2, "values", &ScoreValuesArguments::values},
  };
};

template <>
struct Schema<ScoreNamedArguments> {
  static constexpr std::tuple fields{
      Field{1, "model_name", &ScoreNamedArguments::model_name},
      Field{2, "features", &ScoreNamedArguments::features},
  };
};

}  // namespace thriftscore::wire
