# SPDX-License-Identifier: Apache-2.0
"""The moment by which a call must be over."""

from __future__ import annotations

import time


class Deadline:
    """A moment on the monotonic clock. Immutable."""

    __slots__ = ("moment", "seconds")

    def __init__(self, seconds: float, begun: float | None = None) -> None:
        self.seconds = seconds
        """How long the call may take in all."""
        self.moment = (time.monotonic() if begun is None else begun) + seconds

    def left_s(self) -> float:
        """Seconds left; 0 or less where none are."""
        return self.moment - time.monotonic()

    def remaining_s(self) -> float:
        """Seconds left. Raises TimeoutError where none are."""
        remaining = self.moment - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        return remaining

    def remaining_ms(self) -> int:
        """Milliseconds left, at least 1: to a server, 0 would mean no deadline."""
        return max(1, int(self.remaining_s() * 1000))

    def at_most(self, seconds: float) -> Deadline:
        """The earlier of this moment and `seconds` from now."""
        return Deadline(min(seconds, self.remaining_s()))
