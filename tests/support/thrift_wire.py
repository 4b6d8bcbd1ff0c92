# SPDX-License-Identifier: Apache-2.0
"""Thrift messages made and read with the stock library's pure Python protocols."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import Any

from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.protocol.TCompactProtocol import TCompactProtocol
from thrift.protocol.THeaderProtocol import THeaderProtocol
from thrift.protocol.TMultiplexedProtocol import TMultiplexedProtocol
from thrift.Thrift import TApplicationException, TMessageType
from thrift.transport.THeaderTransport import (
    THeaderClientType,
    THeaderSubprotocolID,
    THeaderTransport,
)
from thrift.transport.TSocket import TSocket
from thrift.transport.TTransport import TBufferedTransport, TFramedTransport, TMemoryBuffer

from thriftscore._generated import ModelRepositoryService, ScoringService
from thriftscore._generated.ttypes import RequestContext, ScoreRequest, ScoringError

PROTOCOLS = {"binary": TBinaryProtocol, "compact": TCompactProtocol}
HEADER_PROTOCOLS = {"binary": THeaderSubprotocolID.BINARY, "compact": THeaderSubprotocolID.COMPACT}
TRANSPORTS = ("framed", "unframed", "header")
TIMEOUT_S = 10.0
PROTOCOL_ERROR = TApplicationException.PROTOCOL_ERROR

Address = tuple[str, int] | str


@dataclass(frozen=True)
class Reply:
    """A decoded reply: either `success`, or `error`, or `exception`."""

    name: str
    sequence_id: int
    success: Any = None
    error: ScoringError | None = None
    exception: TApplicationException | None = None


def encode(protocol: str, method: str, sequence_id: int, **fields: Any) -> bytes:
    """A call of ScoringService."""
    return encode_as(protocol, (method, TMessageType.CALL, sequence_id), **fields)


def encode_as(protocol: str, header: tuple[str, int, int], **fields: Any) -> bytes:
    """A message of any type; the arguments are those of the method after a prefix, if any."""
    arguments = getattr(ScoringService, f"{header[0].rpartition(':')[2]}_args")(**fields)
    return _encoded(protocol, header, arguments)


def encode_reply(protocol: str, method: str, sequence_id: int, **fields: Any) -> bytes:
    """A reply of ScoringService, as the stock library writes it."""
    result = getattr(ScoringService, f"{method}_result")(**fields)
    return _encoded(protocol, (method, TMessageType.REPLY, sequence_id), result)


def _encoded(protocol: str, header: tuple[str, int, int], body: Any) -> bytes:
    transport = TMemoryBuffer()
    output = PROTOCOLS[protocol](transport)
    output.writeMessageBegin(*header)
    body.write(output)
    output.writeMessageEnd()
    return transport.getvalue()


def decode(protocol: str, message: bytes) -> Reply:
    """A reply of ScoringService."""
    source = PROTOCOLS[protocol](TMemoryBuffer(message))
    name, message_type, sequence_id = source.readMessageBegin()
    if message_type == TMessageType.EXCEPTION:
        exception = TApplicationException()
        exception.read(source)
        return Reply(name, sequence_id, exception=exception)
    assert message_type == TMessageType.REPLY
    result = getattr(ScoringService, f"{name}_result")()
    result.read(source)
    return Reply(name, sequence_id, success=result.success, error=result.error)


def frame(message: bytes) -> bytes:
    """The message with its length before it."""
    return struct.pack(">I", len(message)) + message


def header_frame(message: bytes) -> bytes:
    """The message in a THeader frame with its sequence id, as the stock library writes it."""
    protocol = "compact" if message[:1] == b"\x82" else "binary"
    buffer = TMemoryBuffer()
    transport = THeaderTransport(buffer, [THeaderClientType.HEADERS], HEADER_PROTOCOLS[protocol])
    transport.sequence_id = PROTOCOLS[protocol](TMemoryBuffer(message)).readMessageBegin()[2]
    transport.write(message)
    transport.flush()
    return buffer.getvalue()


def score_request(rows: list[list[float]], **fields: Any) -> ScoreRequest:
    """FP32 rows for the model "linear"."""
    features = b"".join(struct.pack(f"<{len(row)}f", *row) for row in rows)
    request_id = fields.pop("request_id", None)
    context = None if request_id is None else RequestContext(request_id=request_id)
    return ScoreRequest(**{"model_name": "linear"} | fields, features=features, context=context)


class RawConnection:
    """A socket that sends bytes as they are and receives frames."""

    def __init__(self, address: Address, timeout_s: float = TIMEOUT_S) -> None:
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(timeout_s)
        self.socket.connect(address)

    def __enter__(self) -> RawConnection:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send_message(self, message: bytes) -> None:
        self.send(frame(message))

    def receive(self, size: int) -> bytes:
        """Exactly `size` bytes; EOFError where the server closes before."""
        data = bytearray()
        while len(data) < size:
            chunk = self.socket.recv(min(65_536, size - len(data)))
            if not chunk:
                raise EOFError(f"closed after {len(data)} of {size} bytes")
            data += chunk
        return bytes(data)

    def receive_message(self) -> bytes:
        return self.receive(struct.unpack(">I", self.receive(4))[0])

    def call(self, message: bytes, protocol: str = "binary") -> Reply:
        self.send_message(message)
        return decode(protocol, self.receive_message())

    def read_to_end(self) -> bytes:
        """All that comes until the server closes, which a reset also counts as."""
        data = bytearray()
        while True:
            try:
                chunk = self.socket.recv(65_536)
            except ConnectionResetError:
                return bytes(data)
            if not chunk:
                return bytes(data)
            data += chunk


class StockClient:
    """The generated client of a service over the stock library's socket."""

    def __init__(
        self,
        address: Address,
        protocol: str = "binary",
        *,
        admin: bool = False,
        transport: str = "framed",
        service: str = "",
    ) -> None:
        target = {"unix_socket": address} if isinstance(address, str) else {}
        self._socket = TSocket(*([] if target else address), **target)
        self._socket.setTimeout(TIMEOUT_S * 1000)
        messages = _messages(self._socket, transport, protocol)
        if service:
            messages = TMultiplexedProtocol(messages, service)
        self._socket.open()
        self.calls = (ModelRepositoryService if admin else ScoringService).Client(messages)

    def __enter__(self) -> Any:
        return self.calls

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def _messages(source: TSocket, transport: str, protocol: str) -> Any:
    if transport == "header":
        kinds = [THeaderClientType.HEADERS]
        return THeaderProtocol(source, kinds, default_protocol=HEADER_PROTOCOLS[protocol])
    layers = {"framed": TFramedTransport, "unframed": TBufferedTransport}
    return PROTOCOLS[protocol](layers[transport](source))
