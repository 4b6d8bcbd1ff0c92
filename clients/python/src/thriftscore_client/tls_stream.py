# SPDX-License-Identifier: Apache-2.0
"""TLS over a plain stream.

Python's own TLS sockets may not be read and written by two threads at a time. Here the TLS state
is kept in memory under a lock, and the socket below is used as a plain one is.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Sequence

from thriftscore_client.deadline import Deadline
from thriftscore_client.framing import Buffer
from thriftscore_client.stream import SocketStream

_READ_BYTES = 65_536


class TlsStream:
    """A stream that encrypts. As a Stream: one thread may send while another receives."""

    def __init__(self, plain: SocketStream, context: ssl.SSLContext, server_name: str) -> None:
        self._plain = plain
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._state = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._received = memoryview(bytearray(_READ_BYTES))

    @classmethod
    def handshake(
        cls,
        connected: socket.socket,
        context: ssl.SSLContext,
        server_name: str,
        deadline: Deadline,
    ) -> TlsStream:
        """Agrees on keys. Raises OSError, of which ssl.SSLError is one, and closes the socket."""
        stream = cls(SocketStream(connected), context, server_name)
        try:
            stream._shake_hands(deadline)
        except BaseException:
            connected.close()
            raise
        return stream

    def _shake_hands(self, deadline: Deadline) -> None:
        while True:
            try:
                self._state.do_handshake()
            except ssl.SSLWantReadError:
                self._send_encrypted(deadline)
                self._feed(self._plain.receive_into(self._received, deadline))
            except ssl.SSLError:
                self._send_encrypted(deadline)  # tells the server why
                raise
            else:
                self._send_encrypted(deadline)
                return

    def _send_encrypted(self, deadline: Deadline) -> None:
        """What the TLS state wants to be sent; in the order in which it was made."""
        with self._sending:
            with self._lock:
                data = self._outgoing.read()
            if data:
                self._plain.send([data], deadline)

    def _feed(self, count: int) -> None:
        with self._lock:
            if count:
                self._incoming.write(self._received[:count])
            else:
                self._incoming.write_eof()

    def send(self, parts: Sequence[Buffer], deadline: Deadline) -> None:
        """Encrypts and sends."""
        with self._lock:
            for part in parts:
                self._state.write(part)
        self._send_encrypted(deadline)

    def receive_into(self, view: memoryview, deadline: Deadline) -> int:
        """Waits for bytes and decrypts them."""
        while True:
            with self._lock:
                try:
                    return int(self._state.read(len(view), view))
                except ssl.SSLWantReadError:
                    pass
                except ssl.SSLZeroReturnError:
                    return 0
            if self._outgoing.pending:  # such as the answer to a change of keys
                self._send_encrypted(deadline)
            self._feed(self._plain.receive_into(self._received, deadline))

    def is_quiet(self) -> bool:
        """As for a plain stream; what TLS itself sends, such as tickets, is no disturbance."""
        try:
            while not self._plain.is_quiet():
                count = self._plain.receive_now(self._received)
                if count == 0:
                    return False
                self._feed(count)
            with self._lock:
                self._state.read(1)
        except ssl.SSLWantReadError:
            return True
        except OSError:
            return False
        return False

    def shut_down(self) -> None:
        """Ends the connection, waking who waits at it."""
        self._plain.shut_down()

    def close(self) -> None:
        """Gives the socket back to the system."""
        self._plain.close()
