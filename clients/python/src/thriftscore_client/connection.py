# SPDX-License-Identifier: Apache-2.0
"""One connection that threads share: who waits for a reply also reads, for all.

The first caller that waits is the reader. It takes what comes, gives each reply to its caller, and
once it has its own hands the reading to another that waits. A lone caller thus sends and receives
with one system call each and no change of thread, and with many callers one read serves several.

Writing works alike: whoever is sending also sends what others add meanwhile. Where one read has
answered several callers, they are likely to call again at once, so the reader waits for a moment
(GATHERING_S at most) and sends what they have to say as one piece.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import Any, TypeVar

from thriftscore_client.calls import JOINED_BYTES_MAX, Call, Wire
from thriftscore_client.codec import ReplyError
from thriftscore_client.deadline import Deadline
from thriftscore_client.errors import Refusal
from thriftscore_client.exchange import Exchange, Ledger
from thriftscore_client.framing import Buffer, FrameError
from thriftscore_client.shelf import PlainLease
from thriftscore_client.stream import Stream

T = TypeVar("T")

GATHERING_S = 300e-6
_GATHERING_MIN_S = 20e-6


class Signal:
    """Wakes one thread, now or when it next waits; more than once is as good as once."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = lock = threading.Lock()
        lock.acquire()

    def set(self) -> None:
        """Ends the present or the next `wait`."""
        try:
            self._lock.release()
        except RuntimeError:  # it is set
            return

    def wait(self, seconds: float) -> bool:
        """Waits for `set`; False where it did not come in time."""
        return self._lock.acquire(timeout=seconds)


class WaitingExchange(Exchange):
    """An exchange whose caller is a thread."""

    __slots__ = ("is_waiting", "signal", "wake")

    def __init__(self, method: str, sequence: int) -> None:
        self.method = method
        self.sequence = sequence
        self.head = None
        self.message = b""
        self.failure = None
        self.is_waiting = False
        self.signal = signal = Signal()
        self.wake = signal.set


