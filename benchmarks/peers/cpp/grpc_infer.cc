// SPDX-License-Identifier: Apache-2.0
#include "grpc_infer.h"

#include <absl/synchronization/mutex.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>

namespace thriftscore::peers {
namespace {

using Output = inference::ModelInferResponse::InferOutputTensor;

/// Scores `features`, a repeated field, into the response's own memory.
template <typename In>
std::size_t score_repeated(const RowScorer& scorer, const In& features, Output& output) {
  const std::size_t rows = scorer.rows_of(static_cast<std::size_t>(features.size()));
  const int scores = static_cast<int>(rows * scorer.model().outputs());
  auto& contents = *output.mutable_contents();
  if (scorer.is_double()) {
    contents.mutable_fp64_contents()->Resize(scores, 0);
    scorer.score(features.data(), rows, contents.mutable_fp64_contents()->mutable_data());
  } else {
    contents.mutable_fp32_contents()->Resize(scores, 0);
    scorer.score(features.data(), rows, contents.mutable_fp32_contents()->mutable_data());
  }
  return rows;
}

std::size_t score_input(const RowScorer& scorer, const inference::ModelInferRequest& request,
                        inference::ModelInferResponse& response, Output& output) {
  const bool is_double = request.inputs(0).datatype() == "FP64";
  const auto& contents = request.inputs(0).contents();
  if (request.raw_input_contents_size() == 0) {
    return is_double ? score_repeated(scorer, contents.fp64_contents(), output)
                     : score_repeated(scorer, contents.fp32_contents(), output);
  }
  const std::string& features = request.raw_input_contents(0);
  response.add_raw_output_contents(scorer.score_bytes(features, is_double));
  return scorer.rows_of(features.size() / (is_double ? sizeof(double) : sizeof(float)));
}

}  // namespace

grpc::Status infer(const RowScorer& scorer, const inference::ModelInferRequest& request,
                   inference::ModelInferResponse& response) {
  if (request.inputs_size() != 1) {
    return {grpc::StatusCode::INVALID_ARGUMENT, "expected one input"};
  }
  Output& output = *response.add_outputs();
  try {
    const std::size_t rows = score_input(scorer, request, response, output);
    output.add_shape(static_cast<std::int64_t>(rows));
  } catch (const RowsRefused& error) {
    return {grpc::StatusCode::INVALID_ARGUMENT, error.what()};
  }
  output.add_shape(static_cast<std::int64_t>(scorer.model().outputs()));
  output.set_name("scores");
  output.set_datatype(scorer.is_double() ? "FP64" : "FP32");
  response.set_model_name(request.model_name());
  return grpc::Status::OK;
}

void serve_grpc(grpc::ServerBuilder& builder, grpc::Service& service, const PeerOptions& options) {
  // Debian builds Abseil without NDEBUG, where every lock looks for deadlocks; a release would not.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  int port = 0;
  builder.AddListeningPort(std::string(kAddress) + ":" + std::to_string(options.port),
                           grpc::InsecureServerCredentials(), &port);
  builder.SetMaxReceiveMessageSize(kMessageBytesMax);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (!server) throw std::runtime_error("the server did not start");
  announce(port);
  server->Wait();
}

}  // namespace thriftscore::peers
