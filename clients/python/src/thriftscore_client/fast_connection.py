# SPDX-License-Identifier: Apache-2.0
"""A connection that threads share, by the compiled part: as Connection, with less work for a call.

What is usual is done there. Whatever is not goes the way of the other connections: an answer that
is an error, or no answer at all, is read by Python.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, TypeVar, cast

from thriftscore_client.calls import Call, Wire
from thriftscore_client.deadline import Deadline
from thriftscore_client.errors import Refusal
from thriftscore_client.results import FromMatrix
from thriftscore_client.shelf import Lease

if TYPE_CHECKING:
    from thriftscore_client._fast import Line

T = TypeVar("T")


class FastConnection:
    """A connected socket and the calls on it. Thread-safe."""

    def __init__(self, connected: socket.socket, wire: Wire) -> None:
        from thriftscore_client._fast import Line  # noqa: PLC0415  # may be absent

        connected.settimeout(None)
        self.line: Line = Line(connected.detach(), wire.frame_bytes_max)
        self.lease: Lease = self.line
        self._wire = wire
        self.is_quiet = self.line.is_quiet
        """True where nothing is left to read and the peer is there. For a connection not in use."""
        self.forget = self.line.forget
        """Closes the socket without ending the connection, which another process has as well."""

    @property
    def takes_calls(self) -> bool:
        """True while new calls may be sent."""
        return self.line.takes_calls

    def close(self, reason: str = "the client was closed") -> None:
        """Ends the calls that are under way and closes the socket; may be called again."""
        self.line.close(reason)

    def call(self, call: Call[T], deadline: Deadline) -> T | Refusal:
        """Sends a call and returns its answer.

        Raises OSError, of which TimeoutError is one, FrameError and ReplyError.
        """
        context, payload, convert = call.context, call.payload, cast("object", call.convert)
        method, seconds = call.method.encode(), deadline.remaining_s()
        if type(convert) is FromMatrix and context is not None and payload is not None:
            found = self.line.score(
                method,
                call.arguments,
                context.name,
                context.rest,
                payload.data,
                convert.rows,
                seconds,
            )
            if type(found) is tuple:
                return cast("T", convert.make(*found, context.request_id))
            return self.decode(call, cast("bytes", found))
        message = self.line.call(
            method,
            call.arguments,
            None if context is None else context.name,
            None if context is None else context.rest,
            None if payload is None else payload.data,
            0 if payload is None else payload.field_id,
            seconds,
        )
        return self.decode(call, message)

    def decode(self, call: Call[T], message: bytes) -> T | Refusal:
        """What a reply means. Where it has none, closes the connection and raises ReplyError."""
        try:
            return self._wire.decode(call, self._wire.codec.read_head(message), message)
        except BaseException:
            self.close("the reply to another call could not be read")
            raise
