# SPDX-License-Identifier: Apache-2.0
"""When a failed attempt is followed by another. No input or output.

`Conductor.conduct` is the one place that decides. It is a generator: it yields what is to be done
next (`Attempt`, `Pause`) and is sent the answer of an attempt, or has its error thrown in; clients
of threads and of asyncio drive the same generator.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from thriftscore_client import errors
from thriftscore_client.balancer import Balancer, Member
from thriftscore_client.calls import Call
from thriftscore_client.deadline import Deadline
from thriftscore_client.errors import Place
from thriftscore_client.observing import Observation
from thriftscore_client.options import ClientOptions

_LOG = logging.getLogger("thriftscore_client")
_BUDGET_START = 10.0
_BUDGET_MAX = 100.0
_BUDGET_PER_CALL = 0.1

P = TypeVar("P")
T = TypeVar("T")


class RetryBudget:
    """Keeps retries from multiplying the load of servers that fail: at most one for ten calls.

    A token bucket: each call adds a tenth of a token, a retry or a hedge takes one.
    """

    def __init__(self) -> None:
        self._tokens = _BUDGET_START
        self._lock = threading.Lock()

    def earn(self) -> None:
        """For each call."""
        with self._lock:
            self._tokens = min(_BUDGET_MAX, self._tokens + _BUDGET_PER_CALL)

    def spend(self) -> bool:
        """Takes a token; False where none is left."""
        with self._lock:
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True


@dataclass(frozen=True, slots=True)
class Attempt(Generic[P]):
    """To be done: send the call to this member."""

    member: Member[P]
    number: int
    """From 1."""


@dataclass(frozen=True, slots=True)
class Pause:
    """To be done: wait."""

    seconds: float


class Conductor(Generic[P]):
    """Leads calls through their attempts. Thread-safe."""

    def __init__(self, balancer: Balancer[P], options: ClientOptions, endpoints: str) -> None:
        self.balancer = balancer
        self._endpoints = endpoints
        self.budget = RetryBudget()
        self._options = options

    def conduct(
        self, call: Call[T], deadline: Deadline, observation: Observation | None
    ) -> Generator[Attempt[P] | Pause, Any, T]:
        """Leads one call. Returns its answer or raises the error of its last attempt."""
        self.budget.earn()
        course: _Course[P] | None = None
        member, number, free = self._first(call), 1, 0
        while True:
            started = time.monotonic()
            member.begin()
            try:
                answer: T = yield Attempt(member, number)
            except BaseException as error:
                self._account(member, error)
                if observation is not None:
                    observation.attempt_ended(member.name, number, started, error)
                if not isinstance(error, errors.ThriftscoreError):
                    raise
                course = course or _Course()
                course.note(member, error)
                following, pause, free = self._following(error, course, deadline, (number, free))
                _LOG.debug("%s; the next attempt is at %s", error, following.name)
            else:
                member.answered(time.monotonic() - started)
                if observation is not None:
                    observation.attempt_ended(member.name, number, started, None)
                return answer
            if pause > 0:
                yield Pause(pause)
            member, number = following, number + 1

    def _first(self, call: Call[T]) -> Member[P]:
        member = self.balancer.choose() or self.balancer.first_to_return()
        if member is None:
            raise self.no_address(call)
        return member

    def no_address(self, call: Call[Any]) -> errors.ConnectFailed:
        """The error where no endpoint has an address."""
        place = Place(self._endpoints, call.method, call.model, 0)
        return errors.ConnectFailed(place, "the name cannot be looked up")

    @staticmethod
    def _account(member: Member[P], error: BaseException) -> None:
        """What an error says about the member it came from."""
        if isinstance(error, errors.Unavailable | errors.ConnectFailed):
            member.failed(error.message, at_once=True)
        elif isinstance(error, errors.TransportError):
            member.failed(error.message, at_once=False)
        elif isinstance(error, errors.ServerError):
            member.refused()
        else:
            member.given_up()

    def _following(
        self,
        error: errors.ThriftscoreError,
        course: _Course[P],
        deadline: Deadline,
        counts: tuple[int, int],
    ) -> tuple[Member[P], float, int]:
        """The member of the next attempt, how long to wait before, and how many were free so far.

        Raises `error` where there is to be none. Another address of a name at which nobody can be
        connected to is tried as part of the same attempt: that is not counted.
        """
        number, free = counts
        if not _may_be_retried(error) or deadline.left_s() <= 0:
            raise error
        unconnected = isinstance(error, errors.ConnectFailed)
        member = self.balancer.choose(course.tried)
        if member is not None and unconnected:
            free += member.endpoint == course.last.endpoint
            if number - free >= self._options.attempts_max:
                raise error
            return member, 0.0, free
        if number - free >= self._options.attempts_max or not self.budget.spend():
            raise error
        if member is not None:
            return member, 0.0, free
        member, pause = self._again(course)
        if pause >= deadline.left_s():
            raise error
        return member, pause, free

    def _again(self, course: _Course[P]) -> tuple[Member[P], float]:
        """A member that was tried before, and how long to wait: servers need time to recover."""
        now = time.monotonic()
        barred = {one for one, until in course.barred.items() if until > now}
        backoff = self._backoff_s(course.failures)
        member = self.balancer.choose(barred)
        if member is None and not barred:
            member = self.balancer.first_to_return()
        if member is not None:
            return member, backoff
        first = min(barred, key=course.barred.__getitem__)
        return first, max(backoff, course.barred[first] - now)

    def _backoff_s(self, failures: int) -> float:
        limit = self._options.backoff_base_s * 2.0 ** min(failures - 1, 30)
        return random.uniform(0, min(limit, self._options.backoff_max_s))  # noqa: S311  # jitter


class _Course(Generic[P]):
    """What has become of the attempts of one call so far."""

    def __init__(self) -> None:
        self.tried: list[Member[P]] = []
        self.barred: dict[Member[P], float] = {}
        """Members that asked to be left alone, and until when."""
        self.failures = 0

    @property
    def last(self) -> Member[P]:
        return self.tried[-1]

    def note(self, member: Member[P], error: errors.ThriftscoreError) -> None:
        self.failures += 1
        self.tried.append(member)
        pause_ms = getattr(error, "retry_after_ms", 0)
        if pause_ms > 0:
            self.barred[member] = time.monotonic() + pause_ms / 1000


def _may_be_retried(error: errors.ThriftscoreError) -> bool:
    """Scoring changes nothing, so it may be repeated; what cannot help or came too late is not."""
    if isinstance(error, errors.ServerError):
        return error.retryable and not isinstance(error, errors.DeadlineExceeded)
    return isinstance(error, errors.ConnectFailed | errors.ConnectionLost)
