# SPDX-License-Identifier: Apache-2.0
"""The one place where errors become the contract's ScoringError."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from thriftscore._generated.ttypes import ScoringError
from thriftscore.errors import ErrorCode, InvalidArgument, ThriftscoreError
from thriftscore.serving.calls import Call, current_call, enter_call, in_call, leave_call
from thriftscore.serving.logs import get_logger

Result = TypeVar("Result")

_log = get_logger()


def to_thrift(error: ThriftscoreError) -> ScoringError:
    """The declared exception that tells a caller of `error`."""
    return ScoringError(
        code=error.code.value,
        message=error.message,
        retryable=error.retryable,
        retry_after_ms=error.retry_after_ms,
    )


def reports_errors(method: Callable[..., Result]) -> Callable[..., Result]:
    """Makes a handler's method raise nothing but ScoringError, and note its code in the call.

    What was not raised on purpose is a defect: the log gets the traceback, the caller a sentence
    that says where to look.
    """

    @wraps(method)
    def reporting(self: object, *arguments: Any) -> Result:  # noqa: ANN401
        if not in_call():  # called without a dispatcher
            token = enter_call(Call(method.__name__))
            try:
                return reporting(self, *arguments)
            finally:
                leave_call(token)
        call = current_call()
        try:
            return method(self, *arguments)
        except ThriftscoreError as error:
            call.code = error.code
            raise to_thrift(error) from None
        except (Exception, SystemExit):
            call.code = ErrorCode.INTERNAL
            _log.exception("call_failed", method=method.__name__, **call.identity)
            raise to_thrift(_internal(call.request_id)) from None

    return reporting


def takes_request(method: Callable[..., Result]) -> Callable[..., Result]:
    """For a method whose argument is a request struct: requires it and applies its context."""

    @wraps(method)
    def checking(self: object, request: Any) -> Result:  # noqa: ANN401
        if request is None:
            raise InvalidArgument("request is missing")
        context = request.context
        if context is not None:
            current_call().apply_trace(context.traceparent)
            current_call().apply_context(context.request_id, context.deadline_ms)
        return method(self, request)

    return reports_errors(checking)


def _internal(request_id: str | None) -> ThriftscoreError:
    where = f" under request id {request_id!a}" if request_id else ""
    return ThriftscoreError(f"internal error; the server's log has the details{where}")
