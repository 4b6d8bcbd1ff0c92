# SPDX-License-Identifier: Apache-2.0
"""Bytes over a connected socket, within deadlines, with as few system calls as can be."""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Sequence
from typing import Protocol

from thriftscore_client.deadline import Deadline
from thriftscore_client.framing import Buffer

_PRECISE_BELOW_S = 0.2  # the kernel rounds a socket's own time limit to some milliseconds
_TIME = struct.Struct("ll")  # of C's timeval: seconds, microseconds


class Stream(Protocol):
    """One thread at a time may send, and one at a time may receive."""

    def send(self, parts: Sequence[Buffer], deadline: Deadline) -> None:
        """Sends all parts. Raises OSError, of which TimeoutError is one."""
        ...

    def receive_into(self, view: memoryview, deadline: Deadline) -> int:
        """Waits for bytes; 0 = the peer sends no more. Raises OSError."""
        ...

    def is_quiet(self) -> bool:
        """True where nothing is there to be received and the peer has not gone."""
        ...

    def shut_down(self) -> None:
        """Ends the connection and wakes who waits at it; may be called again."""
        ...

    def close(self) -> None:
        """Gives the socket back to the system. Nobody may be at it: its number is used again."""
        ...


class SocketStream:
    """A plain socket.

    The socket blocks; the kernel ends a receive that takes too long (SO_RCVTIMEO). So a receive is
    one system call, where Python's own time limit would take two.
    """

    def __init__(self, connected: socket.socket) -> None:
        connected.settimeout(None)
        self._socket = connected
        self._receive_limit_s = 0.0

    def send(self, parts: Sequence[Buffer], deadline: Deadline) -> None:
        """Sends without waiting as long as the kernel takes the bytes."""
        if len(parts) == 1:
            try:
                sent = self._socket.send(parts[0], socket.MSG_DONTWAIT)
            except BlockingIOError:
                sent = 0
            if sent == len(parts[0]):
                return
            parts = [memoryview(parts[0])[sent:]]
        self._send_rest([memoryview(part) for part in parts], deadline)

    def _send_rest(self, views: list[memoryview], deadline: Deadline) -> None:
        while views:
            sent = self._try(lambda data, flags: self._socket.sendmsg(data, (), flags), views[:64])
            if sent == 0:
                self._wait(select.POLLOUT, deadline)
            while views and sent >= len(views[0]):
                sent -= len(views.pop(0))
            if sent:
                views[0] = views[0][sent:]

    @staticmethod
    def _try(send: object, data: object) -> int:
        try:
            return send(data, socket.MSG_DONTWAIT)  # type: ignore[operator, no-any-return]
        except BlockingIOError:
            return 0

    def receive_into(self, view: memoryview, deadline: Deadline) -> int:
        """One system call, where the deadline is not near."""
        while True:
            remaining = deadline.moment - time.monotonic()
            if remaining <= _PRECISE_BELOW_S:
                self._wait(select.POLLIN, deadline)
            elif self._receive_limit_s > remaining * 1.05 or self._receive_limit_s == 0:
                self._limit_receive(remaining)
            try:
                return self._socket.recv_into(view)
            except BlockingIOError:
                self._limit_receive(deadline.remaining_s())

    def receive_now(self, view: memoryview) -> int:
        """Takes what is there, without waiting. Raises OSError."""
        return self._socket.recv_into(view, 0, socket.MSG_DONTWAIT)

    def _limit_receive(self, seconds: float) -> None:
        whole, fraction = divmod(seconds, 1)
        limit = _TIME.pack(int(whole), max(1, int(fraction * 1_000_000)))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        self._receive_limit_s = seconds

    def _wait(self, event: int, deadline: Deadline) -> None:
        poll = select.poll()
        poll.register(self._socket, event)
        if not poll.poll(deadline.remaining_s() * 1000):
            raise TimeoutError

    def is_quiet(self) -> bool:
        """Looks without taking."""
        try:
            self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False  # the peer has closed, or has sent what nobody asked for

    def shut_down(self) -> None:
        """Ends the connection, waking who waits at it."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:  # not connected any more
            return

    def close(self) -> None:
        """Gives the socket back to the system."""
        self._socket.close()
