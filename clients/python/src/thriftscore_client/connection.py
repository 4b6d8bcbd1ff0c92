# SPDX-License-Identifier: Apache-2.0
"""One connection: a message out, a message in, within a deadline."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence

from thriftscore_client.deadline import Deadline

_HEADER = struct.Struct("!i")
_FIRST_READ_BYTES = 65_536

Buffer = bytes | bytearray | memoryview


class FrameError(Exception):
    """What came is not one frame of an allowed size."""


class Connection:
    """A connected socket that carries framed messages, one at a time.

    After any exception from `exchange` the state of the stream is unknown: close it. Not
    thread-safe.
    """

    def __init__(self, connected: socket.socket, frame_bytes_max: int) -> None:
        self._socket = connected
        self._frame_bytes_max = frame_bytes_max
        self._first_read = memoryview(bytearray(_FIRST_READ_BYTES))

    def close(self) -> None:
        """Closes the socket; may be called again."""
        self._socket.close()

    def is_quiet(self) -> bool:
        """True where a message may be sent: nothing is left to read and the peer is there."""
        try:
            self._socket.settimeout(0)
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False  # the peer has closed, or has sent what nobody asked for

    def exchange(self, message: Sequence[Buffer], deadline: Deadline) -> bytes | bytearray:
        """Sends the parts of a message as one frame and returns the content of the next frame.

        Raises TimeoutError once the deadline has passed, however fast or slowly bytes arrive,
        FrameError where the answer is not a frame, and OSError where the connection fails.
        """
        length = sum(len(part) for part in message)
        self._send([_HEADER.pack(length), *message], deadline)
        return self._receive(deadline)

    def _send(self, parts: Sequence[Buffer], deadline: Deadline) -> None:
        views = [memoryview(part) for part in parts if len(part)]
        while views:
            self._socket.settimeout(deadline.remaining_s())
            sent = self._socket.sendmsg(views)
            while views and sent >= len(views[0]):
                sent -= len(views.pop(0))
            if sent:
                views[0] = views[0][sent:]

    def _receive(self, deadline: Deadline) -> bytes | bytearray:
        first = self._first_read
        received = 0
        while received < _HEADER.size:
            received += self._receive_into(first[received:], deadline)
        (length,) = _HEADER.unpack_from(first)
        if not 0 < length <= self._frame_bytes_max:
            raise FrameError(
                f"a frame of {length} bytes came, expected 1 to {self._frame_bytes_max}"
            )
        content = first[_HEADER.size : received]
        if len(content) > length:
            raise FrameError(f"{len(content) - length} bytes came after the frame")
        if len(content) == length:
            return bytes(content)
        return self._receive_rest(content, length, deadline)

    def _receive_rest(self, start: memoryview, length: int, deadline: Deadline) -> bytearray:
        frame = bytearray(length)
        view = memoryview(frame)
        received = len(start)
        view[:received] = start
        while received < length:
            received += self._receive_into(view[received:], deadline)
        return frame

    def _receive_into(self, view: memoryview, deadline: Deadline) -> int:
        self._socket.settimeout(deadline.remaining_s())
        received = self._socket.recv_into(view)
        if received == 0:
            raise ConnectionResetError("the server closed the connection")
        return received
