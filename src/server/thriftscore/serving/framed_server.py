# SPDX-License-Identifier: Apache-2.0
"""The sockets of one port: a single I/O thread that owns its listeners and connections.

The thread never blocks on a peer and never runs a call; messages go to a dispatcher and replies
come back through a queue and an eventfd. Whatever one connection does, it ends with that
connection.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial
from selectors import EVENT_READ, DefaultSelector
from threading import Lock, Thread

from thriftscore.serving.connection import Connection, ConnectionLimits, Slot
from thriftscore.serving.dispatcher import Dispatcher, Ticket
from thriftscore.serving.framing import CloseReason
from thriftscore.serving.logs import get_logger
from thriftscore.serving.wire_reader import Encoding

_log = get_logger()

_SCRATCH_BYTES = 262_144
_ACCEPTS_IN_A_TURN = 64
_SWEEP_S_MAX = 0.5
_SWEEP_S_MIN = 0.01
_LISTENER_PARKED_S = 0.1
_LOG_INTERVAL_S = 1.0
_OUT_OF_DESCRIPTORS = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class FramedServer:
    """Serves Thrift, framed, unframed and THeader, on listening sockets, which it owns from now on.

    `start`, `drain`, `stop` and `join` may be called from any thread; all else runs on the I/O
    thread, except `reply`.
    """

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        dispatcher: Dispatcher,
        limits: ConnectionLimits,
        connections_max: int,
    ) -> None:
        self.limits = limits
        self.scratch = memoryview(bytearray(_SCRATCH_BYTES))
        self._closed: Counter[CloseReason] = Counter()
        self._listeners = list(listeners)
        self._dispatcher = dispatcher
        self._connections_max = connections_max
        self._connections: set[Connection] = set()
        self._watched: dict[Connection, int] = {}
        self._selector = DefaultSelector()
        self._wake_descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._wake_lock = Lock()
        self._woken = False
        self._replied: deque[Connection] = deque()
        self._orders: deque[Callable[[], None]] = deque()
        self._parked_until: float | None = None
        self._draining = False
        self._stopping = False
        self._sweep_s = _sweep_interval(limits)
        self._logged_at: dict[CloseReason, float] = {}
        self._thread = Thread(target=self._run, name="thriftscore-io", daemon=True)

    # -- from any thread ---------------------------------------------------------------------

    def start(self) -> None:
        """Begins to accept. Call it once."""
        self._selector.register(self._wake_descriptor, EVENT_READ, self._on_wake)
        self._watch_listeners()
        self._thread.start()

    def set_serving(self, serving: bool) -> None:
        """Nothing to do: all calls go to the handler, which looks at the server's state."""

    def drain(self) -> None:
        """Stops accepting, answers what has been received, closes each connection after that."""
        self._order(self._begin_drain)

    def stop(self) -> None:
        """Closes everything at once."""
        self._order(self._begin_stop)

    def join(self, timeout_s: float) -> bool:
        """Waits until all connections are closed; False at the timeout."""
        self._thread.join(max(0.0, timeout_s))
        return not self._thread.is_alive()

    @property
    def running(self) -> bool:
        """False once the I/O thread has ended, whatever ended it."""
        return self._thread.is_alive()

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    @property
    def closed_by_reason(self) -> dict[str, int]:
        """How many connections ended, by why."""
        return {reason.value: count for reason, count in self._closed.copy().items()}

    def _order(self, action: Callable[[], None]) -> None:
        self._orders.append(action)
        self._wake()

    def _wake(self) -> None:
        with self._wake_lock:
            if not self._woken:
                self._woken = True
                os.eventfd_write(self._wake_descriptor, 1)

    # -- the loop ----------------------------------------------------------------------------

    def _run(self) -> None:
        next_sweep = time.monotonic() + self._sweep_s
        try:
            while not self._stopping and not (self._draining and not self._connections):
                for key, events in self._selector.select(max(0.0, next_sweep - time.monotonic())):
                    self._handle(key.data, events)
                now = time.monotonic()
                if now >= next_sweep:
                    self._sweep(now)
                    next_sweep = now + self._sweep_s
        except Exception:
            _log.exception("io_thread_failed")
        finally:
            self._release()

    def _handle(self, target: Connection | Callable[[], None], events: int) -> None:
        if not isinstance(target, Connection):
            target()
        elif not target.closed:
            self._guarded(target, target.on_readable if events & EVENT_READ else target.on_writable)

    def _guarded(self, connection: Connection, action: Callable[[], None]) -> None:
        """A defect that one connection brings out must not reach the others."""
        try:
            action()
        except Exception:
            _log.exception("connection_failed")
            connection.close(CloseReason.DEFECT)

    def _on_wake(self) -> None:
        os.eventfd_read(self._wake_descriptor)
        self._woken = False
        while self._orders:
            self._orders.popleft()()
        for _ in range(len(self._replied)):
            connection = self._replied.popleft()
            self._guarded(connection, connection.on_replies)
        if self._replied:
            self._wake()

    def _sweep(self, now: float) -> None:
        if self._parked_until is not None and now >= self._parked_until:
            self._parked_until = None
            self._watch_listeners()
        for connection in list(self._connections):
            self._guarded(connection, partial(connection.check_time, now))

    # -- listeners ---------------------------------------------------------------------------

    def _watch_listeners(self) -> None:
        for listener in self._listeners:
            self._selector.register(listener, EVENT_READ, partial(self._accept, listener))

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_ACCEPTS_IN_A_TURN):
            if self._parked_until is not None or listener.fileno() < 0:
                return
            try:
                sock, _ = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno in _OUT_OF_DESCRIPTORS:
                    self._park_listeners(error)
                    return
                _log.warning("accept_failed", error=error.strerror)
                return
            self._admit(sock)

    def _park_listeners(self, error: OSError) -> None:
        """Out of descriptors: the waiting connections stay in the backlog, and nothing spins."""
        _log.warning("accept_paused", error=error.strerror, connections=len(self._connections))
        for listener in self._listeners:
            self._selector.unregister(listener)
        self._parked_until = time.monotonic() + _LISTENER_PARKED_S

    def _admit(self, sock: socket.socket) -> None:
        if len(self._connections) >= self._connections_max:
            sock.close()
            self._count(CloseReason.CONNECTION_LIMIT)
            return
        sock.setblocking(False)
        try:
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            connection = Connection(sock, self)
            self._connections.add(connection)
            self.watch(connection, EVENT_READ)
        except OSError:  # reset before it was looked at
            sock.close()

    # -- for connections ---------------------------------------------------------------------

    def submit(
        self, connection: Connection, slot: Slot, message: bytes, encoding: Encoding
    ) -> Ticket:
        """Hands a message to the dispatcher; the reply comes back to `connection.on_replies`."""
        on_reply = partial(self.reply, connection, slot)
        return self._dispatcher.submit(message, encoding, on_reply, connection.peer)

    def reply(self, connection: Connection, slot: Slot, reply: bytes) -> None:
        """Puts the reply into its slot and has `connection.on_replies` called. Thread-safe."""
        slot.reply = reply
        self._replied.append(connection)
        self._wake()

    def watch(self, connection: Connection, events: int) -> None:
        """Waits for these events of a connection from now on; 0 = for none."""
        before = self._watched.get(connection, 0)
        if events == before:
            return
        if not before:
            self._selector.register(connection.sock, events, connection)
        elif not events:
            self._selector.unregister(connection.sock)
        else:
            self._selector.modify(connection.sock, events, connection)
        self._watched[connection] = events

    def forget(self, connection: Connection, reason: CloseReason) -> None:
        """Removes a connection that is about to close its socket."""
        if self._watched.pop(connection, 0):
            self._selector.unregister(connection.sock)
        self._connections.discard(connection)
        self._count(reason)

    def _count(self, reason: CloseReason) -> None:
        """Counts a closed connection; the log gets at most one line a second for each reason."""
        self._closed[reason] += 1
        now = time.monotonic()
        if reason.ordinary or now - self._logged_at.get(reason, -_LOG_INTERVAL_S) < _LOG_INTERVAL_S:
            return
        self._logged_at[reason] = now
        _log.warning("connection_closed", reason=reason.value, so_far=self._closed[reason])

    # -- ending ------------------------------------------------------------------------------

    def _begin_drain(self) -> None:
        self._draining = True
        self._close_listeners()
        for connection in list(self._connections):
            self._guarded(connection, connection.drain)

    def _begin_stop(self) -> None:
        self._stopping = True

    def _close_listeners(self) -> None:
        for listener in self._listeners:
            if self._parked_until is None:
                self._selector.unregister(listener)
            listener.close()
        self._listeners.clear()
        self._parked_until = None

    def _release(self) -> None:
        self._close_listeners()
        for connection in list(self._connections):
            connection.close(CloseReason.STOPPED)
        self._selector.close()
        with self._wake_lock:  # replies may still come; none may write to a descriptor used anew
            self._woken = True
            os.close(self._wake_descriptor)


def _sweep_interval(limits: ConnectionLimits) -> float:
    """Often enough for the shortest time to be kept within a tenth, and never often for nothing."""
    shortest = min(limits.frame_time_max_s, limits.idle_timeout_s, limits.write_stall_s)
    return min(_SWEEP_S_MAX, max(_SWEEP_S_MIN, shortest / 10))
