# SPDX-License-Identifier: Apache-2.0
"""Calls over connections: one place that connects, sends, checks and maps failures.

A connection is taken out for a call and put back only after a reply that is certainly the call's
own. Whatever else happens closes it, so that a late reply can never meet another call.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from thrift.Thrift import TApplicationException

from thriftscore_client import errors
from thriftscore_client.codec import Codec, Payload, ReplyError
from thriftscore_client.connection import Buffer, Connection, FrameError
from thriftscore_client.deadline import Deadline
from thriftscore_client.endpoint import Endpoint
from thriftscore_client.errors import ErrorCode, Place, Refusal
from thriftscore_client.options import ClientOptions

T = TypeVar("T")

_SEQUENCE_MASK = 0x7FFF_FFFF
_THRIFT_CODES = {
    TApplicationException.UNKNOWN_METHOD: ErrorCode.UNIMPLEMENTED,
    TApplicationException.INTERNAL_ERROR: ErrorCode.INTERNAL,
}


@dataclass(frozen=True)
class Call(Generic[T]):
    """One call, ready to be sent."""

    method: str
    arguments: object
    """The generated `<method>_args`."""
    convert: Callable[[Any], T]
    """From the generated result to the caller's type; raises ReplyError where it makes no sense."""
    model: str = ""
    """For messages."""
    context: Any = None
    """The RequestContext inside `arguments`, where the method has one."""
    payload: Payload | None = None


class Channel:
    """Calls to one endpoint, one after the other, over one connection at a time.

    Thread-safe: calls wait for each other, and the waiting counts in their time.
    """

    def __init__(self, endpoint: Endpoint, options: ClientOptions) -> None:
        self._endpoint = endpoint
        self._options = options
        self._codec = Codec(options)
        self._sequence = itertools.count(1)
        self._lock = threading.Lock()
        self._idle: Connection | None = None
        self._closed = False

    def open(self) -> None:
        """Connects now rather than at the first call."""
        place = Place(str(self._endpoint), "connect")
        deadline = Deadline(self._options.timeout_s)
        with self._turn(deadline, place):
            self._idle = self._take(deadline, place)

    def close(self) -> None:
        """Waits for the call that is under way, then closes the connection for good."""
        with self._lock:
            self._closed = True
            if self._idle is not None:
                self._idle.close()
                self._idle = None

    def call(self, call: Call[T], deadline: Deadline) -> T:
        """Sends the call and returns its converted result."""
        place = Place(str(self._endpoint), call.method, call.model)
        with self._turn(deadline, place):
            sequence = next(self._sequence) & _SEQUENCE_MASK
            connection = self._take(deadline, place)
            with _closed_on_failure(connection, deadline, place):
                message = self._encode(call, sequence, deadline)
                frame = connection.exchange(message, deadline)
                answer = _answer(call, self._codec.decode(call.method, sequence, frame))
            self._idle = connection
        if isinstance(answer, Refusal):
            raise errors.server_error(place, answer)
        return answer

    @contextmanager
    def _turn(self, deadline: Deadline, place: Place) -> Iterator[None]:
        if not self._lock.acquire(timeout=deadline.seconds):
            raise errors.CallTimedOut(
                place, f"waited {deadline.seconds:g} s for other calls of this client"
            )
        try:
            if self._closed:
                raise errors.ClientClosed(f"{place}: the client is closed")
            yield
        finally:
            self._lock.release()

    def _take(self, deadline: Deadline, place: Place) -> Connection:
        """The idle connection, if it is still good, or a new one."""
        connection, self._idle = self._idle, None
        if connection is not None:
            if connection.is_quiet():
                return connection
            connection.close()
        try:
            socket = self._endpoint.connect(deadline.at_most(self._options.connect_timeout_s))
        except TimeoutError as error:
            limit = min(deadline.seconds, self._options.connect_timeout_s)
            raise errors.ConnectFailed(place, f"not connected within {limit:g} s") from error
        except (OSError, UnicodeError) as error:  # the latter for a name that cannot be looked up
            raise errors.ConnectFailed(place, f"cannot connect: {_reason(error)}") from error
        return Connection(socket, self._options.frame_bytes_max)

    def _encode(self, call: Call[T], sequence: int, deadline: Deadline) -> list[Buffer]:
        if call.context is not None:
            call.context.deadline_ms = deadline.remaining_ms()
        try:
            parts = self._codec.encode(call.method, sequence, call.arguments, call.payload)
        except (TypeError, ValueError, OverflowError) as error:
            raise errors.InvalidRequest(f"{call.method}: cannot be encoded: {error}") from error
        length, limit = sum(map(len, parts)), self._options.frame_bytes_max
        if length > limit:
            raise errors.InvalidRequest(
                f"{call.method}: the message has {length} bytes, frame_bytes_max is {limit}"
            )
        return list(parts)


@contextmanager
def _closed_on_failure(connection: Connection, deadline: Deadline, place: Place) -> Iterator[None]:
    """The one mapping from what goes wrong on the wire to the client's errors."""
    try:
        yield
    except BaseException as error:
        connection.close()
        if isinstance(error, TimeoutError):
            message = f"no answer within {deadline.seconds:g} s"
            raise errors.CallTimedOut(place, message) from error
        if isinstance(error, OSError):
            raise errors.ConnectionLost(place, _reason(error)) from error
        if isinstance(error, FrameError | ReplyError):
            raise errors.ProtocolViolation(place, str(error)) from error
        raise


def _answer(call: Call[T], result: Any) -> T | Refusal:  # noqa: ANN401  # generated, untyped
    """The converted result, or the error that the server sent."""
    if isinstance(result, TApplicationException):
        return _thrift_refusal(result)
    error, success = result.error, result.success
    if error is not None:
        return Refusal(error.code, error.message, error.retryable, error.retry_after_ms)
    if success is None:
        raise ReplyError("the reply has neither a result nor an error")
    if call.context is not None and success.request_id != call.context.request_id:
        raise ReplyError(
            f"the reply is to request {success.request_id!a}, expected {call.context.request_id!a}"
        )
    return call.convert(success)


def _thrift_refusal(exception: TApplicationException) -> Refusal:
    code = _THRIFT_CODES.get(exception.type)
    if code is None:
        raise ReplyError(f"the server could not read the call: {exception.message}")
    return Refusal(code.value, exception.message or "no reason given")


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
