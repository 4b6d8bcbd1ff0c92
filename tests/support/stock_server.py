# SPDX-License-Identifier: Apache-2.0
"""Small servers for clients to be tried on: one of the stock Thrift library, one of raw bytes."""

from __future__ import annotations

import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from thrift.protocol.THeaderProtocol import THeaderProtocol
from thrift.Thrift import TException
from thrift.transport.THeaderTransport import THeaderClientType
from thrift.transport.TSocket import TSocket

from thriftscore._generated import ScoringService
from thriftscore._generated.ttypes import DataType, ModelMetadata, ScoreResponse

EVERY_CLIENT = (
    THeaderClientType.HEADERS,
    THeaderClientType.FRAMED_BINARY,
    THeaderClientType.UNFRAMED_BINARY,
    THeaderClientType.FRAMED_COMPACT,
    THeaderClientType.UNFRAMED_COMPACT,
)


class SocketServer:
    """Serves each connection on 127.0.0.1 with `serve(socket)` in a thread of its own."""

    def __init__(self, serve: Callable[[socket.socket], None], port: int = 0) -> None:
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", port))
        self._connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        self.endpoint = f"127.0.0.1:{self._listener.getsockname()[1]}"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections.append(connection)
            thread = threading.Thread(target=self._serve_until_closed, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve_until_closed(self, connection: socket.socket) -> None:
        with connection:
            try:
                self._serve(connection)
            except (OSError, EOFError, TException):
                return

    def __enter__(self) -> SocketServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join()
        for connection in self._connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:  # it has ended by itself
                continue
        for thread in self._threads[1:]:
            thread.join()


class CountingHandler:
    """Answers every method with the number of values it was sent; counts the calls."""

    FEATURES = ("a,b", "c=d", "größe")

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self._lock = threading.Lock()

    def _count(self, method: str) -> None:
        with self._lock:
            self.calls[method] += 1

    def ping(self) -> bool:
        self._count("ping")
        return True

    def score(self, request: Any) -> ScoreResponse:
        self._count("score")
        size = 8 if request.datatype == DataType.FP64 else 4
        rows = len(request.features) // (size * 3)
        request_id = request.context.request_id if request.context else None
        return ScoreResponse(
            scores=struct.pack(f"<{rows}f", *range(rows)),
            rows=rows,
            columns=1,
            model_version="1",
            request_id=request_id,
        )

    def score_values(self, model_name: str, values: list[float]) -> list[float]:
        self._count("score_values")
        assert model_name
        return [float(len(values))]

    def score_named(self, model_name: str, features: dict[str, float]) -> list[float]:
        self._count("score_named")
        assert model_name
        return [float(len(features))]

    def model_metadata(self, model_name: str, model_version: str) -> ModelMetadata:
        assert model_version == ""
        return ModelMetadata(name=model_name, feature_names=list(self.FEATURES))


def stock_server(handler: Any) -> SocketServer:
    """The generated Processor behind the stock library's THeaderProtocol, which takes framed and
    unframed, binary and compact as well and answers in kind."""

    def serve(connection: socket.socket) -> None:
        processor = ScoringService.Processor(handler)
        stock = TSocket()
        stock.setHandle(connection)
        codec = THeaderProtocol(stock, list(EVERY_CLIENT))
        while True:
            processor.process(codec, codec)

    return SocketServer(serve)
