# SPDX-License-Identifier: Apache-2.0
"""The addresses behind a client's endpoints, looked up again from time to time.

What runs a lookup is the client's: a thread, or asyncio. This says when one is due and what to do
with what it found.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from thriftscore_client.balancer import Balancer
from thriftscore_client.endpoint import Address, Endpoint
from thriftscore_client.options import ClientOptions

_LOG = logging.getLogger("thriftscore_client")
_AFTER_FAILURE_S = 1.0  # between lookups that failures to connect ask for

P = TypeVar("P")


class Directory(Generic[P]):
    """Keeps the members of a balancer to the addresses of the endpoints."""

    def __init__(
        self, endpoints: Sequence[Endpoint], options: ClientOptions, make: Callable[[Address], P]
    ) -> None:
        self.balancer: Balancer[P] = Balancer()
        self.names = [one for one in endpoints if one.is_name]
        self._interval_s = options.resolve_interval_s
        self._make = make
        self._due_at = 0.0
        self._looked_up_at = 0.0
        for endpoint in endpoints:
            if not endpoint.is_name:
                self.found(endpoint, endpoint.lookup())

    def found(self, endpoint: Endpoint, addresses: Sequence[Address]) -> list[P]:
        """These are the addresses now. Returns the pools of those that are gone."""
        by_name = {address.name: address for address in addresses}
        return self.balancer.replace(
            endpoint.text, list(by_name), lambda name: self._make(by_name[name])
        )

    def not_found(self, endpoint: Endpoint, error: OSError | UnicodeError) -> None:
        """A lookup failed: the addresses known so far stay."""
        _LOG.warning("%s: the name cannot be looked up: %s", endpoint.text, error)

    @property
    def due_at(self) -> float:
        """When names should be looked up, on the monotonic clock; infinite where there are none."""
        return self._due_at if self.names else math.inf

    @property
    def is_due(self) -> bool:
        """True where names should be looked up now; asking takes the duty."""
        now = time.monotonic()
        if not self.names or now < self._due_at:
            return False
        self._due_at, self._looked_up_at = now + self._interval_s, now
        return True

    def hasten(self) -> None:
        """An address could not be connected to: look names up soon."""
        self._due_at = min(self._due_at, self._looked_up_at + _AFTER_FAILURE_S)
