# SPDX-License-Identifier: Apache-2.0
"""THeader frames, right and wrong (H-01 to H-16): both kinds of server do the same."""

import struct
import zlib
from dataclasses import dataclass

import pytest
from thrift_wire import decode, encode, frame

MAGIC, SEQUENCE_ID = 0x0FFF, 0x01020304
INVALID_TRANSFORM, INVALID_PROTOCOL, PROTOCOL_ERROR = 8, 9, 7
COUNT_MAX = 2**31 - 1
PING = encode("binary", "ping", 7)
ZLIB_BOMB = zlib.compress(bytes(16_000_000)) * 64  # as many streams, one behind another
WORDING = {
    INVALID_TRANSFORM: "THeader transforms are not supported",
    INVALID_PROTOCOL: "a THeader protocol id is neither 0 (binary) nor 2 (compact)",
}


def varint(value):
    data = bytearray()
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(data) + bytes([value])


def text(data, length=None):
    return varint(len(data) if length is None else length) + data


def pairs(*items, count=None):
    """An info block of keys and values."""
    written = b"".join(text(key) + text(value) for key, value in items)
    return varint(1) + varint(len(items) if count is None else count) + written


def section(protocol=0, transforms=b"\0", info=b""):
    data = varint(protocol) + transforms + info
    return data + bytes(-len(data) % 4)


def header_frame(head, payload=PING, *, words=None, magic=MAGIC, flags=0):
    words = len(head) // 4 if words is None else words
    fixed = struct.pack(">HHIH", magic, flags, SEQUENCE_ID, words)
    return frame(fixed + head + payload)


@dataclass(frozen=True)
class Answered:
    """With a good reply in a THeader frame."""

    sequence_id: int = 7


@dataclass(frozen=True)
class Told:
    """With an exception of this type in a THeader frame; then `closed` or not."""

    exception: int
    closed: bool = True
    sequence_id: int = SEQUENCE_ID


CLOSED = "closed without a reply"

