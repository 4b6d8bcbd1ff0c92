# SPDX-License-Identifier: Apache-2.0
"""What a client tells about its calls: to observers of the program, and to traces."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from thriftscore_client.errors import ServerError

if TYPE_CHECKING:
    from thriftscore_client.retries import Attempt

_LOG = logging.getLogger("thriftscore_client")


@dataclass(frozen=True, slots=True)
class AttemptEvent:
    """One attempt of a call has ended."""

    method: str
    model: str
    """Empty for a call that names no model."""
    endpoint: str
    number: int
    """Of the attempt, from 1."""
    duration_s: float
    outcome: str
    """"OK", the name of the server's error code, or the class of a TransportError; "HedgedError"
    where a second attempt was faster."""


@dataclass(frozen=True, slots=True)
class CallEvent:
    """A call has ended."""

    method: str
    model: str
    endpoint: str
    """Of the attempt that ended it; empty where none was made."""
    attempts: int
    duration_s: float
    outcome: str
    """As in AttemptEvent."""


class Observer(Protocol):
    """Is told of each call and each attempt, in the thread or the task that makes the call.

    What it raises is logged and goes no further. Should be quick: the call waits for it.
    """

    def attempt_ended(self, event: AttemptEvent) -> None:
        """After each attempt."""
        ...

    def call_ended(self, event: CallEvent) -> None:
        """After the last one."""
        ...


class Observation:
    """Collects what happens to one call and tells the observers."""

    def __init__(self, observers: Sequence[Observer], method: str, model: str) -> None:
        self._observers = observers
        self._method = method
        self._model = model
        self._started = time.monotonic()
        self._endpoint = ""
        self._attempts = 0

    def attempt_ended(self, attempt: Attempt[Any], error: BaseException | None) -> None:
        """One attempt is over."""
        endpoint, number = attempt.member.name, attempt.number
        self._endpoint, self._attempts = endpoint, max(self._attempts, number)
        seconds = time.monotonic() - attempt.started
        event = AttemptEvent(self._method, self._model, endpoint, number, seconds, _outcome(error))
        self._tell(lambda one: one.attempt_ended(event))

    def call_ended(self, error: BaseException | None) -> None:
        """The call is over."""
        seconds = time.monotonic() - self._started
        event = CallEvent(
            self._method, self._model, self._endpoint, self._attempts, seconds, _outcome(error)
        )
        self._tell(lambda one: one.call_ended(event))

    def _tell(self, what: Callable[[Observer], None]) -> None:
        for observer in self._observers:
            try:
                what(observer)
            except Exception:
                _LOG.exception("an observer failed")


def _outcome(error: BaseException | None) -> str:
    if error is None:
        return "OK"
    return error.code.name if isinstance(error, ServerError) else type(error).__name__


def current_traceparent() -> str | None:
    """The W3C traceparent of OpenTelemetry's current span; None without OpenTelemetry or span."""
    trace = _opentelemetry_trace()
    if trace is None:
        return None
    span = trace.get_current_span().get_span_context()
    if not span.is_valid:
        return None
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"


def has_traces() -> bool:
    """True where OpenTelemetry is there."""
    return _opentelemetry_trace() is not None


@functools.cache
def _opentelemetry_trace() -> Any:  # noqa: ANN401  # an optional library
    try:
        from opentelemetry import trace  # noqa: PLC0415  # only where a call is made
    except ImportError:
        return None
    return trace
