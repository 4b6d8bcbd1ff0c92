// SPDX-License-Identifier: Apache-2.0
// gRPC's synchronous server: --threads completion queues.
#include "grpc_infer.h"

namespace thriftscore::peers {
namespace {

class SyncService final : public inference::GRPCInferenceService::Service {
 public:
  explicit SyncService(std::shared_ptr<const Model> model) : scorer_(std::move(model)) {}

  grpc::Status ModelInfer(grpc::ServerContext* /*context*/,
                          const inference::ModelInferRequest* request,
                          inference::ModelInferResponse* response) override {
    return infer(scorer_, *request, *response);
  }

 private:
  RowScorer scorer_;
};

void serve(const PeerOptions& options) {
  SyncService service(options.model);
  grpc::ServerBuilder builder;
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, static_cast<int>(options.threads));
  serve_grpc(builder, service, options);
}

}  // namespace
}  // namespace thriftscore::peers

int main(int count, char** values) {
  return thriftscore::peers::run_peer(count, values, thriftscore::peers::serve);
}
