// SPDX-License-Identifier: Apache-2.0
#include "thrift_handler.h"

#include <thrift/protocol/TBinaryProtocol.h>
#include <thrift/transport/TBufferTransports.h>

namespace thriftscore::peers {
namespace {

using apache::thrift::transport::TBufferBase;

::ScoringError error_of(::ErrorCode::type code, const std::string& message) {
  ::ScoringError error;
  error.__set_code(code);
  error.__set_message(message);
  return error;
}

[[noreturn]] void refuse_method() {
  throw error_of(::ErrorCode::UNIMPLEMENTED, "this server only scores dense rows");
}

/// `act`, with a refusal as the IDL has it.
template <typename Act>
void refusing(const Act& act) {
  try {
    act();
  } catch (const RowsRefused& error) {
    throw error_of(::ErrorCode::INVALID_ARGUMENT, error.what());
  }
}

/// One row of doubles; the scores widened to double.
std::vector<double> score_row(const RowScorer& scorer, const std::vector<double>& values) {
  if (scorer.rows_of(values.size()) != 1) throw RowsRefused("expected one row");
  std::vector<double> scores(scorer.model().outputs());
  if (scorer.is_double()) {
    scorer.score(values.data(), 1, scores.data());
  } else {
    std::vector<float> narrow(scores.size());
    scorer.score(values.data(), 1, narrow.data());
    scores.assign(narrow.begin(), narrow.end());
  }
  return scores;
}

std::vector<double> row_of(const Model& model, const std::map<std::string, double>& features) {
  std::vector<double> row;
  for (const std::string& name : model.description().features) {
    const auto found = features.find(name);
    if (found == features.end()) throw RowsRefused("feature '" + name + "' is missing");
    row.push_back(found->second);
  }
  return row;
}

}  // namespace

ThriftHandler::ThriftHandler(std::shared_ptr<const Model> model) : scorer_(std::move(model)) {}

void ThriftHandler::score(::ScoreResponse& response, const ::ScoreRequest& request) {
  refusing([&] {
    response.scores = scorer_.score_bytes(request.features, request.datatype == ::DataType::FP64);
    const std::size_t value_bytes = scorer_.is_double() ? sizeof(double) : sizeof(float);
    const std::size_t columns = scorer_.model().outputs();
    response.datatype = scorer_.is_double() ? ::DataType::FP64 : ::DataType::FP32;
    response.rows = static_cast<std::int64_t>(response.scores.size() / value_bytes / columns);
    response.columns = static_cast<std::int32_t>(columns);
    response.model_version = "1";
    if (request.context.__isset.request_id) response.__set_request_id(request.context.request_id);
  });
}

void ThriftHandler::score_values(std::vector<double>& scores, const std::string& /*model_name*/,
                                 const std::vector<double>& values) {
  refusing([&] { scores = score_row(scorer_, values); });
}

void ThriftHandler::score_named(std::vector<double>& scores, const std::string& /*model_name*/,
                                const std::map<std::string, double>& features) {
  refusing([&] { scores = score_row(scorer_, row_of(scorer_.model(), features)); });
}

void ThriftHandler::score_sparse(::ScoreResponse& /*response*/,
                                 const ::SparseScoreRequest& /*request*/) {
  refuse_method();
}

void ThriftHandler::normalize(::NormalizeResponse& /*response*/,
                              const ::NormalizeRequest& /*request*/) {
  refuse_method();
}

void ThriftHandler::denormalize(::NormalizeResponse& /*response*/,
                                const ::NormalizeRequest& /*request*/) {
  refuse_method();
}

void ThriftHandler::infer(::InferResponse& /*response*/, const ::InferRequest& /*request*/) {
  refuse_method();
}

bool ThriftHandler::server_live() { refuse_method(); }
bool ThriftHandler::server_ready() { refuse_method(); }
void ThriftHandler::server_metadata(::ServerMetadata& /*metadata*/) { refuse_method(); }

bool ThriftHandler::model_ready(const std::string& /*name*/, const std::string& /*version*/) {
  refuse_method();
}

void ThriftHandler::model_metadata(::ModelMetadata& /*metadata*/, const std::string& /*name*/,
                                   const std::string& /*version*/) {
  refuse_method();
}

void ThriftHandler::model_statistics(::ModelStatisticsResponse& /*response*/,
                                     const std::string& /*name*/, const std::string& /*version*/) {
  refuse_method();
}

std::shared_ptr<apache::thrift::TProcessor> make_processor(std::shared_ptr<const Model> model) {
  using Protocol = apache::thrift::protocol::TBinaryProtocolT<TBufferBase>;
  return std::make_shared<::ScoringServiceProcessorT<Protocol>>(
      std::make_shared<ThriftHandler>(std::move(model)));
}

std::shared_ptr<apache::thrift::protocol::TProtocolFactory> make_protocol_factory() {
  return std::make_shared<apache::thrift::protocol::TBinaryProtocolFactoryT<TBufferBase>>();
}

}  // namespace thriftscore::peers
