# SPDX-License-Identifier: Apache-2.0
"""When a failed attempt is followed by another. No input or output.

`Conductor.conduct` is the one place that decides. It is a generator: it yields what is to be done
next (`Attempt`, `Pause`) and is sent the answer of an attempt, or has its error thrown in; clients
of threads and of asyncio drive the same generator.
"""

from __future__ import annotations

import logging
import math
import random
import threading
import time
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

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

_Begun = tuple[Member[P], int, float]
"""An attempt: its member, its number, and when it began."""


class HedgedError(Exception):
    """The outcome of an attempt that another was faster than."""


class RecentLatencies:
    """The times of the last good answers."""

    _KEPT = 256
    _NEEDED = 20

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=self._KEPT)
        self._p95_s = math.inf
        self._added = 0

    def add(self, seconds: float) -> None:
        """Takes note of one."""
        self._seconds.append(seconds)
        self._added += 1
        if self._added % self._NEEDED == 0:
            ordered = sorted(self._seconds)
            self._p95_s = ordered[len(ordered) * 19 // 20]

    def p95_s(self) -> float:
        """What 19 of 20 took less than, not quite up to date; infinite while few are known."""
        return self._p95_s


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


@dataclass(frozen=True, slots=True)
class HedgeWon(Generic[P]):
    """Sent to the generator in the place of an answer: the second attempt had it first."""

    hedge: Hedge[P]
    answer: object


class Hedge(Generic[P]):
    """A second attempt, while the first is still under way."""

    def __init__(self, member: Member[P]) -> None:
        self.member = member
        self.started = time.monotonic()
        member.begin()


class Conductor(Generic[P]):
    """Leads calls through their attempts. Thread-safe."""

    def __init__(self, balancer: Balancer[P], options: ClientOptions, endpoints: str) -> None:
        self.balancer = balancer
        self._endpoints = endpoints
        self.budget = RetryBudget()
        self._latencies = RecentLatencies()
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
                answer: T | HedgeWon[P] = yield Attempt(member, number)
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
                begun = (member, number, started)
                return cast("T", self._answered(begun, answer, observation))
            if pause > 0:
                yield Pause(pause)
            member, number = following, number + 1

    def _answered(
        self, attempt: _Begun[P], answer: T | HedgeWon[P], observation: Observation | None
    ) -> T:
        """Takes note of a good answer and returns it."""
        member, number, started = attempt
        result = answer
        if isinstance(answer, HedgeWon):
            hedge, result = answer.hedge, cast("T", answer.answer)
            member.given_up()
            if observation is not None:
                observation.attempt_ended(member.name, number, started, HedgedError())
            member, number, started = hedge.member, number + 1, hedge.started
        seconds = time.monotonic() - started
        member.answered(seconds)
        if self._options.hedge_after == "p95":
            self._latencies.add(seconds)
        if observation is not None:
            observation.attempt_ended(member.name, number, started, None)
        return cast("T", result)

    @property
    def hedges(self) -> bool:
        """True where a slow attempt may get a second one beside it."""
        return self._options.hedge_after is not None and len(self.balancer.members) > 1

    def hedge_delay_s(self) -> float:
        """How long to wait for an answer before a second attempt; infinite while unknown."""
        after = self._options.hedge_after
        return self._latencies.p95_s() if isinstance(after, str) or after is None else after

    def hedge(self, slow: Member[P]) -> Hedge[P] | None:
        """Begins a second attempt, if another member is in service and the budget allows."""
        member = self.balancer.choose((slow,))
        if member is None or not self.budget.spend():
            return None
        return Hedge(member)

    def hedge_ended(self, hedge: Hedge[P], error: BaseException | None) -> None:
        """The second attempt was of no use: it failed, or the first was faster."""
        self._account(hedge.member, HedgedError() if error is None else error)

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
        # One that is out of service may be back already: better than one that has just failed.
        member = self.balancer.choose(course.tried) or self.balancer.first_to_return(course.tried)
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
