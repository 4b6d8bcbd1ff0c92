# SPDX-License-Identifier: Apache-2.0
"""THeader frames: the header section before a call is read, that before a reply is made.

The Thrift library's THeaderTransport is not for this: it reads from a transport that blocks, and
raises one error for all. No transform is known here, so nothing is inflated; every length is
checked. Format: `HeaderFormat.md` of Apache Thrift.
"""

from __future__ import annotations

from struct import Struct

from thrift.Thrift import TApplicationException

from thriftscore.serving.framing import LENGTH, CloseReason
from thriftscore.serving.replies import encode_exception
from thriftscore.serving.wire_reader import READERS, CompactReader, Encoding, MessageError

_MAGIC = 0x0FFF
_MAGIC_BYTES = _MAGIC.to_bytes(2)
_FIXED = Struct(">HHiH")  # magic, flags, sequence id, words of the section
_SECTION = Struct(">BBxx")  # protocol, no transforms, padding
_WORD_BYTES = 4
_KEY_VALUE_BLOCK = 1
_INFO_PAIRS_MAX = 128
_PROTOCOLS = {0: Encoding.BINARY, 2: Encoding.COMPACT}
_PROTOCOL_IDS = {encoding: protocol for protocol, encoding in _PROTOCOLS.items()}
# What the peer is told; of a section that cannot be read nobody knows who would understand it.
_ANSWERS = {
    CloseReason.HEADER_PROTOCOL: TApplicationException(
        TApplicationException.INVALID_PROTOCOL,
        "a THeader protocol id is neither 0 (binary) nor 2 (compact)",
    ),
    CloseReason.HEADER_TRANSFORM: TApplicationException(
        TApplicationException.INVALID_TRANSFORM, "THeader transforms are not supported"
    ),
}


class HeaderError(Exception):
    """The frame holds no message that can be answered: its connection ends, for `reason`."""

    def __init__(self, reason: CloseReason, sequence_id: int = 0) -> None:
        super().__init__(reason.value)
        self.reason = reason
        answer = _ANSWERS.get(reason)
        self.answer = answer and encode_exception(Encoding.BINARY, ("", sequence_id), answer)
        """The message to send before that, or None."""


def has_header(frame: bytes) -> bool:
    """Whether a frame is one of THeader."""
    return frame.startswith(_MAGIC_BYTES)


def open_header_frame(frame: bytes) -> tuple[bytes, Encoding]:
    """The message of a THeader frame, and the encoding that its header states.

    The frame comes without its length. Raises HeaderError.
    """
    if len(frame) < _FIXED.size:
        raise HeaderError(CloseReason.HEADER_MALFORMED)
    _, _, sequence_id, words = _FIXED.unpack_from(frame)
    start = _FIXED.size + words * _WORD_BYTES
    if start >= len(frame):
        raise HeaderError(CloseReason.HEADER_MALFORMED)
    section = CompactReader(frame[_FIXED.size : start])
    try:
        encoding = _read_protocol(section, sequence_id)
        _pass_info(section)
    except MessageError:
        raise HeaderError(CloseReason.HEADER_MALFORMED) from None
    return frame[start:], encoding


def header_prefix(reply: bytes) -> bytes:
    """What precedes a reply in its THeader frame, the frame's length included."""
    encoding = Encoding(reply[0])
    fixed = _FIXED.pack(
        _MAGIC, 0, READERS[encoding](reply).header().sequence_id, _SECTION.size // _WORD_BYTES
    )
    section = _SECTION.pack(_PROTOCOL_IDS[encoding], 0)
    return LENGTH.pack(len(fixed) + len(section) + len(reply)) + fixed + section


def _read_protocol(section: CompactReader, sequence_id: int) -> Encoding:
    protocol, transforms = section.varint(32), section.varint(32)
    if protocol not in _PROTOCOLS:
        raise HeaderError(CloseReason.HEADER_PROTOCOL, sequence_id)
    if transforms:
        raise HeaderError(CloseReason.HEADER_TRANSFORM, sequence_id)
    return _PROTOCOLS[protocol]


def _pass_info(section: CompactReader) -> None:
    """Checks the keys and values, which nothing here asks for; padding or the unknown ends them."""
    left = _INFO_PAIRS_MAX
    while section.position < len(section.data) and section.varint(32) == _KEY_VALUE_BLOCK:
        pairs = section.varint(32)
        if pairs > left:
            raise HeaderError(CloseReason.HEADER_TOO_MANY_PAIRS)
        left -= pairs
        for _ in range(2 * pairs):
            section.text()
