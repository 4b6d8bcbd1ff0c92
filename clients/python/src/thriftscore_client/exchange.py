# SPDX-License-Identifier: Apache-2.0
"""Calls on one connection by their numbers: which wait for a reply, and whose a reply is.

No input or output is done here. Connections of threads and of asyncio keep the same ledger.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from thriftscore_client.codec import Codec, Head, ReplyError
from thriftscore_client.framing import Message

E = TypeVar("E", bound="Exchange")

_SEQUENCE_STEP = 0x5E3779B1
_SEQUENCE_MASK = 0x7FFF_FFFF


class Exchange:
    """One message sent, and the one that answers it or the reason why none does."""

    __slots__ = ("failure", "head", "message", "method", "sequence")

    method: str
    sequence: int
    head: Head | None
    message: Message
    failure: BaseException | None
    wake: Callable[[], object]
    """Lets the caller look again; called by whoever settles the exchange."""

    @property
    def is_settled(self) -> bool:
        """True once there is a reply or a failure."""
        return self.head is not None or self.failure is not None

    def received_head(self) -> Head:
        """The head of the reply, which must have come."""
        assert self.head is not None
        return self.head


class Ledger(Generic[E]):
    """The exchanges of one connection that are under way.

    Several threads may use it: each step is one operation on a dict or a set.
    """

    def __init__(self, codec: Codec) -> None:
        self._read_head = codec.read_head
        self._numbers = itertools.count(1)
        self._forgotten: set[int] = set()
        self.pending: dict[int, E] = {}
        self.is_retiring = False
        """True once a call timed out: what else the connection does is not to be relied on."""
        self.failure: BaseException | None = None
        """Why the connection is of no more use."""

    @property
    def takes_calls(self) -> bool:
        """True while new calls may be sent."""
        return self.failure is None and not self.is_retiring

    def number(self) -> int:
        """The number for the next exchange: far from the last, so that a number which is slightly
        wrong is nobody's. All 2^31 come before one comes again, since the step is odd.
        """
        return next(self._numbers) * _SEQUENCE_STEP & _SEQUENCE_MASK

    def open(self, exchange: E) -> None:
        """Expects a reply to this exchange. Raises what made the connection fail."""
        self.pending[exchange.sequence] = exchange
        if self.failure is not None:
            self.pending.pop(exchange.sequence, None)
            raise self.failure

    def settle(self, messages: Iterable[Message]) -> None:
        """Gives each reply to its exchange. Raises ReplyError where one has none."""
        for message in messages:
            head = self._read_head(message)
            method, _, sequence, _ = head
            exchange = self.pending.pop(sequence, None)
            if exchange is None:
                self._drop(method, sequence)
            elif exchange.method != method:
                self.pending[sequence] = exchange  # to fail with the connection
                raise ReplyError(
                    f"the reply is to call {sequence} of {method!a},"
                    f" expected call {sequence} of {exchange.method}"
                )
            else:
                exchange.message = message
                exchange.head = head
                exchange.wake()

    def _drop(self, method: str, sequence: int) -> None:
        if sequence not in self._forgotten:
            raise ReplyError(
                f"the reply is to call {sequence} of {method!a}, which nobody waits for"
            )
        self._forgotten.discard(sequence)

    def forget(self, exchange: E) -> None:
        """Nobody waits for this reply any more: it is dropped when it comes."""
        self._forgotten.add(exchange.sequence)
        if self.pending.pop(exchange.sequence, None) is None:
            self._forgotten.discard(exchange.sequence)  # it has come

    def fail(self, failure: BaseException) -> None:
        """Ends all exchanges with this failure, unless the connection failed before."""
        if self.failure is None:
            self.failure = failure
        while self.pending:
            try:
                _, exchange = self.pending.popitem()
            except KeyError:  # another thread took the last one
                break
            exchange.failure = self.failure
            exchange.wake()
