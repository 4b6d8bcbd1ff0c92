# SPDX-License-Identifier: Apache-2.0
"""Thrift messages to bytes and back, by the accelerated codecs of the Thrift library.

The heads of messages and of the last fields are written and read here: what is alike in all calls
of a method is made once, and a reply can be given to its call before it is decoded.
"""

from __future__ import annotations

import logging
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import Any, Literal

from thrift.protocol.TBinaryProtocol import TBinaryProtocolAccelerated
from thrift.protocol.TCompactProtocol import TCompactProtocolAccelerated
from thrift.Thrift import TApplicationException, TMessageType
from thrift.transport.TTransport import TMemoryBuffer

from thriftscore_client._generated import ScoringService
from thriftscore_client.framing import Message

# ruff: noqa: ANN401  # the Thrift library and generated code are untyped

_LOG = logging.getLogger("thriftscore_client")
_PROTOCOLS = {"binary": TBinaryProtocolAccelerated, "compact": TCompactProtocolAccelerated}
_REPLY = TMessageType.REPLY
_STOP = b"\0"  # the end of a struct, alike in both protocols
ENDS = 2 * _STOP
"""What ends an open request and the arguments around it."""
_BINARY_VERSION = 0x8001_0000
_BINARY_STRUCT, _BINARY_STRING, _BINARY_I32 = 12, 11, 8
_BINARY_HEAD = struct.Struct("!Ii")
_BINARY_FIELD = struct.Struct("!bh")
_BINARY_INT = struct.Struct("!bhi")
_INT = struct.Struct("!i")
_REQUEST_ID_FIELD, _DEADLINE_FIELD = 1, 2  # of RequestContext
_COMPACT_PROTOCOL, _COMPACT_VERSION = 0x82, 1
_COMPACT_STRUCT, _COMPACT_STRING, _COMPACT_I32 = 12, 8, 5


class ReplyError(Exception):
    """The reply is not one to the call that was sent, or cannot be decoded."""


@dataclass(slots=True)
class Payload:
    """The one large field of a request struct, sent from the caller's memory without a copy.

    The struct itself leaves the field out. Thrift does not order the fields of a struct, so the
    payload is put behind the others.
    """

    field_id: int
    data: memoryview | bytes
    """Bytes, or a view of bytes."""


Head = tuple[str, int, int, int]
"""What stands before the content of a message: method, type, number, and where it ends."""


class _Protocols(threading.local):
    """One protocol object of the Thrift library for each thread: they keep state, and cost time."""

    def __init__(self, kind: type, limits: dict[str, Any]) -> None:
        self.protocol: Any = kind(TMemoryBuffer(), **limits)


class Codec:
    """Encodes calls and decodes replies of one protocol. Safe to share."""

    def __init__(self, protocol: Literal["binary", "compact"], frame_bytes_max: int) -> None:
        limits: dict[str, Any] = {
            "string_length_limit": frame_bytes_max,
            "container_length_limit": frame_bytes_max,
        }
        binary = protocol == "binary"
        if binary:
            limits["strictRead"] = True
        self._threads = _Protocols(_PROTOCOLS[protocol], limits)
        self.call_head: Callable[[str, int], bytes] = (
            _binary_call_head if binary else _compact_call_head
        )
        """What a call begins with, by its method and number."""
        self.string_head: Callable[[int, int], bytes] = (
            _binary_string_head if binary else _compact_string_head
        )
        """What stands before a string as a field of an open struct, by field and length."""
        self.rest_of_context: Callable[[bytes, int, bytes], tuple[bytes, ...]] = (
            _binary_rest_of_context if binary else _compact_rest_of_context
        )
        """What follows `open_context`: the request id, the time left, and fields as they are."""
        self._struct_head = _binary_struct_head if binary else _compact_struct_head
        self._request_id_head = self.string_head(_REQUEST_ID_FIELD, 0)[: 3 if binary else 2]
        self.read_head: Callable[[Message], Head] = (
            _read_binary_head if binary else _read_compact_head
        )
        """Reads the head of a reply. Raises ReplyError."""
        if self._threads.protocol._fast_encode is None:
            _LOG.warning(
                "the thrift package has no compiled codec here: encoding is many times slower"
            )

    def encode_struct(self, generated: Any) -> bytes:
        """A generated struct with its end."""
        protocol = self._threads.protocol
        protocol.trans = TMemoryBuffer()
        generated.write(protocol)
        encoded: bytes = protocol.trans.getvalue()
        return encoded

    def open_context(self, arguments: bytes, field_id: int) -> bytes:
        """Encoded arguments, their last struct open, and in it the context up to the request id."""
        assert arguments.endswith(ENDS)
        return arguments[: -len(ENDS)] + self._struct_head(field_id) + self._request_id_head

    def string_field(self, field_id: int, text: str) -> bytes:
        """A string as a field of an open struct."""
        data = text.encode()
        return self.string_head(field_id, len(data)) + data

    def decode(self, head: Head, message: Message) -> Any:
        """The generated `<method>_result`, or the TApplicationException, in a reply.

        Raises ReplyError unless the message is exactly one reply.
        """
        method, kind, _, start = head
        result = _result_class(method)() if kind == _REPLY else _exception(kind)
        buffer = _Content(message, start)
        protocol = self._threads.protocol
        protocol.trans = buffer
        try:
            result.read(protocol)
        except Exception as error:  # bad bytes raise what they like in the Thrift library
            reason = str(error) or type(error).__name__
            raise ReplyError(f"the reply cannot be decoded: {reason}") from error
        left_over = len(message) - buffer._buffer.tell()
        if left_over:
            raise ReplyError(f"{left_over} bytes are left over after the reply")
        return result


