# SPDX-License-Identifier: Apache-2.0
"""One connection that asyncio tasks share."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

from thriftscore_client.calls import Call, Wire
from thriftscore_client.codec import ReplyError
from thriftscore_client.deadline import Deadline
from thriftscore_client.errors import Refusal
from thriftscore_client.exchange import Exchange, Ledger
from thriftscore_client.framing import Buffer, FrameError
from thriftscore_client.shelf import PlainLease

T = TypeVar("T")

_JOINED_BYTES_MAX = 16_384


class AwaitedExchange(Exchange):
    """An exchange whose caller is a task."""

    __slots__ = ("settled", "wake")

    def __init__(self, method: str, sequence: int, loop: asyncio.AbstractEventLoop) -> None:
        self.method = method
        self.sequence = sequence
        self.head = None
        self.message = b""
        self.failure = None
        self.settled: asyncio.Future[None] = loop.create_future()
        self.wake = self._wake

    def _wake(self) -> None:
        if not self.settled.done():
            self.settled.set_result(None)

    def time_out(self) -> None:
        """The deadline has passed."""
        if not self.settled.done():
            self.settled.set_exception(TimeoutError())


class AsyncConnection(asyncio.BufferedProtocol):
    """A connection and the calls on it. For one event loop."""

    def __init__(self, wire: Wire) -> None:
        self.ledger: Ledger[AwaitedExchange] = Ledger(wire.codec)
        self.lease = PlainLease()
        self._wire = wire
        self._splitter = wire.framing.splitter()
        self._loop = asyncio.get_running_loop()
        self._outbox: list[Buffer] = []
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  # asyncio's signature
        """Called by asyncio: where the next bytes belong."""
        return self._splitter.buffer()

    def buffer_updated(self, nbytes: int) -> None:
        """Called by asyncio: bytes came."""
        try:
            self.ledger.settle(self._splitter.filled(nbytes))
        except (FrameError, ReplyError) as error:
            self._fail(error)

    def eof_received(self) -> None:
        """Called by asyncio: the server sends no more."""
        self._fail(ConnectionResetError("the server closed the connection"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        self._fail(exc or ConnectionResetError("the server closed the connection"))

    @property
    def takes_calls(self) -> bool:
        """True while new calls may be sent."""
        return self.ledger.takes_calls

    def close(self, reason: str = "the client was closed") -> None:
        """Ends the calls that are under way and closes; may be called again."""
        self._fail(ConnectionAbortedError(reason))

    async def call(self, call: Call[T], deadline: Deadline) -> T | Refusal:
        """Sends a call and returns its answer.

        Raises OSError, of which TimeoutError is one, FrameError and ReplyError.
        """
        exchange = AwaitedExchange(call.method, self.ledger.number(), self._loop)
        parts = self._wire.encode(call, exchange.sequence, deadline)
        self.ledger.open(exchange)
        self._send(parts)
        timer = self._loop.call_at(self._loop.time() + deadline.left_s(), exchange.time_out)
        try:
            await exchange.settled
        except BaseException:
            self.ledger.is_retiring = True  # the server may hang
            self.ledger.forget(exchange)
            raise
        finally:
            timer.cancel()
        if exchange.failure is not None:
            raise exchange.failure
        return self._decode(call, exchange)

    def _decode(self, call: Call[T], exchange: AwaitedExchange) -> T | Refusal:
        try:
            return self._wire.decode(call, exchange.received_head(), exchange.message)
        except BaseException:
            self.close("the reply to another call could not be read")
            raise

    def _send(self, parts: list[Buffer]) -> None:
        """At once for a lone call; what several tasks send in one turn of the loop goes as one."""
        if self._outbox:
            self._outbox += parts
        elif len(self.ledger.pending) > 1:
            self._outbox = parts
            self._loop.call_soon(self._flush)
        else:
            self._write(parts)

    def _flush(self) -> None:
        parts, self._outbox = self._outbox, []
        self._write(parts)

    def _write(self, parts: list[Buffer]) -> None:
        if self._transport is None or self._transport.is_closing():
            return  # the calls have failed, or are about to
        if sum(map(len, parts)) <= _JOINED_BYTES_MAX:
            self._transport.write(b"".join(parts))
        else:
            self._transport.writelines(parts)

    def _fail(self, failure: BaseException) -> None:
        self.ledger.fail(failure)
        if self._transport is not None:
            self._transport.abort()


class AsyncSlots:
    """Lets tasks wait for something to change."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[Any]] = []

    def notify(self) -> None:
        """Wakes all that wait."""
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def wait(self) -> None:
        """Until the next `notify`."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await future
