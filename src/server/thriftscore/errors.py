# SPDX-License-Identifier: Apache-2.0
"""The one family of errors that thriftscore raises.

Every error carries the code that the Thrift contract names and whether the same request may
succeed when it is sent again. Each class also derives from the standard exception a Python
programmer would expect, so `except ValueError` and `except TimeoutError` work.
"""

from __future__ import annotations

from enum import Enum
from typing import ClassVar


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


# The names are those of the contract's codes, which do not end in "Error".
# ruff: noqa: N818


class ThriftscoreError(Exception):
    """The base of every error that thriftscore raises on purpose.

    The message is one sentence for the caller: the thing, what was expected, what was received.
    """

    code: ClassVar[ErrorCode] = ErrorCode.INTERNAL
    retryable: ClassVar[bool] = False
    """True where the same request may succeed later or at another server."""

    retry_after_ms: int = 0
    """How long to wait before a retry, in milliseconds; 0 = no advice."""

    @property
    def message(self) -> str:
        """The sentence that describes this error."""
        return str(self.args[0]) if self.args else type(self).__name__

    def __str__(self) -> str:
        return self.message


class InvalidArgument(ThriftscoreError, ValueError):
    """The request itself is wrong: shape, datatype, name or value."""

    code = ErrorCode.INVALID_ARGUMENT


class ModelRefused(InvalidArgument):
    """A model file, the source of one, or a change to one, that thriftscore does not accept."""


class ConfigurationError(InvalidArgument):
    """A setting is wrong; the command line exits with status 2."""


class ModelNotFound(ThriftscoreError, LookupError):
    """No such model, version or label."""

    code = ErrorCode.MODEL_NOT_FOUND


class ModelNotReady(ThriftscoreError):
    """The model exists but is not loaded: still loading, failed to load, or unloaded."""

    code = ErrorCode.MODEL_NOT_READY
    retryable = True


class DeadlineExceeded(ThriftscoreError, TimeoutError):
    """The caller's deadline passed before the answer was ready."""

    code = ErrorCode.DEADLINE_EXCEEDED
    retryable = True


class Overloaded(ThriftscoreError):
    """A queue or limit is full; try again after `retry_after_ms`."""

    code = ErrorCode.OVERLOADED
    retryable = True

    def __init__(self, message: str, retry_after_ms: int = 0) -> None:
        super().__init__(message)
        self.retry_after_ms = retry_after_ms


class Unauthenticated(ThriftscoreError, PermissionError):
    """No valid credentials came with the request."""

    code = ErrorCode.UNAUTHENTICATED


class PermissionDenied(ThriftscoreError, PermissionError):
    """The caller is known and may not do this."""

    code = ErrorCode.PERMISSION_DENIED


class Unavailable(ThriftscoreError, ConnectionError):
    """The server is starting or draining; another server may answer."""

    code = ErrorCode.UNAVAILABLE
    retryable = True


class Unimplemented(ThriftscoreError, NotImplementedError):
    """The method, or this use of it, is not implemented."""

    code = ErrorCode.UNIMPLEMENTED


class Internal(ThriftscoreError, RuntimeError):
    """A defect of thriftscore, not of the request."""

    code = ErrorCode.INTERNAL