CASES = {
    "no info": (header_frame(section()), Answered()),
    "compact": (header_frame(section(2), encode("compact", "ping", 7)), Answered()),
    "flags are ignored": (header_frame(section(), flags=0xFFFF), Answered()),
    "H-01 no header data": (header_frame(b""), CLOSED),
    "H-01 no header data and no message": (header_frame(b"", b""), CLOSED),
    "H-04 the header fills the frame": (header_frame(section(), b""), CLOSED),
    "H-04 18 bytes of header": (header_frame(bytes(8), b""), CLOSED),
    "H-04 header longer than the frame": (header_frame(section(), words=0xFFFF), CLOSED),
    "frame shorter than the fixed header": (frame(b"\x0f\xff\0\0\0\0"), CLOSED),
    "another magic": (header_frame(section(), magic=0x0FFE), CLOSED),
    "H-05 zlib": (header_frame(section(0, b"\1\1")), Told(INVALID_TRANSFORM)),
    "H-05 zlib of a gigabyte in a megabyte": (
        header_frame(section(0, b"\1\1"), ZLIB_BOMB),
        Told(INVALID_TRANSFORM),
    ),
    "H-05 2^31-1 transforms": (
        header_frame(section(0, varint(COUNT_MAX))),
        Told(INVALID_TRANSFORM),
    ),
    "H-05 -1 transforms": (header_frame(section(0, varint(2**32 - 1))), Told(INVALID_TRANSFORM)),
    "H-05 transforms of eleven bytes": (
        header_frame(section(0, b"\x80" * 10 + b"\1")),
        CLOSED,
    ),
    "H-09 JSON": (header_frame(section(1)), Told(INVALID_PROTOCOL)),
    "H-09 protocol 3": (header_frame(section(3)), Told(INVALID_PROTOCOL)),
    "H-09 protocol -1": (header_frame(section(2**32 - 1)), Told(INVALID_PROTOCOL)),
    "H-09 protocol 2^31-1": (header_frame(section(COUNT_MAX)), Told(INVALID_PROTOCOL)),
    "H-10 2^31-1 pairs": (header_frame(section(info=pairs(count=COUNT_MAX))), CLOSED),
    "H-10 one pair more than there is": (
        header_frame(section(info=pairs((b"k", b"v"), count=2))),
        CLOSED,
    ),
    "H-10 key longer than the header": (
        header_frame(section(info=varint(1) + varint(1) + text(b"k", 4_000))),
        CLOSED,
    ),
    "H-10 key of 2^31-1 bytes": (
        header_frame(section(info=varint(1) + varint(1) + text(b"k", COUNT_MAX))),
        CLOSED,
    ),
    "H-10 128 pairs": (header_frame(section(info=pairs(*[(b"", b"")] * 128))), Answered()),
    "H-10 129 pairs": (header_frame(section(info=pairs(*[(b"", b"")] * 129))), CLOSED),
    "H-10 129 pairs in blocks": (
        header_frame(section(info=pairs(*[(b"", b"")] * 43) * 3)),
        CLOSED,
    ),
    "H-10 the same key twice": (
        header_frame(section(info=pairs((b"k", b"1"), (b"k", b"2")))),
        Answered(),
    ),
    "H-11 unknown info": (header_frame(section(info=varint(7) + b"junk")), Answered()),
    "H-12 keys that are not ours to trust": (
        header_frame(section(info=pairs((b":drain", b"true"), (b"a\r\n\0b", b"\x1b[2J")))),
        Answered(),
    ),
    **{
        f"H-16 deadline_ms {value!r} is not a deadline": (
            header_frame(section(info=pairs((b"deadline_ms", value)))),
            Answered(),
        )
        for value in (b"-1", b"0", b"1e9", b"99999999999999999999", b"5;rm")
    },
    "message of another version": (
        header_frame(section(), b"\x80\x02" + PING[2:]),
        Told(PROTOCOL_ERROR, closed=False, sequence_id=0),
    ),
    "compact message that says binary": (
        header_frame(section(0), encode("compact", "ping", 7)),
        Told(PROTOCOL_ERROR, closed=False, sequence_id=0),
    ),
    "message with bytes behind it": (
        header_frame(section(), PING + bytes(8)),
        Told(PROTOCOL_ERROR, closed=False, sequence_id=7),
    ),
}


def receive_header(connection):
    """The parts of a THeader frame: sequence id, header section, message."""
    data = connection.receive_message()
    magic, _, sequence_id, words = struct.unpack_from(">HHIH", data)
    assert magic == MAGIC
    return sequence_id, data[10 : 10 + 4 * words], data[10 + 4 * words :]


@pytest.mark.parametrize("name", CASES)
def test_header_frame(server, name):
    data, expected = CASES[name]
    with server.connect() as connection:
        assert connection.call(PING).success is True
        connection.send(data)
        if expected == CLOSED:
            assert connection.read_to_end() == b""
            return
        sequence_id, head, message = receive_header(connection)
        assert sequence_id == expected.sequence_id
        reply = decode("compact" if head[0] == 2 else "binary", message)
        if expected == Answered():
            assert reply.success is True
            assert head[1:] == bytes(len(head) - 1), "nothing of the client's header comes back"
        else:
            told = reply.exception
            assert told.type == expected.exception
            assert told.message == WORDING.get(told.type, told.message)
            if expected.closed:
                assert connection.read_to_end() == b""
                return
        assert connection.call(PING).success is True


def test_hostile_headers_take_no_memory(server):
    def send_all(times):
        for data, _ in list(CASES.values()) * times:
            with server.connect() as connection:
                connection.send(data)
                connection.socket.shutdown(1)
                connection.read_to_end()

    send_all(1)
    before = server.memory_bytes()
    send_all(10)
    assert server.memory_bytes() - before < 8_000_000
