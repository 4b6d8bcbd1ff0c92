// SPDX-License-Identifier: Apache-2.0
// ModelInfer of dense rows, for the synchronous and the callback server alike.
#pragma once

#include <grpcpp/server_builder.h>

#include "inference.grpc.pb.h"
#include "peer.h"
#include "row_scorer.h"

namespace thriftscore::peers {

/// Scores the one input of `request`; the reply has the form of the request, raw or repeated.
grpc::Status infer(const RowScorer& scorer, const inference::ModelInferRequest& request,
                   inference::ModelInferResponse& response);

/// Serves `service` on the port of `options` until a signal ends the process. `builder` may bring
/// settings of its own.
void serve_grpc(grpc::ServerBuilder& builder, grpc::Service& service, const PeerOptions& options);

}  // namespace thriftscore::peers
