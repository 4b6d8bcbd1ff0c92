# SPDX-License-Identifier: Apache-2.0
"""What the first four bytes of a frame may be, and what they are when they are no length.

Every wrong guess of a client shows here: the length of a frame is a positive number below the
limit, and a browser or a TLS client sends something else. An unframed message starts with a byte
that no length starts with.
"""

from __future__ import annotations

from enum import Enum
from struct import Struct

LENGTH = Struct(">I")

_HTTP_METHODS = {b"GET ", b"HEAD", b"POST", b"PUT ", b"DELE", b"CONN", b"OPTI", b"TRAC", b"PATC"}
_HTTP_TEXT = b"This port speaks Apache Thrift, not HTTP.\n"
HTTP_ANSWER = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_HTTP_TEXT), _HTTP_TEXT)
)


class Transport(Enum):
    """What is around a message, and so around its reply."""

    UNFRAMED = "unframed"
    FRAMED = "framed"
    HEADER = "THeader"


class CloseReason(Enum):
    """Why a connection ended. Counted, and logged for all but the ordinary ones."""

    PEER_CLOSED = "peer closed"
    PEER_VANISHED = "peer vanished"
    DRAINED = "server drained"
    STOPPED = "server stopped"
    IDLE = "idle timeout"
    HTTP = "HTTP request"
    TLS = "TLS handshake"
    UNFRAMED = "unframed message that cannot be read"
    UNFRAMED_TOO_LONG = "unframed message longer than the limit"
    FRAME_TOO_LONG = "frame longer than the limit"
    FRAME_EMPTY = "empty frame"
    ENCODING_UNKNOWN = "frame is neither strict binary nor compact nor THeader"
    HEADER_MALFORMED = "THeader section is malformed"
    HEADER_TOO_MANY_PAIRS = "THeader section has more than 128 info headers"
    HEADER_PROTOCOL = "THeader protocol is neither binary nor compact"
    HEADER_TRANSFORM = "THeader transform"
    FRAME_TIME = "frame did not arrive in time"
    WRITE_STALL = "peer does not read its replies"
    OUTPUT_LIMIT = "unsent replies beyond the limit"
    CONNECTION_LIMIT = "too many connections"
    DEFECT = "internal error"

    @property
    def ordinary(self) -> bool:
        """Whether it is part of a healthy server's day."""
        return self in _ORDINARY


_ORDINARY = {
    CloseReason.PEER_CLOSED,
    CloseReason.PEER_VANISHED,
    CloseReason.DRAINED,
    CloseReason.STOPPED,
    CloseReason.IDLE,
}


def refuse_prefix(prefix: bytes, frame_bytes_max: int) -> CloseReason | None:
    """Why four bytes are not the length of a frame; None where they are."""
    (length,) = LENGTH.unpack(prefix)
    if 0 < length <= frame_bytes_max:
        return None
    if length == 0:
        return CloseReason.FRAME_EMPTY
    if prefix in _HTTP_METHODS:
        return CloseReason.HTTP
    if prefix[0] == 0x16 and prefix[1] == 0x03:
        return CloseReason.TLS
    return CloseReason.FRAME_TOO_LONG
