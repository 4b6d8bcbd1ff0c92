# SPDX-License-Identifier: Apache-2.0
"""A call as it is sent, and what its reply means. Shared by clients of threads and of asyncio."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from thrift.Thrift import TApplicationException

from thriftscore_client import errors
from thriftscore_client.codec import ENDS, Codec, Head, Payload, ReplyError
from thriftscore_client.compiled import is_available
from thriftscore_client.deadline import Deadline
from thriftscore_client.endpoint import Address
from thriftscore_client.errors import ErrorCode, Place, Refusal
from thriftscore_client.framing import Buffer, FrameError, Framing, Message
from thriftscore_client.options import ClientOptions

T = TypeVar("T")

JOINED_BYTES_MAX = 16_384
"""Copying this much costs less than a system call with a list of parts."""
_HEAVY_BYTES = 65_536
_THRIFT_CODES = {
    TApplicationException.UNKNOWN_METHOD: ErrorCode.UNIMPLEMENTED,
    TApplicationException.INTERNAL_ERROR: ErrorCode.INTERNAL,
}


# Not frozen, since that makes a new one cost three times as much; nobody changes them.
@dataclass(slots=True)
class Context:
    """Who asks; the time left is added when an attempt is sent."""

    request_id: str
    name: bytes
    """The request id, encoded."""
    rest: bytes = b""
    """Encoded fields beside the id and the time: trace and token."""


@dataclass(slots=True)
class Call(Generic[T]):
    """One call, ready to be sent as often as needed."""

    method: str
    arguments: bytes
    """Encoded; open within the context at the end, where there is one."""
    convert: Callable[[Any], T]
    """From the generated result to the caller's type; raises ReplyError where it makes no sense."""
    model: str = ""
    """For messages."""
    context: Context | None = None
    payload: Payload | None = None

    @property
    def is_heavy(self) -> bool:
        """True where other calls had better not wait behind it."""
        return self.payload is not None and len(self.payload.data) > _HEAVY_BYTES


class Wire:
    """How calls become bytes, and replies answers, in one protocol and transport."""

    def __init__(self, options: ClientOptions) -> None:
        self.codec = Codec(options.protocol, options.frame_bytes_max)
        self.framing = Framing(options.transport, options.protocol, options.frame_bytes_max)
        self.tls = None if options.tls is None else options.tls.context()
        """None = no TLS."""
        self.frame_bytes_max = options.frame_bytes_max
        self.is_compiled = (
            is_available()
            and self.tls is None
            and (options.protocol, options.transport) == ("binary", "framed")
        )
        """True where connections of threads are those of the compiled module."""
        self._options = options

    def server_name(self, address: Address) -> str:
        """The name that a server's certificate must have."""
        named = self._options.tls.server_name if self._options.tls is not None else None
        return named or address.host or "localhost"

    def encode(self, call: Call[Any], sequence: int, deadline: Deadline) -> list[Buffer]:
        """The message of an attempt, in parts that follow one another."""
        codec, payload, context = self.codec, call.payload, call.context
        parts: list[Buffer] = [b"", codec.call_head(call.method, sequence), call.arguments]
        if context is not None:
            parts += codec.rest_of_context(context.name, deadline.remaining_ms(), context.rest)
            if payload is not None:
                parts += (codec.string_head(payload.field_id, len(payload.data)), payload.data)
            parts.append(ENDS)
        length = sum(map(len, parts))
        if length > self.frame_bytes_max:
            raise errors.InvalidRequest(
                f"{call.method}: the message has {length} bytes,"
                f" frame_bytes_max is {self.frame_bytes_max}"
            )
        parts[0] = self.framing.prefix(length, sequence)
        return [b"".join(parts)] if length <= JOINED_BYTES_MAX else parts

    def decode(self, call: Call[T], head: Head, message: Message) -> T | Refusal:
        """The converted result, or the error that the server sent. Raises ReplyError."""
        result = self.codec.decode(head, message)
        if isinstance(result, TApplicationException):
            return _thrift_refusal(result)
        error, success = result.error, result.success
        if error is not None:
            return Refusal(error.code, error.message, error.retryable, error.retry_after_ms)
        if success is None:
            raise ReplyError("the reply has neither a result nor an error")
        if call.context is not None and success.request_id != call.context.request_id:
            raise ReplyError(
                f"the reply is to request {success.request_id!a},"
                f" expected {call.context.request_id!a}"
            )
        return call.convert(success)


def _thrift_refusal(exception: TApplicationException) -> Refusal:
    code = _THRIFT_CODES.get(exception.type)
    if code is None:
        raise ReplyError(f"the server could not read the call: {exception.message}")
    return Refusal(code.value, exception.message or "no reason given")


def wire_error(error: BaseException, place: Place, deadline: Deadline) -> BaseException:
    """The one mapping from what goes wrong on the wire to the client's errors."""
    if isinstance(error, TimeoutError):
        return errors.CallTimedOut(place, f"no answer within {deadline.seconds:g} s")
    if isinstance(error, OSError):
        return errors.ConnectionLost(place, _reason(error))
    if isinstance(error, FrameError | ReplyError):
        return errors.ProtocolViolation(place, str(error))
    return error


def connect_error(error: Exception, place: Place, limit_s: float) -> Exception:
    """As `wire_error`, for connecting within a limit."""
    if isinstance(error, TimeoutError):
        return errors.ConnectFailed(place, f"not connected within {limit_s:g} s")
    if isinstance(error, OSError | UnicodeError):  # the latter for a name that is none
        return errors.ConnectFailed(place, f"cannot connect: {_reason(error)}")
    return error


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
