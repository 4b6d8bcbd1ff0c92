// SPDX-License-Identifier: Apache-2.0
// ScoringService of the IDL, as far as the comparison calls it, over the stock library's code.
#pragma once

#include <thrift/server/TServer.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ScoringService.h"
#include "peer.h"
#include "row_scorer.h"

namespace thriftscore::peers {

/// Answers ping, score, score_values and score_named of dense rows; all else is UNIMPLEMENTED.
class ThriftHandler : public ::ScoringServiceIf {
 public:
  explicit ThriftHandler(std::shared_ptr<const Model> model);

  bool ping() override { return true; }
  void score(::ScoreResponse& response, const ::ScoreRequest& request) override;
  void score_values(std::vector<double>& scores, const std::string& model_name,
                    const std::vector<double>& values) override;
  void score_named(std::vector<double>& scores, const std::string& model_name,
                   const std::map<std::string, double>& features) override;

  void score_sparse(::ScoreResponse& response, const ::SparseScoreRequest& request) override;
  void normalize(::NormalizeResponse& response, const ::NormalizeRequest& request) override;
  void denormalize(::NormalizeResponse& response, const ::NormalizeRequest& request) override;
  void infer(::InferResponse& response, const ::InferRequest& request) override;
  bool server_live() override;
  bool server_ready() override;
  void server_metadata(::ServerMetadata& metadata) override;
  bool model_ready(const std::string& name, const std::string& version) override;
  void model_metadata(::ModelMetadata& metadata, const std::string& name,
                      const std::string& version) override;
  void model_statistics(::ModelStatisticsResponse& response, const std::string& name,
                        const std::string& version) override;

 private:
  RowScorer scorer_;
};

/// The processor that the generator's `templates` option makes, for the binary protocol over a
/// buffer: without it every field is read through virtual calls.
std::shared_ptr<apache::thrift::TProcessor> make_processor(std::shared_ptr<const Model> model);
std::shared_ptr<apache::thrift::protocol::TProtocolFactory> make_protocol_factory();

/// Announces the port once the server listens.
class PortAnnouncer : public apache::thrift::server::TServerEventHandler {
 public:
  explicit PortAnnouncer(std::function<int()> port) : port_(std::move(port)) {}
  void preServe() override { announce(port_()); }

 private:
  std::function<int()> port_;
};

}  // namespace thriftscore::peers
