# SPDX-License-Identifier: Apache-2.0
"""Replies to a call of ScoringService: the right one, and wrong ones that a client must notice."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from thrift.Thrift import TApplicationException, TException, TMessageType
from thrift.transport.TTransport import TMemoryBuffer
from thrift_wire import PROTOCOLS, frame

from thriftscore._generated import ScoringService
from thriftscore._generated.ttypes import (
    DataType,
    ErrorCode,
    ModelMetadata,
    ScoreResponse,
    ScoringError,
)

COMPACT_PROTOCOL_ID = 0x82
UNKNOWN_MESSAGE_TYPE = 7
DEADLINE_MS = 1000
RETRY_AFTER_MS = 5


@dataclass(frozen=True)
class Call:
    """A call that was read, in whichever protocol it came."""

    protocol: str
    method: str
    sequence_id: int
    arguments: Any

    @property
    def context(self) -> Any:
        return getattr(getattr(self.arguments, "request", None), "context", None)

    @property
    def deadline_ms(self) -> int:
        """What the caller will wait; a second where it does not say."""
        return (self.context and self.context.deadline_ms) or DEADLINE_MS

    def encode(self, body: Any, **header: Any) -> bytes:
        """A message with the header of this call's reply, but for what `header` says."""
        begin = {"name": self.method, "type": TMessageType.REPLY, "seqid": self.sequence_id}
        buffer = TMemoryBuffer()
        output = PROTOCOLS[self.protocol](buffer)
        output.writeMessageBegin(**(begin | header))
        body.write(output)
        output.writeMessageEnd()
        return buffer.getvalue()

    def result(self, **fields: Any) -> Any:
        """The generated result of this call's method."""
        return getattr(ScoringService, f"{self.method}_result")(**fields)

    def refuse(self, code: int) -> bytes:
        error = ScoringError(code, "not now", retryable=True, retry_after_ms=RETRY_AFTER_MS)
        return self.encode(self.result(error=error))

    def fail(self, kind: int) -> bytes:
        """A reply of Thrift itself rather than of the service."""
        return self.encode(TApplicationException(kind, "no luck"), type=TMessageType.EXCEPTION)


def decode(message: bytes) -> Call:
    """The call in a frame; TException or EOFError where there is none."""
    protocol = "compact" if message[:1] == bytes([COMPACT_PROTOCOL_ID]) else "binary"
    source = PROTOCOLS[protocol](TMemoryBuffer(message))
    name, kind, sequence_id = source.readMessageBegin()
    arguments_type = getattr(ScoringService, f"{name}_args", None)
    if kind != TMessageType.CALL or arguments_type is None:
        raise TException(f"not a call of ScoringService: {name!r}")
    arguments = arguments_type()
    arguments.read(source)
    return Call(protocol, name, sequence_id, arguments)


def score(call: Call) -> ScoreResponse:
    """The score of a row is the sum of its values as float32; rows have two values by default."""
    request = call.arguments.request
    dtype = "<f8" if request.datatype == DataType.FP64 else "<f4"
    rows = np.frombuffer(request.features, dtype).reshape(-1, request.columns or 2)
    scores = rows.astype("<f4").sum(axis=1, dtype="<f4")
    return ScoreResponse(
        scores=scores.tobytes(),
        rows=len(rows),
        columns=1,
        model_version="1",
        request_id=call.context and call.context.request_id,
    )


def metadata(call: Call) -> ModelMetadata:
    name = call.arguments.model_name
    return ModelMetadata(name, "1", ["1"], feature_names=["x0", "x1"], precision="fp32")


ANSWERS: dict[str, Callable[[Call], Any]] = {
    "score": score,
    "model_metadata": metadata,
    **dict.fromkeys(("ping", "server_live", "server_ready", "model_ready"), lambda _: True),
}


def right(call: Call) -> bytes:
    """The message of the right reply; of a method that is not needed here, UNKNOWN_METHOD."""
    answer = ANSWERS.get(call.method)
    if answer is None:
        return call.fail(TApplicationException.UNKNOWN_METHOD)
    return call.encode(call.result(success=answer(call)))


def wrong_request_id(call: Call) -> bytes:
    success = ANSWERS[call.method](call)
    success.request_id = "another"
    return call.encode(call.result(success=success))


def oversized(call: Call) -> bytes:
    return struct.pack(">i", 2**31 - 1) + right(call)


def negative_length(call: Call) -> bytes:
    return struct.pack(">i", -len(right(call))) + right(call)


def garbage(_call: Call) -> bytes:
    """Beyond any limit when it is taken for the length of a frame."""
    return b"\x7e" + random.Random(5).randbytes(99)


# Each is all that is sent for a call, in one piece; the connection stays open.
REPLIES: dict[str, Callable[[Call], bytes]] = {
    "right": lambda call: frame(right(call)),
    "oversized": oversized,
    "negative_length": negative_length,
    "empty_frame": lambda _: frame(b""),
    "garbage": garbage,
    "garbage_frame": lambda call: frame(garbage(call)),
    "http": lambda _: b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "truncated_message": lambda call: frame(right(call)[:-6]),
    "trailing_bytes": lambda call: frame(right(call) + b"\0\0"),
    "two_replies": lambda call: 2 * frame(right(call)),
    "wrong_sequence_id": lambda call: frame(
        call.encode(call.result(success=score(call)), seqid=call.sequence_id + 1)
    ),
    "wrong_method": lambda call: frame(
        call.encode(call.result(success=score(call)), name="normalize")
    ),
    "wrong_request_id": lambda call: frame(wrong_request_id(call)),
    "unknown_message_type": lambda call: frame(
        call.encode(call.result(success=score(call)), type=UNKNOWN_MESSAGE_TYPE)
    ),
    "neither_result_nor_error": lambda call: frame(call.encode(call.result())),
    "application_exception": lambda call: frame(call.fail(TApplicationException.INTERNAL_ERROR)),
    "overloaded": lambda call: frame(call.refuse(ErrorCode.OVERLOADED)),
    "unavailable": lambda call: frame(call.refuse(ErrorCode.UNAVAILABLE)),
}
