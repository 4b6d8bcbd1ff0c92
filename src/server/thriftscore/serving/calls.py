# SPDX-License-Identifier: Apache-2.0
"""One call on its way through the server: what the dispatcher and the handlers note about it."""

from __future__ import annotations

import re
import time
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from thriftscore.errors import DeadlineExceeded, ErrorCode, InvalidArgument

if TYPE_CHECKING:
    from thriftscore.repository import ServedModel

REQUEST_ID_BYTES_MAX = 128
_TRACEPARENT = re.compile("[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(slots=True)
class Call:
    """Times are time.monotonic_ns(). Belongs to one thread at a time."""

    method: str = ""
    received_ns: int = field(default_factory=time.monotonic_ns)
    started_ns: int = 0
    """When a thread took it from the queue."""
    infer_ns: int = 0
    """Time in the kernels."""
    computed_ns: int = 0
    """When the kernels were done; 0 = they never ran."""
    finished_ns: int = 0
    model: ServedModel | None = None
    shadow: ServedModel | None = None
    """The version that scores the same rows as well, for comparison."""
    rows: int = 0
    executions: int = 0
    code: ErrorCode | None = None
    """Absent = success."""
    peer: str = ""
    """Where the call came from; empty where that is not known."""
    request_id: str | None = None
    traceparent: str | None = None
    deadline_ms: int = 0

    def check_deadline(self) -> None:
        """Raises DeadlineExceeded once the caller has stopped waiting."""
        waited_ms = (time.monotonic_ns() - self.received_ns) // 1_000_000
        if self.deadline_ms and waited_ms >= self.deadline_ms:
            raise DeadlineExceeded(
                f"deadline of {self.deadline_ms} ms passed: {waited_ms} ms since it was received"
            )

    @property
    def identity(self) -> dict[str, str]:
        """What the lines of the log about this call have in common: what is known of it."""
        known = {"request_id": self.request_id, "traceparent": self.traceparent}
        return {name: value for name, value in known.items() if value is not None}

    def apply_trace(self, traceparent: str | None) -> None:
        """Takes over a W3C `traceparent`; one that is none is ignored, as that standard asks."""
        if traceparent is not None and _TRACEPARENT.fullmatch(traceparent):
            self.traceparent = traceparent

    def apply_context(self, request_id: str | None, deadline_ms: int | None) -> None:
        """Takes over a RequestContext. Raises InvalidArgument or DeadlineExceeded."""
        if request_id is not None:
            length = len(request_id.encode("utf-8", "surrogatepass"))
            if length > REQUEST_ID_BYTES_MAX:
                raise InvalidArgument(
                    f"request_id: expected at most {REQUEST_ID_BYTES_MAX} bytes, received {length}"
                )
            self.request_id = request_id
        if deadline_ms is not None and deadline_ms < 0:
            raise InvalidArgument(f"deadline_ms: expected 0 or more, received {deadline_ms}")
        self.deadline_ms = deadline_ms or 0
        self.check_deadline()


_current: ContextVar[Call] = ContextVar("thriftscore_call")


def current_call() -> Call:
    """The call that this thread answers. LookupError outside of one."""
    return _current.get()


def enter_call(call: Call) -> Token[Call]:
    """Makes `call` the one that this thread answers, until the token is given back."""
    return _current.set(call)


def leave_call(token: Token[Call]) -> None:
    """Ends what enter_call began."""
    _current.reset(token)


def in_call() -> bool:
    """Whether this thread answers a call."""
    return _current.get(None) is not None
