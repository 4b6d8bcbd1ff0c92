# SPDX-License-Identifier: Apache-2.0
"""gRPC's Python server on asyncio and uvloop: one event loop, whatever --threads says."""

from __future__ import annotations

import grpc.aio
import uvloop
from grpc_infer import SERVER_OPTIONS, infer
from inference import (
    GRPCInferenceServiceServicer,
    ModelInferRequest,
    ModelInferResponse,
    add_GRPCInferenceServiceServicer_to_server,
)
from peer import PeerOptions, announce, read_options

import thriftscore
from thriftscore.errors import InvalidArgument


class Service(GRPCInferenceServiceServicer):
    """Scores on the loop: a thread would cost more than the scoring of a request."""

    def __init__(self, model: thriftscore.Model) -> None:
        self._model = model

    async def ModelInfer(  # noqa: N802 - the protocol's name
        self, request: ModelInferRequest, context: grpc.aio.ServicerContext
    ) -> ModelInferResponse:
        """Answer one request."""
        try:
            return infer(self._model, request)
        except InvalidArgument as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))


async def serve(options: PeerOptions) -> None:
    server = grpc.aio.server(options=SERVER_OPTIONS)
    add_GRPCInferenceServiceServicer_to_server(Service(options.model), server)
    port = server.add_insecure_port(options.address)
    await server.start()
    announce(port)
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(serve(read_options(str(__doc__))))
