# SPDX-License-Identifier: Apache-2.0
"""Thrift messages to bytes and back, by the accelerated codecs of the Thrift library."""

from __future__ import annotations

import logging
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from thrift.protocol.TBinaryProtocol import TBinaryProtocolAccelerated
from thrift.protocol.TCompactProtocol import TCompactProtocolAccelerated
from thrift.Thrift import TApplicationException, TMessageType
from thrift.transport.TTransport import TMemoryBuffer

from thriftscore_client._generated import ScoringService
from thriftscore_client.connection import Buffer
from thriftscore_client.options import ClientOptions

_LOG = logging.getLogger("thriftscore_client")
_PROTOCOLS = {"binary": TBinaryProtocolAccelerated, "compact": TCompactProtocolAccelerated}
_STOPS = b"\0\0"  # the ends of the request and of the arguments, alike in both protocols
_BINARY_STRING = 11
_COMPACT_BINARY = 8


class ReplyError(Exception):
    """The reply is not one to the call that was sent, or cannot be decoded."""


@dataclass(frozen=True)
class Payload:
    """The one large field of a request struct, sent from the caller's memory without a copy.

    The struct itself leaves the field out. Thrift does not order the fields of a struct, so the
    payload is put behind the others.
    """

    field_id: int
    data: memoryview


class Codec:
    """Encodes calls and decodes replies of one protocol. Immutable, so safe to share."""

    def __init__(self, options: ClientOptions) -> None:
        self._protocol_class = _PROTOCOLS[options.protocol]
        self._limits = {
            "string_length_limit": options.frame_bytes_max,
            "container_length_limit": options.frame_bytes_max,
        }
        if options.protocol == "binary":
            self._limits["strictRead"] = True
        self._payload_header = (
            _binary_payload_header if options.protocol == "binary" else _compact_payload_header
        )
        if self._protocol(TMemoryBuffer())._fast_encode is None:
            _LOG.warning(
                "the thrift package has no compiled codec here: encoding is many times slower"
            )

    def _protocol(self, transport: TMemoryBuffer) -> Any:  # noqa: ANN401  # Thrift is untyped
        return self._protocol_class(transport, **self._limits)

    def encode(
        self, method: str, sequence: int, arguments: object, payload: Payload | None
    ) -> Sequence[Buffer]:
        """The message of a call, in parts that follow one another."""
        transport = TMemoryBuffer()
        protocol = self._protocol(transport)
        protocol.writeMessageBegin(method, TMessageType.CALL, sequence)
        arguments.write(protocol)  # type: ignore[attr-defined]  # generated, untyped
        protocol.writeMessageEnd()
        message: bytes = transport.getvalue()
        if payload is None:
            return [message]
        assert message.endswith(_STOPS)
        header = self._payload_header(payload)
        return [message[: -len(_STOPS)] + header, payload.data, _STOPS]

    def decode(self, method: str, sequence: int, frame: bytes | bytearray) -> Any:  # noqa: ANN401
        """The generated `<method>_result`, or the TApplicationException, in a reply.

        Raises ReplyError unless the frame is exactly one reply to this call.
        """
        transport = TMemoryBuffer(frame)
        protocol = self._protocol(transport)
        try:
            message = protocol.readMessageBegin()
            result = _empty_result((method, sequence), message)
            result.read(protocol)
            protocol.readMessageEnd()
        except ReplyError:
            raise
        except Exception as error:  # bad bytes raise what they like in the Thrift library
            reason = str(error) or type(error).__name__
            raise ReplyError(f"the reply cannot be decoded: {reason}") from error
        left_over = len(frame) - transport.cstringio_buf.tell()
        if left_over:
            raise ReplyError(f"{left_over} bytes are left over after the reply")
        return result


def _empty_result(expected: tuple[str, int], message: tuple[str, int, int]) -> Any:  # noqa: ANN401
    """What to read a reply into; ReplyError where the message is not a reply to this call."""
    method, sequence = expected
    name, kind, replied = message
    if (name, replied) != expected:
        raise ReplyError(
            f"the reply is to call {replied} of {name!a}, expected call {sequence} of {method}"
        )
    if kind == TMessageType.EXCEPTION:
        return TApplicationException()
    if kind != TMessageType.REPLY:
        raise ReplyError(f"the message has type {kind}, expected {TMessageType.REPLY}, a reply")
    return getattr(ScoringService, f"{method}_result")()


def _binary_payload_header(payload: Payload) -> bytes:
    return struct.pack("!bhi", _BINARY_STRING, payload.field_id, payload.data.nbytes)


def _compact_payload_header(payload: Payload) -> bytes:
    """The long form of a field header, since the id is less than that of the field before."""
    field_id = _varint(payload.field_id << 1)  # zigzag of a positive number
    return bytes([_COMPACT_BINARY]) + field_id + _varint(payload.data.nbytes)


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
