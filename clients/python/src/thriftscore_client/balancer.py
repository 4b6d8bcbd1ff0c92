# SPDX-License-Identifier: Apache-2.0
"""Which server gets the next attempt, and which are out of service. No input or output.

Of two members taken at random the one with the lower (outstanding + 1) x latency is chosen (the
power of two choices; M. Mitzenmacher, 2001). Latency is a moving average of good answers that
fades, so that a member which was slow is tried again. A member that fails is out of service for a
time that doubles; then one call probes it, and success brings it back.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Collection, Sequence
from typing import Generic, TypeVar

_LOG = logging.getLogger("thriftscore_client")
_EJECTION_MIN_S = 0.1
_EJECTION_MAX_S = 10.0
_FAILURES_MAX = 3
_LATENCY_WEIGHT = 0.2
_FADING_S = 5.0  # after as long without an answer, half of the latency is forgotten

P = TypeVar("P")


class Member(Generic[P]):
    """One address of an endpoint: its connections, its load, its health."""

    def __init__(self, name: str, endpoint: str, pool: P) -> None:
        self.name = name
        """For messages."""
        self.endpoint = endpoint
        """The endpoint, as it was given, that this is an address of."""
        self.pool = pool
        self.outstanding = 0
        self.ejected_until = 0.0
        """When it may be probed, on the monotonic clock; 0 = it is in service."""
        self.is_probed = False
        self._failures = 0
        self._ejections = 0
        self._latency_s = 0.0
        self._answered_at = 0.0

    def cost(self, now: float) -> float:
        """How long a call is likely to take here; for comparisons only."""
        faded = self._latency_s / (1 + (now - self._answered_at) / _FADING_S)
        return (self.outstanding + 1) * faded

    def is_in_service(self, now: float) -> bool:
        """False while it is ejected, or a call is finding out whether it is back."""
        return self.ejected_until == 0 or (now >= self.ejected_until and not self.is_probed)

    def begin(self) -> None:
        """A call is sent here."""
        self.outstanding += 1
        if self.ejected_until:
            self.is_probed = True

    def answered(self, seconds: float) -> None:
        """A good answer came after this time."""
        self.outstanding -= 1
        self._answered_at = time.monotonic()
        self._latency_s += (seconds - self._latency_s) * (_LATENCY_WEIGHT if self._latency_s else 1)
        self._failures = 0
        if self.ejected_until:
            self._ejections, self.ejected_until, self.is_probed = 0, 0.0, False
            _LOG.info("%s is back in service", self.name)

    def refused(self) -> None:
        """The server answered with an error that says nothing against it."""
        self.outstanding -= 1
        self._failures = 0
        if self.ejected_until:
            self._ejections, self.ejected_until, self.is_probed = 0, 0.0, False
            _LOG.info("%s is back in service", self.name)

    def failed(self, reason: str, *, at_once: bool) -> None:
        """A call came to nothing. `at_once`: one such failure is enough to eject."""
        self.outstanding -= 1
        self._failures += 1
        if at_once or self.ejected_until or self._failures >= _FAILURES_MAX:
            self._eject(reason)

    def given_up(self) -> None:
        """The caller went away: nothing was learned."""
        self.outstanding -= 1
        self.is_probed = False

    def _eject(self, reason: str) -> None:
        now = time.monotonic()
        if now < self.ejected_until:  # another call has just found out
            return
        limit = min(_EJECTION_MAX_S, _EJECTION_MIN_S * 2.0**self._ejections)
        pause = limit * random.uniform(0.8, 1.0)  # noqa: S311  # jitter
        self._ejections = min(self._ejections + 1, 16)
        self._failures = 0
        self.ejected_until, self.is_probed = now + pause, False
        _LOG.warning("%s is out of service for %.2f s: %s", self.name, pause, reason)


class Balancer(Generic[P]):
    """The members of a client. Thread-safe."""

    def __init__(self) -> None:
        self.members: Sequence[Member[P]] = ()
        self._lock = threading.Lock()

    def replace(self, endpoint: str, names: Sequence[str], make: Callable[[str], P]) -> list[P]:
        """Makes these the members of an endpoint; returns the pools of those that went."""
        with self._lock:
            old = {one.name: one for one in self.members if one.endpoint == endpoint}
            others = [one for one in self.members if one.endpoint != endpoint]
            kept = [
                old.pop(name) if name in old else Member(name, endpoint, make(name))
                for name in dict.fromkeys(names)
            ]
            self.members = (*others, *kept)
            return [one.pool for one in old.values()]

    def choose(self, avoided: Collection[Member[P]] = ()) -> Member[P] | None:
        """The member for the next attempt; None where all that are in service are avoided."""
        members = self.members
        if len(members) == 1 and not avoided:
            return members[0]
        now = time.monotonic()
        candidates = [one for one in members if one not in avoided and one.is_in_service(now)]
        # Those that may be back are few and cost one call: they go first.
        returning = [one for one in candidates if one.ejected_until]
        if returning:
            return returning[0]
        if len(candidates) > 2:
            candidates = random.sample(candidates, 2)
        return min(candidates, key=lambda one: one.cost(now), default=None)

    def first_to_return(self, avoided: Collection[Member[P]] = ()) -> Member[P] | None:
        """The member that is to be probed first, for when none is in service."""
        members = [one for one in self.members if one not in avoided]
        return min(members, key=lambda one: one.ejected_until, default=None)
