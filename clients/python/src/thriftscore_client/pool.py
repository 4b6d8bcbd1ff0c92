# SPDX-License-Identifier: Apache-2.0
"""The connections of threads to one address: made, lent, watched and closed."""

from __future__ import annotations

import socket
import threading

from thriftscore_client.calls import Wire
from thriftscore_client.connection import Connection
from thriftscore_client.deadline import Deadline
from thriftscore_client.endpoint import Address
from thriftscore_client.fast_connection import FastConnection
from thriftscore_client.options import ClientOptions
from thriftscore_client.shelf import Shelf
from thriftscore_client.stream import SocketStream, Stream
from thriftscore_client.tls_stream import TlsStream

AnyConnection = Connection | FastConnection


class PoolClosedError(Exception):
    """The pool lends no more connections."""


class PoolFullError(Exception):
    """All connections had as many calls as they may for as long as the caller could wait."""


class Pool:
    """A bounded pool. Thread-safe."""

    def __init__(self, address: Address, options: ClientOptions, wire: Wire) -> None:
        self.address = address
        self._options = options
        self._wire = wire
        self._shelf: Shelf[AnyConnection] = Shelf(options)
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self.waiting = 0
        """Callers for whom there is no room."""
        self._closed = False

    def borrow(self, deadline: Deadline, *, heavy: bool) -> AnyConnection:
        """A sound connection with room for a call; give it back.

        Raises PoolClosedError, PoolFullError, and OSError where none can be made.
        """
        while True:
            with self._lock:
                connection = None if self._closed else self._shelf.borrow(heavy=heavy)
                if connection is None:
                    connection = self._wait_or_reserve(deadline, heavy=heavy)
                # Before another call may be on it: what comes then is that one's reply.
                is_sound = connection is None or connection.lease.calls > 1 or connection.is_quiet()
                if connection is not None and not is_sound:
                    self._shelf.retire(connection)
            if connection is None:
                return self._dial(deadline)
            if is_sound:
                return connection
            self.give_back(connection)

    def _wait_or_reserve(self, deadline: Deadline, *, heavy: bool) -> AnyConnection | None:
        """A connection, or None and the right to make one."""
        while not self._closed:
            if self._shelf.may_dial:
                self._shelf.dialling += 1
                return None
            self.waiting += 1
            try:
                # Where it saw nobody waiting, the express gave its place back without a word.
                connection = self._shelf.borrow(heavy=heavy)
                if connection is not None:
                    return connection
                remaining_s = deadline.left_s()
                if remaining_s <= 0 or not self._changed.wait(remaining_s):
                    raise PoolFullError
            finally:
                self.waiting -= 1
        raise PoolClosedError

    def _dial(self, deadline: Deadline) -> AnyConnection:
        connection: AnyConnection | None = None
        try:
            limit = deadline.at_most(self._options.connect_timeout_s)
            connection = self._connect(limit)
        finally:
            with self._lock:
                self._shelf.dialling -= 1
                too_late = self._closed
                if connection is not None and not too_late:
                    self._shelf.add(connection)
                self._changed.notify_all()
        if too_late:
            connection.close()
            raise PoolClosedError
        return connection

    def _connect(self, deadline: Deadline) -> AnyConnection:
        connected = self.address.connect(deadline)
        if self._wire.is_compiled:
            return FastConnection(connected, self._wire)
        return Connection(self._stream(connected, deadline), self._wire)

    def _stream(self, connected: socket.socket, deadline: Deadline) -> Stream:
        if self._wire.tls is None:
            return SocketStream(connected)
        name = self._wire.server_name(self.address)
        return TlsStream.handshake(connected, self._wire.tls, name, deadline)

    def freest(self) -> AnyConnection | None:
        """A connection with room for a call, not borrowed; None where calls wait for one."""
        with self._lock:
            return None if self._closed or self.waiting else self._shelf.freest()

    def give_back(self, connection: AnyConnection) -> None:
        """The call is over."""
        with self._lock:
            finished = self._shelf.give_back(connection)
            if self.waiting:
                self._changed.notify()
        if finished:
            connection.close()

    def sweep(self) -> None:
        """Closes what is idle for too long."""
        with self._lock:
            stale = self._shelf.take_stale()
        for connection in stale:
            connection.close()

    def close(self) -> None:
        """Closes all connections; calls on them fail."""
        with self._lock:
            self._closed = True
            connections = self._shelf.take_all()
            self._changed.notify_all()
        for connection in connections:
            connection.close()

    def close_when_unused(self) -> None:
        """The address is gone: calls under way may end, others are not expected."""
        with self._lock:
            unused = self._shelf.retire_all()
        for connection in unused:
            connection.close()

    def forget(self) -> None:
        """Closes this process's copies of the sockets, without a word to the servers."""
        for connection in self._shelf.take_all():
            connection.forget()
