# SPDX-License-Identifier: Apache-2.0
"""Whether the server takes requests: what the health methods tell."""

from __future__ import annotations

from enum import Enum

from thriftscore.errors import Unavailable


class Phase(Enum):
    """The life of a server; it only moves forward."""

    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"


class ServerState:
    """The phase of one server. Written by its life cycle, read by any thread."""

    def __init__(self) -> None:
        self.phase = Phase.STARTING
        self.io_mode = "python"
        """Who owns the sockets of the data port: "native" or "python"."""

    @property
    def serving(self) -> bool:
        """True between start and drain."""
        return self.phase is Phase.SERVING

    def require_serving(self) -> None:
        """Raises Unavailable before and after."""
        if not self.serving:
            raise Unavailable(f"the server is {self.phase.value}")

    def require_started(self) -> None:
        """Raises Unavailable before; what comes in while draining is answered."""
        if self.phase is Phase.STARTING:
            raise Unavailable(f"the server is {self.phase.value}")