class _Content(TMemoryBuffer):  # type: ignore[misc]  # untyped
    """The content of a message, made with less work than TMemoryBuffer does."""

    def __init__(self, message: Message, start: int) -> None:
        self._buffer = buffer = BytesIO(message)
        buffer.seek(start)

    @property
    def cstringio_buf(self) -> BytesIO:
        return self._buffer


def _exception(kind: int) -> Any:
    """What to read a message into that is not a reply; ReplyError where it is no exception."""
    if kind != TMessageType.EXCEPTION:
        raise ReplyError(f"the message has type {kind}, expected {_REPLY}, a reply")
    return TApplicationException()


@lru_cache(maxsize=64)
def _result_class(method: str) -> Any:
    return getattr(ScoringService, f"{method}_result")


_BINARY_METHODS: dict[str, bytes] = {}


def _binary_method(method: str) -> bytes:
    name = method.encode()
    head = _BINARY_HEAD.pack(_BINARY_VERSION | TMessageType.CALL, len(name)) + name
    _BINARY_METHODS[method] = head
    return head


def _binary_call_head(method: str, sequence: int) -> bytes:
    return (_BINARY_METHODS.get(method) or _binary_method(method)) + _INT.pack(sequence)


def _compact_call_head(method: str, sequence: int) -> bytes:
    name = method.encode()
    kind = TMessageType.CALL << 5 | _COMPACT_VERSION
    return bytes([_COMPACT_PROTOCOL, kind]) + varint(sequence) + varint(len(name)) + name


@lru_cache(maxsize=64)
def _binary_struct_head(field_id: int) -> bytes:
    return _BINARY_FIELD.pack(_BINARY_STRUCT, field_id)


def _binary_string_head(field_id: int, length: int) -> bytes:
    return _BINARY_FIELD.pack(_BINARY_STRING, field_id) + _INT.pack(length)


def _binary_rest_of_context(request_id: bytes, deadline_ms: int, rest: bytes) -> tuple[bytes, ...]:
    deadline = _BINARY_INT.pack(_BINARY_I32, _DEADLINE_FIELD, deadline_ms)
    return _INT.pack(len(request_id)), request_id, deadline, rest, _STOP


@lru_cache(maxsize=64)
def _compact_struct_head(field_id: int) -> bytes:
    """The long form of a field header, since the id may be less than that of the field before."""
    return bytes([_COMPACT_STRUCT]) + varint(field_id << 1)  # zigzag of a positive number


def _compact_string_head(field_id: int, length: int) -> bytes:
    return bytes([_COMPACT_STRING]) + varint(field_id << 1) + varint(length)


def _compact_rest_of_context(request_id: bytes, deadline_ms: int, rest: bytes) -> tuple[bytes, ...]:
    deadline = bytes([_COMPACT_I32]) + varint(_DEADLINE_FIELD << 1) + varint(deadline_ms << 1)
    return varint(len(request_id)), request_id, deadline, rest, _STOP


def varint(value: int) -> bytes:
    """A number of the compact protocol, not negative."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _read_binary_head(message: Message) -> Head:
    try:
        version, length = _BINARY_HEAD.unpack_from(message)
        end = _BINARY_HEAD.size + length
        if version & 0xFFFF_FF00 != _BINARY_VERSION or length < 0:
            raise ReplyError("the reply cannot be decoded: it is not of the binary protocol")
        name = message[_BINARY_HEAD.size : end].decode()
        return name, version & 0xFF, _INT.unpack_from(message, end)[0], end + _INT.size
    except (struct.error, UnicodeDecodeError) as error:
        raise ReplyError(f"the reply cannot be decoded: {error}") from error


def _read_compact_head(message: Message) -> Head:
    try:
        if message[0] != _COMPACT_PROTOCOL or message[1] & 0x1F != _COMPACT_VERSION:
            raise ReplyError("the reply cannot be decoded: it is not of the compact protocol")
        sequence, start = _read_varint(message, 2)
        length, start = _read_varint(message, start)
        name = message[start : start + length].decode()
        return name, message[1] >> 5, sequence, start + length
    except (IndexError, UnicodeDecodeError) as error:
        raise ReplyError(f"the reply cannot be decoded: {error}") from error


def _read_varint(message: Message, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 35, 7):
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ReplyError("the reply cannot be decoded: a number of more than five bytes")
