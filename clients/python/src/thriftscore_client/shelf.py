# SPDX-License-Identifier: Apache-2.0
"""Which of the connections to one address a call gets. No input, output or waiting.

Not thread-safe: pools of threads hold a lock around it.
"""

from __future__ import annotations

import random
import time
from typing import Any, Generic, Protocol, TypeVar

from thriftscore_client.exchange import Ledger
from thriftscore_client.options import ClientOptions


class Shared(Protocol):
    """A connection of either kind."""

    ledger: Ledger[Any]


C = TypeVar("C", bound=Shared)


class Lease:
    """How a connection is used."""

    def __init__(self, age_max_s: float) -> None:
        self.calls = 0
        self.idle_since = time.monotonic()
        jittered = age_max_s * random.uniform(0.9, 1.1)  # noqa: S311  # not all at the same time
        self.ends_at = self.idle_since + jittered


class Shelf(Generic[C]):
    """The connections to one address that take calls."""

    def __init__(self, options: ClientOptions) -> None:
        self._calls_max = options.calls_per_connection_max
        self._connections_max = options.connections_limit
        self._idle_s = options.idle_timeout_s
        self._age_max_s = options.connection_age_max_s
        self._leases: dict[C, Lease] = {}
        self._leaving: dict[C, Lease] = {}
        self.dialling = 0
        """Connections that are being made."""

    @property
    def may_dial(self) -> bool:
        """True while there is room for one more."""
        return len(self._leases) + self.dialling < self._connections_max

    def borrow(self, *, heavy: bool) -> C | None:
        """The connection with the fewest calls; None where a new one is needed, or waiting.

        A heavy call gets one of its own as long as there may be more.
        """
        best: C | None = None
        fewest = self._calls_max
        for connection, lease in self._leases.items():
            if lease.calls < fewest:
                best, fewest = connection, lease.calls
        if best is None or (heavy and fewest and self.may_dial):
            return None
        self._leases[best].calls += 1
        return best

    def is_idle(self, connection: C) -> bool:
        """True where the borrower has the connection for itself."""
        return self._leases[connection].calls == 1

    def add(self, connection: C) -> None:
        """A new connection, borrowed by whoever made it."""
        lease = self._leases[connection] = Lease(self._age_max_s)
        lease.calls = 1

    def give_back(self, connection: C) -> bool:
        """A call is over. True where the connection is to be closed."""
        lease = self._leases.get(connection) or self._leaving[connection]
        lease.calls -= 1
        if lease.calls == 0:
            lease.idle_since = time.monotonic()
        if connection in self._leases and (
            not connection.ledger.takes_calls or time.monotonic() >= lease.ends_at
        ):
            self.retire(connection)
        if lease.calls == 0 and connection in self._leaving:
            del self._leaving[connection]
            return True
        return False

    def retire(self, connection: C) -> None:
        """No more calls; it goes when those that it has are over."""
        if connection in self._leases:
            self._leaving[connection] = self._leases.pop(connection)

    def take_stale(self) -> list[C]:
        """Removes and returns those without calls that were idle for too long, or are too old."""
        now = time.monotonic()
        stale = [
            connection
            for connection, lease in self._leases.items()
            if lease.calls == 0 and (now - lease.idle_since >= self._idle_s or now >= lease.ends_at)
        ]
        for connection in stale:
            del self._leases[connection]
        return stale

    def retire_all(self) -> list[C]:
        """No connection takes more calls; returns those that have none."""
        for connection in list(self._leases):
            self.retire(connection)
        unused = [connection for connection, lease in self._leaving.items() if lease.calls == 0]
        for connection in unused:
            del self._leaving[connection]
        return unused

    def take_all(self) -> list[C]:
        """Removes and returns all."""
        self._leaving |= self._leases
        self._leases.clear()
        return list(self._leaving)
