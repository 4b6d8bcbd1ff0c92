# SPDX-License-Identifier: Apache-2.0
"""REST: the Open Inference Protocol in JSON, on FastAPI, uvicorn and orjson; one event loop."""

from __future__ import annotations

import socket

import numpy as np
import orjson
import uvicorn
from fastapi import FastAPI, Request, Response
from peer import ADDRESS, PeerOptions, announce, read_options

from thriftscore.errors import InvalidArgument

BACKLOG = 2_048  # uvicorn's own


class AnnouncedServer(uvicorn.Server):
    """Announces its port once it serves."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to serve on `sockets`."""
        await super().startup(sockets)
        assert sockets
        announce(sockets[0].getsockname()[1])


def make_application(options: PeerOptions) -> FastAPI:
    application = FastAPI()
    model, datatype = options.model, options.model.precision.upper()

    # async, so that FastAPI hands the call to no thread; a Response, so that it checks no schema.
    @application.post("/v2/models/m/infer")
    async def infer(request: Request) -> Response:
        given = orjson.loads(await request.body())["inputs"][0]
        features = np.array(
            given["data"], np.float64 if given["datatype"] == "FP64" else np.float32
        )
        try:
            scores = model.score(features.reshape(given["shape"]))
        except (InvalidArgument, ValueError) as error:
            return Response(orjson.dumps({"error": str(error)}), 400, media_type="application/json")
        output = {"name": "scores", "datatype": datatype, "shape": scores.shape}
        answer = {"model_name": "m", "outputs": [{**output, "data": scores.ravel()}]}
        body = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
        return Response(body, media_type="application/json")

    return application


def main() -> None:
    options = read_options(str(__doc__))
    listener = socket.create_server((ADDRESS, options.port), backlog=BACKLOG)
    config = uvicorn.Config(
        make_application(options),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=1,
    )
    AnnouncedServer(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
