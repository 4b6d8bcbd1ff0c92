# SPDX-License-Identifier: Apache-2.0
"""Which of the connections to one address a call gets. No input, output or waiting.

Not thread-safe: pools of threads hold a lock around it.
"""

from __future__ import annotations

import random
import time
from typing import Generic, Protocol, TypeVar

from thriftscore_client.options import ClientOptions


class Lease(Protocol):
    """How a connection is used; its shelf's to change, and the express's (see express.py)."""

    idle_since: float
    ends_at: float
    is_leaving: bool

    @property
    def calls(self) -> int:
        """Calls under way."""
        ...

    def begin(self) -> None:
        """One more call is under way."""
        ...

    def end(self) -> int:
        """One call is over; returns how many are left."""
        ...


class PlainLease:
    """The lease of a connection that only its shelf lends."""

    __slots__ = ("calls", "ends_at", "idle_since", "is_leaving")

    def __init__(self) -> None:
        self.calls = 0
        self.idle_since = 0.0
        self.ends_at = 0.0
        self.is_leaving = False

    def begin(self) -> None:
        """One more call is under way."""
        self.calls += 1

    def end(self) -> int:
        """One call is over; returns how many are left."""
        self.calls -= 1
        return self.calls


class Shared(Protocol):
    """A connection of any kind."""

    @property
    def lease(self) -> Lease:
        """How it is used."""
        ...

    @property
    def takes_calls(self) -> bool:
        """True while new calls may be sent."""
        ...


C = TypeVar("C", bound=Shared)


class Shelf(Generic[C]):
    """The connections to one address that take calls."""

    def __init__(self, options: ClientOptions) -> None:
        self._calls_max = options.calls_per_connection_max
        self._connections_max = options.connections_limit
        self._idle_s = options.idle_timeout_s
        self._age_max_s = options.connection_age_max_s
        self._staying: list[C] = []
        self._leaving: set[C] = set()
        self.dialling = 0
        """Connections that are being made."""

    @property
    def may_dial(self) -> bool:
        """True while there is room for one more."""
        return len(self._staying) + self.dialling < self._connections_max

    def borrow(self, *, heavy: bool) -> C | None:
        """The connection with the fewest calls; None where a new one is needed, or waiting.

        A heavy call gets one of its own as long as there may be more.
        """
        best = self.freest()
        if best is None or (heavy and best.lease.calls and self.may_dial):
            return None
        best.lease.begin()
        return best

    def freest(self) -> C | None:
        """The connection with the fewest calls; None where none has room. Does not lend it."""
        best: C | None = None
        fewest = self._calls_max
        for connection in self._staying:
            calls = connection.lease.calls
            if calls < fewest:
                best, fewest = connection, calls
        return best

    def add(self, connection: C) -> None:
        """A new connection, borrowed by whoever made it."""
        self._staying.append(connection)
        jittered_s = self._age_max_s * random.uniform(0.9, 1.1)  # noqa: S311  # not all at once
        connection.lease.begin()
        connection.lease.ends_at = time.monotonic() + jittered_s

    def give_back(self, connection: C) -> bool:
        """A call is over. True where the connection is to be closed."""
        lease = connection.lease
        left = lease.end()
        now = time.monotonic()
        if not connection.takes_calls or now >= lease.ends_at:
            self.retire(connection)
        if left:
            return False
        lease.idle_since = now
        if lease.is_leaving:
            self._leaving.discard(connection)
        return lease.is_leaving

    def retire(self, connection: C) -> None:
        """No more calls; it goes when those that it has are over."""
        if not connection.lease.is_leaving:
            connection.lease.is_leaving = True
            if connection in self._staying:
                self._staying.remove(connection)
            self._leaving.add(connection)

    def take_stale(self) -> list[C]:
        """Removes and returns those without calls that were idle for too long, or are too old."""
        now = time.monotonic()
        stale = [
            one
            for one in self._staying
            if one.lease.calls == 0
            and (now - one.lease.idle_since >= self._idle_s or now >= one.lease.ends_at)
        ]
        for connection in stale:
            self.retire(connection)
        return self._take_unused()

    def retire_all(self) -> list[C]:
        """No connection takes more calls; returns those that have none."""
        for connection in list(self._staying):
            self.retire(connection)
        return self._take_unused()

    def _take_unused(self) -> list[C]:
        """Those that are to go; a call that began at this moment ends first."""
        unused = [one for one in self._leaving if one.lease.calls == 0]
        self._leaving.difference_update(unused)
        return unused

    def take_all(self) -> list[C]:
        """Retires and returns all."""
        for connection in list(self._staying):
            self.retire(connection)
        return list(self._leaving)
