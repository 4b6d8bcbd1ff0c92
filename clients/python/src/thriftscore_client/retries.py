# SPDX-License-Identifier: Apache-2.0
"""When a failed attempt is followed by another. No input or output.

`Conductor.recover` is the one place that decides. It is a generator: it yields what is to be done
next (`Attempt`, `Pause`) and is sent the answer of an attempt, or has its error thrown in; clients
of threads and of asyncio drive the same generator. Calls whose first attempt is answered, which
are nearly all, do without it.
"""

from __future__ import annotations

import itertools
import logging
import math
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
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
        self._calls = itertools.count()
        self._calls_earned = 0
        self._lock = threading.Lock()
        self.earn: Callable[[], int] = self._calls.__next__
        """For each call. Only counts, since each call must pay for it."""

    def spend(self) -> bool:
        """Takes a token; False where none is left."""
        with self._lock:
            calls = next(self._calls)
            earned = _BUDGET_PER_CALL * (calls - self._calls_earned)
            self._calls_earned = calls + 1
            self._tokens = min(_BUDGET_MAX, self._tokens + earned)
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True


class Attempt(Generic[P]):
    """To be done: send the call to this member, which expects it."""

    __slots__ = ("member", "number", "started")

    def __init__(self, member: Member[P], number: int) -> None:
        self.member = member
        self.number = number
        """From 1."""
        self.started = time.monotonic()
        member.begin()


@dataclass(frozen=True, slots=True)
class Pause:
    """To be done: wait."""

    seconds: float


@dataclass(frozen=True, slots=True)
class HedgeWon(Generic[P]):
    """Sent to the generator in the place of an answer: the second attempt had it first."""

    hedge: Attempt[P]
    answer: object


Steps = Generator[Attempt[P] | Pause, Any, Any]
"""What `Conductor.recover` is."""


class Conductor(Generic[P]):
    """Leads calls through their attempts. Thread-safe."""

    def __init__(self, balancer: Balancer[P], options: ClientOptions, endpoints: str) -> None:
        self.balancer = balancer
        self._endpoints = endpoints
        self.budget = RetryBudget()
        self._latencies = RecentLatencies()
        self._options = options

    def begin(self, call: Call[Any]) -> Attempt[P]:
        """The first attempt of a call."""
        self.budget.earn()
        member = self.balancer.choose() or self.balancer.first_to_return()
        if member is None:
            raise self.no_address(call)
        return Attempt(member, 1)

    def answered(
        self, attempt: Attempt[P], answer: T | HedgeWon[P], observation: Observation | None
    ) -> T:
        """Takes note of a good answer and returns it."""
        if isinstance(answer, HedgeWon):
            attempt.member.given_up()
            if observation is not None:
                observation.attempt_ended(attempt, HedgedError())
            attempt, answer = answer.hedge, cast("T", answer.answer)
        seconds = time.monotonic() - attempt.started
        attempt.member.answered(seconds)
        if self._options.hedge_after == "p95":
            self._latencies.add(seconds)
        if observation is not None:
            observation.attempt_ended(attempt, None)
        return answer

    def recover(
        self,
        attempt: Attempt[P],
        error: BaseException,
        deadline: Deadline,
        observation: Observation | None,
    ) -> Steps[P]:
        """Leads a call on whose first attempt has failed.

        Returns the answer of a later attempt, or raises the error of the last.
        """
        course: _Course[P] = _Course()
        while True:
            self._account(attempt.member, error)
            if observation is not None:
                observation.attempt_ended(attempt, error)
            if not isinstance(error, errors.ThriftscoreError):
                raise error
            course.note(attempt, error)
            member, pause = self._following(error, course, deadline)
            _LOG.debug("%s; the next attempt is at %s", error, member.name)
            if pause > 0:
                yield Pause(pause)
            attempt = Attempt(member, course.number + 1)
            try:
                answer = yield attempt
            except BaseException as failure:
                error = failure
            else:
                return self.answered(attempt, answer, observation)

    def hedge_delay_s(self) -> float:
        """How long to wait for an answer before a second attempt; infinite while unknown."""
        after = self._options.hedge_after
        if len(self.balancer.members) < 2:
            return math.inf
        return self._latencies.p95_s() if isinstance(after, str) or after is None else after

    def hedge(self, slow: Attempt[P]) -> Attempt[P] | None:
        """Begins a second attempt, if another member is in service and the budget allows."""
        member = self.balancer.choose((slow.member,))
        if member is None or not self.budget.spend():
            return None
        return Attempt(member, slow.number + 1)

    def hedge_ended(self, hedge: Attempt[P], error: BaseException | None) -> None:
        """The second attempt was of no use: it failed, or the first was faster."""
        self._account(hedge.member, HedgedError() if error is None else error)

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
        self, error: errors.ThriftscoreError, course: _Course[P], deadline: Deadline
    ) -> tuple[Member[P], float]:
        """The member of the next attempt, and how long to wait before.

        Raises `error` where there is to be none. Another address of a name at which nobody can be
        connected to is tried as part of the same attempt: that is not counted.
        """
        if not _may_be_retried(error) or deadline.left_s() <= 0:
            raise error
        # One that is out of service may be back already: better than one that has just failed.
        member = self.balancer.choose(course.tried) or self.balancer.first_to_return(course.tried)
        unsent = isinstance(error, errors.ConnectFailed)
        if member is not None and unsent:
            course.uncounted += member.endpoint == course.tried[-1].endpoint
        if course.number - course.uncounted >= self._options.attempts_max:
            raise error
        # Elsewhere there is no load yet of what could not be sent.
        if not (member is not None and unsent) and not self.budget.spend():
            raise error
        if member is not None:
            return member, 0.0
        member, pause = self._again(course)
        if pause >= deadline.left_s():
            raise error
        return member, pause

    def _again(self, course: _Course[P]) -> tuple[Member[P], float]:
        """A member that was tried before, and how long to wait: servers need time to recover."""
        now = time.monotonic()
        barred = {one for one, until in course.barred.items() if until > now}
        backoff = self._backoff_s(course.number)
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
        self.number = 0
        """Of the last attempt."""
        self.uncounted = 0
        """Attempts that do not count, since nobody could be connected to."""

    def note(self, attempt: Attempt[P], error: errors.ThriftscoreError) -> None:
        """An attempt has failed."""
        self.number = attempt.number
        self.tried.append(attempt.member)
        pause_ms = getattr(error, "retry_after_ms", 0)
        if pause_ms > 0:
            self.barred[attempt.member] = time.monotonic() + pause_ms / 1000


def _may_be_retried(error: errors.ThriftscoreError) -> bool:
    """Scoring changes nothing, so it may be repeated; what cannot help or came too late is not."""
    if isinstance(error, errors.ServerError):
        return error.retryable and not isinstance(error, errors.DeadlineExceeded)
    return isinstance(error, errors.ConnectFailed | errors.ConnectionLost)
