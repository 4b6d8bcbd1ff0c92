# SPDX-License-Identifier: Apache-2.0
"""The short way of the call that is made most: `score` of a few rows, at a client's only server.

The compiled part does all of it, over a connection that the pool would lend as well: `Lane` says
which, and until when. Whatever is unusual, before or after the call was sent, goes on the long way:
the channel's. So does the first call, and each after which there is no lane.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from thriftscore_client.channel import Channel
from thriftscore_client.deadline import Deadline
from thriftscore_client.fast_connection import FastConnection
from thriftscore_client.forking import renew_in_children
from thriftscore_client.observing import current_traceparent, has_traces
from thriftscore_client.options import ClientOptions
from thriftscore_client.requests import Requests
from thriftscore_client.results import ScoreResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thriftscore_client import _fast
    from thriftscore_client.balancer import Balancer, Member
    from thriftscore_client.pool import Pool

# ruff: noqa: ANN401  # rows may be tables of libraries that are absent


@dataclass(frozen=True, slots=True)
class Lane:
    """A connection with room, as long as `balancer.members` are these, until a moment."""

    line: _fast.Line
    connection: FastConnection
    pool: Pool
    balancer: Balancer[Pool]
    members: Sequence[Member[Pool]]
    until: float
    """On the monotonic clock."""


class Express:
    """Scores by the short way where there is one. Thread-safe."""

    def __init__(self, channel: Channel, requests: Requests, options: ClientOptions) -> None:
        self._channel = channel
        self._requests = requests
        self._options = options
        self.after_fork()
        renew_in_children(self)

    @staticmethod
    def suits(channel: Channel, options: ClientOptions) -> bool:
        """False where the client must do more for each call than the short way does."""
        return channel.wire.is_compiled and not options.observers and options.hedge_after is None

    def after_fork(self) -> None:
        """Begins without a lane, and with request ids that no other process has."""
        from thriftscore_client import _fast  # noqa: PLC0415  # may be absent

        self._short = _fast.Express(
            ScoreResult,
            self._requests.score_start,
            self._channel.earn,
            current_traceparent if has_traces() else None,
            f"{secrets.token_hex(8)}-".encode(),
            self._requests.token,
            self._options.timeout_s,
            self._options.calls_per_connection_max,
        )

    def score(self, model: str, features: Any) -> ScoreResult:
        """As Client.score, without options of the call."""
        found = self._short.score(model, features)
        if isinstance(found, ScoreResult):
            return found
        if found is None:
            answer = self._channel.call(self._requests.score(model, features, {}), None)
        else:
            answer = self._go_on(model, features, found)
        if not self._short.is_armed:
            self._arm()
        return answer

    def _arm(self) -> None:
        directory = self._channel.directory
        members = directory.balancer.members
        if len(members) != 1:
            return
        pool = members[0].pool
        connection = pool.freest()
        if isinstance(connection, FastConnection):
            until = min(connection.lease.ends_at, directory.due_at)
            self._short.arm(
                Lane(connection.line, connection, pool, directory.balancer, members, until)
            )

    def _go_on(
        self, model: str, features: Any, stopped: tuple[Lane, str, float, BaseException | bytes]
    ) -> ScoreResult:
        """Leads a call on whose first attempt came to something unusual."""
        lane, request_id, begun, outcome = stopped
        call = self._requests.score(model, features, {"request_id": request_id})

        def first() -> Any:
            if isinstance(outcome, BaseException):
                raise outcome
            return lane.connection.decode(call, outcome)

        deadline = Deadline(self._options.timeout_s, begun)
        return self._channel.go_on(call, lane.members[0], deadline, first)
