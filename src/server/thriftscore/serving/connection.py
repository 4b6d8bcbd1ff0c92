# SPDX-License-Identifier: Apache-2.0
"""One connection: messages in, replies out in the same order, everything bounded.

All methods run on the I/O thread of the connection's server. Reading stops while too much is
unanswered, so a peer that sends faster than it reads is slowed by TCP itself.
"""

from __future__ import annotations

import random
import socket
import time
from collections import deque
from dataclasses import dataclass
from itertools import islice
from selectors import EVENT_READ, EVENT_WRITE
from typing import TYPE_CHECKING

from thriftscore.serving.framing import (
    HTTP_ANSWER,
    LENGTH,
    CloseReason,
    Transport,
    refuse_prefix,
)
from thriftscore.serving.header_frame import (
    HeaderError,
    has_header,
    header_prefix,
    open_header_frame,
)
from thriftscore.serving.listeners import peer_name
from thriftscore.serving.unframed import UnframedMessage
from thriftscore.serving.wire_reader import Encoding, MessageError

if TYPE_CHECKING:
    from thriftscore.serving.dispatcher import Ticket
    from thriftscore.serving.framed_server import FramedServer

_SEND_BUFFERS_MAX = 64
_LINGER_S = 1.0
_IDLE_JITTER = 0.1


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What one connection may hold and how long it may take. Times in seconds."""

    frame_bytes_max: int = 16_384_000
    message_bytes_max: int = 104_857_600
    """Of a message without a frame."""
    nesting_max: int = 64
    pipeline_calls_max: int = 128
    inflight_bytes_pause: int = 1_048_576
    output_bytes_max: int = 33_554_432
    frame_time_max_s: float = 10.0
    idle_timeout_s: float = 300.0
    write_stall_s: float = 10.0


@dataclass(slots=True, eq=False)
class Slot:
    """The place of one reply in the order of a connection."""

    transport: Transport
    ticket: Ticket | None = None
    reply: bytes | None = None


class Connection:
    """The state of one connection."""

    def __init__(self, sock: socket.socket, server: FramedServer) -> None:
        self.sock = sock
        self.peer = peer_name(sock)
        self._server = server
        self._limits = server.limits
        self._received = bytearray()
        self._unframed: UnframedMessage | None = None
        self._pending: deque[Slot] = deque()
        self._pending_bytes = 0
        self._output: deque[memoryview] = deque()
        self._output_bytes = 0
        self._reading_ended: CloseReason | None = None
        self._draining = False
        self._lingering = False
        now = time.monotonic()
        # Clients that connected together must not all be sent away together.
        jitter = random.uniform(1 - _IDLE_JITTER, 1 + _IDLE_JITTER)  # noqa: S311
        self._idle_timeout_s = self._limits.idle_timeout_s * jitter
        self._active_at = now
        self._sent_at = -_LINGER_S
        self._frame_deadline: float | None = None
        self._stall_deadline: float | None = None
        self._linger_deadline: float | None = None
        self.closed = False

    # -- reading -----------------------------------------------------------------------------

    def on_readable(self) -> None:
        """Reads what fits the shared buffer and hands complete frames over."""
        if self._lingering:
            self._discard()
            return
        if self._wants_more:
            self._receive()
        self._advance()

    @property
    def _wants_more(self) -> bool:
        return self._reading_ended is None and not self._paused

    @property
    def _paused(self) -> bool:
        return (
            len(self._pending) >= self._limits.pipeline_calls_max
            or self._pending_bytes + self._output_bytes > self._limits.inflight_bytes_pause
        )

    def _receive(self) -> bool:
        """One recv; False where there was nothing to read."""
        try:
            count = self.sock.recv_into(self._server.scratch)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            self.close(CloseReason.PEER_VANISHED)
            return False
        if count == 0:
            self._end_reading(CloseReason.PEER_CLOSED)
            return False
        self._active_at = time.monotonic()
        self._received += self._server.scratch[:count]
        return True

    def _discard(self) -> None:
        """Reads on after the last reply, so that closing does not destroy it on its way."""
        try:
            gone = self.sock.recv_into(self._server.scratch) == 0
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            gone = True
        if gone:
            self.close(self._reading_ended or CloseReason.PEER_CLOSED)

    def _end_reading(self, reason: CloseReason) -> None:
        if self._reading_ended is None:
            self._reading_ended = reason
            self._received.clear()
            self._unframed = None
            if reason is CloseReason.HTTP:
                self._send(HTTP_ANSWER)

    def _advance(self) -> None:
        """Does all that can be done now: messages to calls, replies to the socket, closing."""
        if self.closed:
            return
        self._take_messages()
        while self._draining and self._wants_more:
            if not self._receive():
                if not self._received:
                    self._end_reading(CloseReason.DRAINED)
                break
            self._take_messages()
        self._flush()
        self._finish_if_done()
        self._watch()

    def _take_messages(self) -> None:
        taken = False
        while self._wants_more and self._received:
            encoding = Encoding.detect(self._received)
            complete = self._take_frame() if encoding is None else self._take_unframed(encoding)
            if not complete:
                break
            taken = True
        self._time_frame(restart=taken)

    def _take_frame(self) -> bool:
        """Hands the message of a frame over; False where its rest has to come, or it is refused."""
        if len(self._received) < LENGTH.size:
            return False
        reason = refuse_prefix(bytes(self._received[: LENGTH.size]), self._limits.frame_bytes_max)
        if reason is not None:
            self._end_reading(reason)
            return False
        end = LENGTH.size + LENGTH.unpack_from(self._received)[0]
        if len(self._received) < end:
            return False
        message = self._take(LENGTH.size, end)
        encoding = Encoding.detect(message)
        if encoding is not None:
            self._submit(message, encoding, Transport.FRAMED)
        elif has_header(message):
            self._submit_with_header(message)
        else:
            self._end_reading(CloseReason.ENCODING_UNKNOWN)
        return True

    def _take_unframed(self, encoding: Encoding) -> bool:
        """The same for a message without a frame, which ends where its arguments do."""
        if self._unframed is None:
            self._unframed = UnframedMessage(self._received, encoding, self._limits.nesting_max)
        try:
            end = self._unframed.end()
        except MessageError:  # nobody knows where the next one begins; the reply says what is wrong
            message = self._take(0, len(self._received))
            self._submit(message, encoding, Transport.UNFRAMED)
            self._end_reading(CloseReason.UNFRAMED)
            return False
        if (end or len(self._received)) > self._limits.message_bytes_max:
            self._end_reading(CloseReason.UNFRAMED_TOO_LONG)
            return False
        if end is None:
            return False
        self._submit(self._take(0, end), encoding, Transport.UNFRAMED)
        return True

    def _take(self, start: int, end: int) -> bytes:
        """The bytes of a message, which are no longer among those received."""
        with memoryview(self._received) as view:
            message = bytes(view[start:end])
        self._unframed = None
        del self._received[:end]
        return message

    def _time_frame(self, *, restart: bool) -> None:
        """The clock of a frame runs while its rest is awaited, not while reading is paused."""
        if not self._received or not self._wants_more:
            self._frame_deadline = None
        elif restart or self._frame_deadline is None:
            self._frame_deadline = time.monotonic() + self._limits.frame_time_max_s

    def _submit(self, message: bytes, encoding: Encoding, transport: Transport) -> None:
        slot = Slot(transport)
        self._pending.append(slot)
        self._pending_bytes += len(message)
        slot.ticket = self._server.submit(self, slot, message, encoding)

    def _submit_with_header(self, frame: bytes) -> None:
        try:
            message, encoding = open_header_frame(frame)
        except HeaderError as error:
            if error.answer is not None:
                slot = Slot(Transport.HEADER)
                self._pending.append(slot)
                self._server.reply(self, slot, error.answer)
            self._end_reading(error.reason)
        else:
            self._submit(message, encoding, Transport.HEADER)

    # -- replying ----------------------------------------------------------------------------

    def on_replies(self) -> None:
        """Sends the replies that are done and not waiting for an earlier one."""
        if self.closed:
            return
        while self._pending and self._pending[0].reply is not None:
            slot = self._pending.popleft()
            if slot.ticket is not None:
                self._pending_bytes -= len(slot.ticket.message)
            reply = slot.reply or b""
            if slot.transport is Transport.FRAMED:
                self._send(LENGTH.pack(len(reply)))
            elif slot.transport is Transport.HEADER:
                self._send(header_prefix(reply))
            self._send(reply)
        self._advance()

    def _send(self, data: bytes) -> None:
        self._output.append(memoryview(data))
        self._output_bytes += len(data)

    def on_writable(self) -> None:
        """Goes on sending."""
        self._advance()

    def _flush(self) -> None:
        try:
            while self._output:
                sent = self.sock.sendmsg(list(islice(self._output, _SEND_BUFFERS_MAX)))
                self._consume(sent)
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self.close(CloseReason.PEER_VANISHED)
            return
        if self._output_bytes > self._limits.output_bytes_max:
            self.close(CloseReason.OUTPUT_LIMIT)

    def _consume(self, sent: int) -> None:
        self._output_bytes -= sent
        while sent:
            first = self._output[0]
            if len(first) > sent:
                self._output[0] = first[sent:]
                break
            sent -= len(first)
            self._output.popleft()
        self._sent_at = self._active_at = time.monotonic()
        self._stall_deadline = None

    # -- ending ------------------------------------------------------------------------------

    def drain(self) -> None:
        """Takes what has arrived, and the rest of a frame that has begun; then no more."""
        self._draining = True
        self._advance()

    def _finish_if_done(self) -> None:
        reason = self._reading_ended
        if self.closed or self._lingering or reason is None or self._pending or self._output:
            return
        recently = time.monotonic() - self._sent_at < _LINGER_S
        if reason is CloseReason.PEER_CLOSED or not recently:
            self.close(reason)
            return
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.close(reason)
            return
        self._lingering = True
        self._linger_deadline = time.monotonic() + _LINGER_S

    def check_time(self, now: float) -> None:
        """Closes the connection where one of its times has passed."""
        if self._output and self._stall_deadline is None:
            self._stall_deadline = now + self._limits.write_stall_s
        quiet = not self._pending and not self._output and not self._received
        if self._linger_deadline is not None and now >= self._linger_deadline:
            self.close(self._reading_ended or CloseReason.PEER_CLOSED)
        elif self._stall_deadline is not None and now >= self._stall_deadline:
            self.close(CloseReason.WRITE_STALL)
        elif self._frame_deadline is not None and now >= self._frame_deadline:
            self._frame_deadline = None
            self._end_reading(CloseReason.FRAME_TIME)
            self._advance()
        elif quiet and not self._lingering and now >= self._active_at + self._idle_timeout_s:
            self.close(CloseReason.IDLE)

    def close(self, reason: CloseReason) -> None:
        """Closes at once; calls that nobody waits for any more are dropped from the queue."""
        if self.closed:
            return
        self.closed = True
        for slot in self._pending:
            if slot.ticket is not None:
                slot.ticket.cancelled = True
        self._pending.clear()
        self._output.clear()
        self._server.forget(self, reason)
        self.sock.close()

    def _watch(self) -> None:
        if self.closed:
            return
        wanted = EVENT_READ if self._lingering or self._wants_more else 0
        self._server.watch(self, wanted | (EVENT_WRITE if self._output else 0))
