// SPDX-License-Identifier: Apache-2.0
// gRPC's callback server. The library chooses its threads, whatever --threads says.
#include "grpc_infer.h"

namespace thriftscore::peers {
namespace {

class CallbackService final : public inference::GRPCInferenceService::CallbackService {
 public:
  explicit CallbackService(std::shared_ptr<const Model> model) : scorer_(std::move(model)) {}

  grpc::ServerUnaryReactor* ModelInfer(grpc::CallbackServerContext* context,
                                       const inference::ModelInferRequest* request,
                                       inference::ModelInferResponse* response) override {
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    reactor->Finish(infer(scorer_, *request, *response));
    return reactor;
  }

 private:
  RowScorer scorer_;
};

void serve(const PeerOptions& options) {
  CallbackService service(options.model);
  grpc::ServerBuilder builder;
  serve_grpc(builder, service, options);
}

}  // namespace
}  // namespace thriftscore::peers

int main(int count, char** values) {
  return thriftscore::peers::run_peer(count, values, thriftscore::peers::serve);
}
