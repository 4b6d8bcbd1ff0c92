# SPDX-License-Identifier: Apache-2.0
"""Where messages begin and end in the stream of a connection. No input or output is done here.

A splitter is fed the way asyncio.BufferedProtocol is: the bytes that came next are put into
`buffer()`, `filled(count)` says how many, and returns the messages that they completed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Protocol

from thriftscore_client.message_length import MESSAGE_LENGTHS, LengthGenerator

_LENGTH = struct.Struct("!i")
_HEADER_START = struct.Struct("!HHIH")  # magic, flags, sequence, words of header
_HEADER_MAGIC = 0x0FFF
_READ_BYTES = 65_536

Buffer = bytes | bytearray | memoryview
Message = bytes | bytearray


class FrameError(Exception):
    """What came is not one message of an allowed size."""


class Splitter(Protocol):
    """Cuts a stream into messages. One for each connection; not thread-safe."""

    def buffer(self) -> memoryview:
        """Where the next bytes of the stream belong; never empty."""
        ...

    def filled(self, count: int) -> list[Message]:
        """Takes the first `count` bytes of `buffer()`. Raises FrameError."""
        ...


class _FrameSplitter:
    """Cuts a stream of frames: a length of four bytes, then as many bytes.

    Small frames are copied out of one buffer; a frame that does not fit in what came with its
    length is read to where it stays.
    """

    def __init__(self, frame_bytes_max: int) -> None:
        self._frame_bytes_max = frame_bytes_max
        self._start = memoryview(bytearray(_READ_BYTES))
        self._kept = 0
        self._large: bytearray | None = None
        self._large_filled = 0

    def buffer(self) -> memoryview:
        if self._large is not None:
            return memoryview(self._large)[self._large_filled :]
        return self._start[self._kept :]

    def filled(self, count: int) -> list[Message]:
        if self._large is not None:
            return self._large_frame(count)
        available = self._kept + count
        start = self._start
        if (
            self._kept == 0
            and 4 < count <= self._frame_bytes_max
            and _LENGTH.unpack_from(start)[0] == count - 4
        ):
            return [bytes(start[4:count])]  # as it nearly always is
        messages: list[Message] = []
        position = 0
        while available - position >= _LENGTH.size:
            length = self._length_at(position)
            end = position + _LENGTH.size + length
            if end > available:
                if end - position > len(self._start):
                    self._begin_large(self._start[position + _LENGTH.size : available], length)
                    available = position
                break
            messages.append(bytes(self._start[position + _LENGTH.size : end]))
            position = end
        self._kept = available - position
        if self._kept and position:
            self._start[: self._kept] = bytes(self._start[position:available])
        return messages

    def _length_at(self, position: int) -> int:
        length: int = _LENGTH.unpack_from(self._start, position)[0]
        if not 0 < length <= self._frame_bytes_max:
            raise FrameError(
                f"a frame of {length} bytes came, expected 1 to {self._frame_bytes_max}"
            )
        return length

    def _begin_large(self, start: memoryview, length: int) -> None:
        self._large = bytearray(length)
        self._large[: len(start)] = start
        self._large_filled = len(start)

    def _large_frame(self, count: int) -> list[Message]:
        assert self._large is not None
        self._large_filled += count
        if self._large_filled < len(self._large):
            return []
        message, self._large = self._large, None
        return [message]


class _HeaderSplitter(_FrameSplitter):
    """Frames that hold a header and then a message, as THeader has them."""

    def filled(self, count: int) -> list[Message]:
        return [_without_header(frame) for frame in super().filled(count)]


class _UnframedSplitter:
    """Messages without frames: their own content tells where they end."""

    def __init__(self, frame_bytes_max: int, protocol: str) -> None:
        self._message_bytes_max = frame_bytes_max
        self._lengths = MESSAGE_LENGTHS[protocol]
        self._data = bytearray(_READ_BYTES)
        self._available = 0
        self._scan: LengthGenerator | None = None
        self._wanted = 0

    def buffer(self) -> memoryview:
        size = max(self._wanted, len(self._data))
        if size > len(self._data) or self._available == size:
            # A new one, since the old one may not change its size while somebody looks at it.
            grown = bytearray(max(size, 2 * len(self._data)))
            grown[: self._available] = memoryview(self._data)[: self._available]
            self._data = grown
        return memoryview(self._data)[self._available :]

    def filled(self, count: int) -> list[Message]:
        self._available += count
        messages: list[Message] = []
        while (length := self._message_length()) is not None:
            view = memoryview(self._data)
            messages.append(bytes(view[:length]))
            rest = bytes(view[length : self._available])
            self._available = len(rest)
            view[: len(rest)] = rest
        return messages

    def _message_length(self) -> int | None:
        """The length of the message at the start, or None where more must come first."""
        if self._scan is None:
            if not self._available:
                return None
            self._scan = self._lengths()
            self._wanted = next(self._scan)
        while self._wanted <= self._available:
            try:
                self._wanted = self._scan.send(self._data)
            except StopIteration as done:
                self._scan, self._wanted = None, 0
                return int(done.value)
            except ValueError as error:
                raise FrameError(str(error)) from error
            if self._wanted > self._message_bytes_max:
                raise FrameError(
                    f"a message of at least {self._wanted} bytes came,"
                    f" expected at most {self._message_bytes_max}"
                )
        return None


def _without_header(frame: Message) -> Message:
    if len(frame) < _HEADER_START.size:
        raise FrameError(f"a frame of {len(frame)} bytes came, too short for a header")
    magic, _, _, words = _HEADER_START.unpack_from(frame)
    start, end = _HEADER_START.size, _HEADER_START.size + 4 * words
    if magic != _HEADER_MAGIC or words == 0 or end > len(frame):
        raise FrameError("a frame without a THeader header came")
    if frame[start + 1] != 0:
        raise FrameError("a frame with transforms came, which were not asked for")
    return frame[end:]


class Framing:
    """How the messages of one kind of transport are put into a stream, and cut out of it."""

    def __init__(self, transport: str, protocol: str, frame_bytes_max: int) -> None:
        self._transport = transport
        self._protocol = protocol
        self._frame_bytes_max = frame_bytes_max
        self._header = bytes([2 if protocol == "compact" else 0, 0, 0, 0])
        self.prefix: Callable[[int, int], bytes] = {
            "framed": lambda length, _sequence: _LENGTH.pack(length),
            "unframed": lambda _length, _sequence: b"",
            "header": self._header_prefix,
        }[transport]
        """What goes before a message, by its length and number."""

    def splitter(self) -> Splitter:
        """A splitter for a new connection."""
        if self._transport == "unframed":
            return _UnframedSplitter(self._frame_bytes_max, self._protocol)
        return (_HeaderSplitter if self._transport == "header" else _FrameSplitter)(
            self._frame_bytes_max
        )

    def _header_prefix(self, length: int, sequence: int) -> bytes:
        start = _HEADER_START.pack(_HEADER_MAGIC, 0, sequence, len(self._header) // 4)
        header = start + self._header
        return _LENGTH.pack(len(header) + length) + header
