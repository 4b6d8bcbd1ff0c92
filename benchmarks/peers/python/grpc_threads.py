# SPDX-License-Identifier: Apache-2.0
"""gRPC's Python server with a pool of --threads threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import grpc
from grpc_infer import SERVER_OPTIONS, infer
from inference import (
    GRPCInferenceServiceServicer,
    ModelInferRequest,
    ModelInferResponse,
    add_GRPCInferenceServiceServicer_to_server,
)
from peer import announce, read_options

import thriftscore
from thriftscore.errors import InvalidArgument


class Service(GRPCInferenceServiceServicer):
    """Scores in the thread that the pool gave the call."""

    def __init__(self, model: thriftscore.Model) -> None:
        self._model = model

    def ModelInfer(  # noqa: N802 - the protocol's name
        self, request: ModelInferRequest, context: grpc.ServicerContext
    ) -> ModelInferResponse:
        """Answer one request."""
        try:
            return infer(self._model, request)
        except InvalidArgument as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))


def main() -> None:
    options = read_options(str(__doc__))
    server = grpc.server(ThreadPoolExecutor(options.threads), options=SERVER_OPTIONS)
    add_GRPCInferenceServiceServicer_to_server(Service(options.model), server)
    port = server.add_insecure_port(options.address)
    server.start()
    announce(port)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