class Connection:
    """A connected stream and the calls on it. Thread-safe."""

    def __init__(self, stream: Stream, wire: Wire) -> None:
        self.ledger: Ledger[WaitingExchange] = Ledger(wire.codec)
        self.lease = PlainLease()
        self._stream = stream
        self.is_quiet = stream.is_quiet
        """True where nothing is left to read and the peer is there. For a connection not in use."""
        self._wire = wire
        self._splitter = wire.framing.splitter()
        self._outbox: deque[Sequence[Buffer]] = deque()
        self._sending = threading.Lock()
        self._reading = threading.Lock()
        self._answered = 0
        """By the last read: as many callers may call again at once."""
        self._is_gathering = False
        self._gathered = Signal()
        self._patience_s = GATHERING_S

    @property
    def takes_calls(self) -> bool:
        """True while new calls may be sent."""
        return self.ledger.takes_calls

    def close(self, reason: str = "the client was closed") -> None:
        """Ends the calls that are under way and closes the stream; may be called again."""
        self._fail(ConnectionAbortedError(reason))

    def forget(self) -> None:
        """Closes the socket without ending the connection, which another process has as well."""
        self._stream.close()

    def call(self, call: Call[T], deadline: Deadline) -> T | Refusal:
        """Sends a call and returns its answer.

        Raises OSError, of which TimeoutError is one, FrameError and ReplyError.
        """
        exchange = self.start(call, deadline)
        try:
            self.wait(exchange, deadline)
        except BaseException:
            self.abandon(exchange)
            raise
        return self.finish(call, exchange)

    def start(self, call: Call[Any], deadline: Deadline) -> WaitingExchange:
        """Sends a call, or leaves it to one who is sending; `wait` must follow.

        Raises OSError, of which TimeoutError is one, where the stream fails; it is closed then.
        """
        exchange = WaitingExchange(call.method, self.ledger.number())
        parts = self._wire.encode(call, exchange.sequence, deadline)
        self.ledger.open(exchange)
        self._outbox.append(parts)
        if self._is_gathering:
            if len(self._outbox) >= self._answered:
                self._gathered.set()
        elif self._answered < 2 or self._reading.locked():
            # Otherwise the caller is about to become the reader, and gathers first.
            self._flush(deadline)
        return exchange

    def wait(self, exchange: WaitingExchange, deadline: Deadline) -> None:
        """Returns once the exchange is settled. Raises TimeoutError where it is not in time."""
        exchange.is_waiting = True
        try:
            while not exchange.is_settled:
                if self._reading.acquire(blocking=False):
                    self._read_until_settled(exchange, deadline)
                elif not exchange.signal.wait(deadline.remaining_s()) and not exchange.is_settled:
                    raise TimeoutError
        finally:
            exchange.is_waiting = False
            if self.ledger.pending and not self._reading.locked():
                self._hand_over()

    def abandon(self, exchange: WaitingExchange) -> None:
        """Its caller waits no more. The connection takes no new calls: the server may hang."""
        self.ledger.is_retiring = True
        self.ledger.forget(exchange)

    def finish(self, call: Call[T], exchange: WaitingExchange) -> T | Refusal:
        """The answer of a settled exchange. Raises what made it fail; the stream is closed then."""
        if exchange.failure is not None:
            raise exchange.failure
        try:
            return self._wire.decode(call, exchange.received_head(), exchange.message)
        except BaseException:
            self.close("the reply to another call could not be read")
            raise

    def _read_until_settled(self, exchange: WaitingExchange, deadline: Deadline) -> None:
        """Reads for everybody; the caller has taken `_reading`, which this gives back."""
        try:
            while not exchange.is_settled:
                if self._answered > 1:
                    self._gather()
                if self._outbox:
                    self._flush(deadline)
                count = self._stream.receive_into(self._splitter.buffer(), deadline)
                if count == 0:
                    raise ConnectionResetError("the server closed the connection")
                messages = self._splitter.filled(count)
                self._answered = len(messages)
                self.ledger.settle(messages)
        except TimeoutError:
            raise
        except (OSError, FrameError, ReplyError) as error:
            self._fail(error)
        finally:
            self._reading.release()
            if self.ledger.failure is not None:
                self._close_if_unused()

    def _gather(self) -> None:
        """Waits until as many as were answered have called again, or patience ends."""
        self._is_gathering = True
        if len(self._outbox) < self._answered:
            came = self._gathered.wait(self._patience_s)
            better = 2 * self._patience_s if came else self._patience_s / 2
            self._patience_s = min(GATHERING_S, max(_GATHERING_MIN_S, better))
        self._is_gathering = False
        self._answered = 0

    def _hand_over(self) -> None:
        """Wakes one that waits, to read for all."""
        try:
            waiting = [one for one in list(self.ledger.pending.values()) if one.is_waiting]
        except RuntimeError:  # changed while it was looked at, by one who will look as well
            return
        if waiting:
            waiting[0].wake()

    def _flush(self, deadline: Deadline) -> None:
        """Sends what is in the outbox, unless somebody is at it, who then sends this too."""
        while self._outbox and self._sending.acquire(blocking=False):
            try:
                self._stream.send(self._next_parts(), deadline)
            except BaseException as error:
                self._fail(_seen_by_others(error))
                raise
            finally:
                self._sending.release()
                if self.ledger.failure is not None:
                    self._close_if_unused()

    def _next_parts(self) -> Sequence[Buffer]:
        """All parts in the outbox, small ones joined to one."""
        parts = self._outbox.popleft()
        if not self._outbox:
            return parts
        parts = list(parts)
        while self._outbox:
            parts.extend(self._outbox.popleft())
        if sum(map(len, parts)) <= JOINED_BYTES_MAX:
            return [b"".join(parts)]
        return [part for part in parts if len(part)]

    def _fail(self, failure: BaseException) -> None:
        self.ledger.fail(failure)
        self._stream.shut_down()
        self._close_if_unused()

    def _close_if_unused(self) -> None:
        """Who is sending or receiving closes when done: a closed socket's number is used again."""
        if self._reading.acquire(blocking=False):
            if self._sending.acquire(blocking=False):
                self._stream.close()
                self._sending.release()
            self._reading.release()


def _seen_by_others(error: BaseException) -> BaseException:
    """How the other calls of a connection see that sending one message failed."""
    if isinstance(error, OSError) and not isinstance(error, TimeoutError):
        return error
    return ConnectionAbortedError("another call's message was sent in part")
