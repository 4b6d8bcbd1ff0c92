# SPDX-License-Identifier: Apache-2.0
"""The one family of errors that the client raises.

    ThriftscoreError
    ├── InvalidRequest          nothing was sent: the arguments cannot be a request
    ├── ClientClosed            nothing was sent: close() was called before
    ├── ServerError             the server answered with an error; the connection is kept
    │   └── InvalidArgument, ModelNotFound, ModelNotReady, DeadlineExceeded, Overloaded,
    │       Unauthenticated, PermissionDenied, Unavailable, Unimplemented, Internal
    └── TransportError          no answer that can be trusted; the connection is closed
        └── ConnectFailed, CallTimedOut, ConnectionLost, ProtocolViolation

Many also derive from the standard exception a Python programmer would expect, so that
`except TimeoutError` and `except ConnectionError` work.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

# The names are those of the contract's codes, which do not end in "Error".
# ruff: noqa: N818


class ErrorCode(Enum):
    """The error codes of the contract; names and values are those of the IDL."""

    INVALID_ARGUMENT = 1
    MODEL_NOT_FOUND = 2
    MODEL_NOT_READY = 3
    DEADLINE_EXCEEDED = 4
    OVERLOADED = 5
    UNAUTHENTICATED = 6
    PERMISSION_DENIED = 7
    UNAVAILABLE = 8
    UNIMPLEMENTED = 9
    INTERNAL = 10


@dataclass(frozen=True)
class Place:
    """Which call an error is about."""

    endpoint: str
    method: str
    model: str = ""
    """Empty for a call that names no model."""
    attempts: int = 1
    """Made by the call so far, this one included; 0 where none was begun."""

    def __str__(self) -> str:
        model = f" of model {_shown(self.model)}" if self.model else ""
        plural = "" if self.attempts == 1 else "s"
        return f"{self.endpoint}: {self.method}{model}, {self.attempts} attempt{plural}"


def _shown(text: str) -> str:
    """`text` in ASCII quotes, shortened: a name may hold anything and messages land in logs."""
    return ascii(text if len(text) <= 140 else text[:140] + "...")


class ThriftscoreError(Exception):
    """The base of every error that the client raises on purpose."""

    retryable: bool = False
    """True where the same request may succeed later or at another server."""


class InvalidRequest(ThriftscoreError, ValueError):
    """The arguments cannot be sent as they are: datatype, shape or size. Nothing was sent."""


class ClientClosed(ThriftscoreError, RuntimeError):
    """The client was closed before the call. Nothing was sent."""


class _CallError(ThriftscoreError):
    """An error of one call.

    `message` is the reason alone; str() puts the endpoint, the method, the model and the number of
    attempts before it.
    """

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(place, message)
        self.endpoint = place.endpoint
        self.method = place.method
        self.model = place.model
        self.attempts = place.attempts
        self.message = message

    def __str__(self) -> str:
        return f"{self.args[0]}: {self.message}"


class ServerError(_CallError):
    """The server answered with a ScoringError."""

    code: ClassVar[ErrorCode] = ErrorCode.INTERNAL
    retry_after_ms: int = 0
    """How long to wait before a retry, in milliseconds; 0 = no advice."""


class InvalidArgument(ServerError, ValueError):
    """The request itself is wrong: shape, datatype, name or value."""

    code = ErrorCode.INVALID_ARGUMENT


class ModelNotFound(ServerError, LookupError):
    """No such model, version or label."""

    code = ErrorCode.MODEL_NOT_FOUND


class ModelNotReady(ServerError):
    """The model exists but is not loaded."""

    code = ErrorCode.MODEL_NOT_READY


class DeadlineExceeded(ServerError, TimeoutError):
    """The server gave up because the time for the call had passed."""

    code = ErrorCode.DEADLINE_EXCEEDED


class Overloaded(ServerError):
    """A queue or limit of the server is full; try again after `retry_after_ms`."""

    code = ErrorCode.OVERLOADED


class Unauthenticated(ServerError, PermissionError):
    """No valid credentials came with the request."""

    code = ErrorCode.UNAUTHENTICATED


class PermissionDenied(ServerError, PermissionError):
    """The caller is known and may not do this."""

    code = ErrorCode.PERMISSION_DENIED


class Unavailable(ServerError, ConnectionError):
    """The server is starting or draining; another server may answer."""

    code = ErrorCode.UNAVAILABLE


class Unimplemented(ServerError, NotImplementedError):
    """The method, or this use of it, is not implemented by this server."""

    code = ErrorCode.UNIMPLEMENTED


class Internal(ServerError, RuntimeError):
    """A defect of the server. Its log has the details under the request id."""

    code = ErrorCode.INTERNAL


_SERVER_ERRORS: dict[int, type[ServerError]] = {
    kind.code.value: kind
    for kind in (
        InvalidArgument,
        ModelNotFound,
        ModelNotReady,
        DeadlineExceeded,
        Overloaded,
        Unauthenticated,
        PermissionDenied,
        Unavailable,
        Unimplemented,
        Internal,
    )
}


@dataclass(frozen=True)
class Refusal:
    """What a ScoringError says, as it came."""

    code: int
    message: str
    retryable: bool = False
    retry_after_ms: int = 0


def server_error(place: Place, refusal: Refusal) -> ServerError:
    """The exception for a ScoringError; Internal for a code that this client does not know."""
    kind = _SERVER_ERRORS.get(refusal.code)
    message = refusal.message
    if kind is None:
        kind, message = Internal, f"unknown error code {refusal.code}: {message}"
    error = kind(place, message)
    error.retryable = refusal.retryable
    error.retry_after_ms = refusal.retry_after_ms
    return error


class TransportError(_CallError):
    """There is no answer that can be trusted. The connection was closed."""

    retryable = True


class ConnectFailed(TransportError, ConnectionError):
    """No connection could be made. Nothing was sent."""


class CallTimedOut(TransportError, TimeoutError):
    """The time for the call passed without an answer; the server may still be at work on it."""


class ConnectionLost(TransportError, ConnectionError):
    """The connection ended during the call; the server may have answered it."""


class ProtocolViolation(TransportError):
    """The answer is not one to this call: wrong number, method, request id, size or content."""

    retryable = False
