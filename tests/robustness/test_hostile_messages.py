# SPDX-License-Identifier: Apache-2.0
"""What the server answers to frames whose message is wrong (B-02 to B-34, C-02 to C-21, R2 to R5).

Every case is sent between two good calls of the same connection: it is answered under its own
sequence id, and the connection stays usable. The bytes are written by hand where the stock
library refuses to write them.
"""

import math
import struct
import time
from dataclasses import dataclass

import pytest
from thrift.Thrift import TApplicationException, TMessageType
from thrift_wire import PROTOCOL_ERROR, decode, encode, encode_as, score_request

UNKNOWN_METHOD = TApplicationException.UNKNOWN_METHOD
INVALID_MESSAGE_TYPE = TApplicationException.INVALID_MESSAGE_TYPE
INVALID_ARGUMENT = 1
SEQUENCE_ID = 77
STOP, BOOL, DOUBLE, I32, STRING, STRUCT, MAP, SET, LIST = 0, 2, 4, 8, 11, 12, 13, 14, 15


def binary(method, arguments, name_length=None):
    """A strict binary call with hand-written arguments."""
    name = method.encode()
    length = len(name) if name_length is None else name_length
    return (
        struct.pack(">Ii", 0x80010001, length) + name + struct.pack(">i", SEQUENCE_ID) + arguments
    )


def field(field_type, field_id, value=b""):
    return struct.pack(">bh", field_type, field_id) + value


def listed(element_type, count, elements=b""):
    return struct.pack(">bi", element_type, count) + elements


def text(data, length=None):
    return struct.pack(">i", len(data) if length is None else length) + data


def in_request(inner):
    """Arguments of `score`: the model's name, then `inner`, in the request."""
    return field(STRUCT, 1, field(STRING, 1, text(b"linear")) + inner + b"\0") + b"\0"


def request_id(data):
    """A context with this request id, which the reply would echo."""
    return field(STRUCT, 5, field(STRING, 1, text(data)) + b"\0")


def nested_structs(depth):
    """An unknown field of structs in structs, `depth` of them."""
    return field(STRUCT, 99, field(STRUCT, 1) * (depth - 1) + b"\0" * depth)


def nested_lists(depth):
    return field(LIST, 99, listed(LIST, 1) * (depth - 1) + listed(I32, 0))


def varint(value):
    data = bytearray()
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(data) + bytes([value])


def compact(method, arguments, sequence_id=None):
    name = method.encode()
    sequence_id = varint(SEQUENCE_ID) if sequence_id is None else sequence_id
    return b"\x82\x21" + sequence_id + varint(len(name)) + name + arguments


def compact_request(inner):
    """Arguments of `score`: `inner` after the model's name (field 1), in the request."""
    return b"\x1c" + b"\x18" + varint(6) + b"linear" + inner + b"\0\0"


@dataclass(frozen=True)
class Expected:
    """An exception's type, a ScoringError's code, or neither: success."""

    exception: int | None = None
    error: int | None = None


REFUSED = Expected(exception=PROTOCOL_ERROR)
INVALID = Expected(error=INVALID_ARGUMENT)
ANSWERED = Expected()
COUNT_MAX = 2**31 - 1

BINARY = {
    "B-05 string length -1": (in_request(field(STRING, 2, text(b"", -1))), REFUSED),
    "B-06 string length 2^31-1": (in_request(field(STRING, 2, text(b"", COUNT_MAX))), REFUSED),
    "B-07 string longer than the rest": (in_request(field(STRING, 2, text(b"abc", 100))), REFUSED),
    "B-08 list of 2^31-1": (in_request(field(LIST, 99, listed(I32, COUNT_MAX))), REFUSED),
    "B-09 list of -1": (in_request(field(LIST, 99, listed(I32, -1))), REFUSED),
    "B-09 list of -2^31": (in_request(field(LIST, 99, listed(I32, -(2**31)))), REFUSED),
    "B-10 product wraps": (in_request(field(LIST, 99, listed(DOUBLE, 0x20000000))), REFUSED),
    "B-11 map of 2^31-1": (
        in_request(field(MAP, 99, struct.pack(">bbi", I32, I32, COUNT_MAX))),
        REFUSED,
    ),
    "B-12 list of STOP": (in_request(field(LIST, 99, listed(STOP, 50_000_000))), REFUSED),
    "B-13 list of VOID": (in_request(field(LIST, 99, listed(1, COUNT_MAX))), REFUSED),
    "B-13 set of VOID": (in_request(field(SET, 99, listed(1, COUNT_MAX))), REFUSED),
    "B-16 known id, other type": (
        in_request(field(I32, 2, struct.pack(">i", 5)) + field(STRING, 4, text(b"x"))),
        ANSWERED,
    ),
    "B-17 type 5": (in_request(field(5, 99, bytes(4))), REFUSED),
    "B-17 type 7": (in_request(field(7, 99, bytes(4))), REFUSED),
    "B-17 type 9": (in_request(field(9, 99, bytes(4))), REFUSED),
    "B-17 type 17": (in_request(field(17, 99, bytes(4))), REFUSED),
    "B-17 type 127": (in_request(field(127, 99, bytes(4))), REFUSED),
    "unknown uuid": (in_request(field(16, 99, bytes(16))), ANSWERED),
    "unknown field of every container": (
        in_request(
            field(LIST, 99, listed(STRING, 2, text(b"a") + text(b"")))
            + field(MAP, 98, struct.pack(">bbi", STRING, BOOL, 1) + text(b"k") + b"\1")
            + field(SET, 97, listed(BOOL, 3, b"\0\1\0"))
            + field(LIST, 96, listed(STRUCT, 2, b"\0\0"))
        ),
        ANSWERED,
    ),
    "unknown field with id -1": (in_request(field(I32, -1, bytes(4))), ANSWERED),
    "B-18 duplicate field, the last wins": (
        in_request(field(STRING, 2, text(b"nope")) + field(STRING, 2, text(b"1"))),
        ANSWERED,
    ),
    "B-19 bool 2": (in_request(field(BOOL, 99, b"\2")), REFUSED),
    "B-19 bool 255": (in_request(field(BOOL, 99, b"\xff")), REFUSED),
    "B-19 bool 2 in a list": (in_request(field(LIST, 99, listed(BOOL, 3, b"\0\1\2"))), REFUSED),
    "B-20 text that is not UTF-8": (in_request(request_id(b"\xff\xfe")), INVALID),
    "B-20 overlong UTF-8": (in_request(request_id(b"\xc0\xaf")), INVALID),
    "B-20 surrogate": (in_request(request_id(b"\xed\xa0\x80")), INVALID),
    "text that is UTF-8": (in_request(request_id("grün".encode())), ANSWERED),
    "any bytes in an unknown string": (in_request(field(STRING, 99, text(b"\xff"))), ANSWERED),
    # Depth 1 is the arguments, depth 2 the request.
    "B-21 nesting 64": (in_request(nested_structs(62)), ANSWERED),
    "B-21 nesting 65": (in_request(nested_structs(63)), REFUSED),
    "B-22 nesting 100,000": (in_request(nested_structs(100_000)), REFUSED),
    "B-23 lists nested 65": (in_request(nested_lists(63)), REFUSED),
    "B-23 lists nested 5,000": (in_request(nested_lists(5_000)), REFUSED),
    "B-24 no STOP": (in_request(b"")[:-1], REFUSED),
    "nothing after the header": (b"", REFUSED),
    "B-29 no request": (b"\0", INVALID),
    "B-29 empty request": (field(STRUCT, 1, b"\0") + b"\0", INVALID),
    "B-30 enum out of range": (in_request(field(I32, 4, struct.pack(">i", 99))), INVALID),
    "B-30 enum negative": (in_request(field(I32, 4, struct.pack(">i", -1))), INVALID),
    "R3 more fields than any request has": (in_request(field(BOOL, 99, b"\1") * 300_000), REFUSED),
}

# What the two ways to serve the port answer differently, and why.
DIFFERENCES = {
    # The native codec steps over a map of bytes without looking at them, at no cost; the Thrift
    # library would make two million objects of it.
    "R3 map of a million keys": (
        in_request(field(MAP, 99, struct.pack(">bbi", 3, 3, 1_000_000) + bytes(2_000_000))),
        {"native": ANSWERED, "python": REFUSED},
    ),
}

COMPACT = {
    "C-05 i32 of 11 bytes": (compact_request(b"\x35" + b"\x80" * 10 + b"\x01"), REFUSED),
    "C-06 i32 padded to 10 bytes": (compact_request(b"\x35\x96" + b"\x80" * 8 + b"\0"), REFUSED),
    "C-07 i32 of 2^40": (compact_request(b"\x35" + varint(2**41)), REFUSED),
    "C-08 i16 of 2^20": (compact_request(b"\xf4" + varint(2**21)), REFUSED),
    "C-09 i64 min": (compact_request(b"\xf6" + b"\xff" * 9 + b"\x01"), ANSWERED),
    "C-09 i64 beyond": (compact_request(b"\xf6" + b"\xff" * 9 + b"\x7f"), REFUSED),
    "C-10 string of 2^31-1": (compact_request(b"\x18" + varint(COUNT_MAX)), REFUSED),
    "C-10 string of 2^32-1": (compact_request(b"\x18" + varint(2**32 - 1)), REFUSED),
    "C-10 string of 2^63": (compact_request(b"\x18" + varint(2**63)), REFUSED),
    "C-11 list of 2^31-1": (compact_request(b"\xf9\xf5" + varint(COUNT_MAX)), REFUSED),
    "C-11 list of 2^32-1": (compact_request(b"\xf9\xf5" + varint(2**32 - 1)), REFUSED),
    "C-13 map without types": (b"\x1c\x18" + varint(6) + b"linear" + b"\xfb\x05", REFUSED),
    "C-15 bool 7 in a list": (compact_request(b"\xf9\x11\x07"), REFUSED),
    "C-15 bools 0, 1 and 2 in a list": (compact_request(b"\xf9\x31\x00\x01\x02"), ANSWERED),
    "C-16 type 14": (compact_request(b"\xfe"), REFUSED),
    "C-16 type 15": (compact_request(b"\xff"), REFUSED),
    "C-16 list of type 0": (compact_request(b"\xf9\xf0" + varint(COUNT_MAX)), REFUSED),
    "C-17 field id beyond 32767": (
        compact_request(b"\x05" + varint(2 * 32_767) + b"\x00" + b"\xf5\x00"),
        REFUSED,
    ),
    "C-18 field id 70000": (compact_request(b"\x05" + varint(2 * 70_000) + b"\0"), REFUSED),
    "B-20 text that is not UTF-8": (compact_request(b"\x4c\x18\x02\xff\xfe\0"), INVALID),
    "text that is UTF-8": (compact_request(b"\x4c\x18\x02\xc3\xbc\0"), ANSWERED),
    "B-21 nesting 64": (compact_request(b"\xfc" + b"\x1c" * 61 + b"\0" * 62), ANSWERED),
    "B-21 nesting 65": (compact_request(b"\xfc" + b"\x1c" * 62 + b"\0" * 63), REFUSED),
    "B-22 nesting 100,000": (compact_request(b"\xfc" + b"\x1c" * 100_000), REFUSED),
    "B-29 no request": (b"\0", INVALID),
}


def check(server, protocol, message, expected):
    ping = encode(protocol, "ping", 5)
    with server.connect() as connection:
        assert connection.call(ping, protocol).success is True
        reply = connection.call(message, protocol)
        assert reply.sequence_id == SEQUENCE_ID
        exception = reply.exception.type if reply.exception is not None else None
        error = reply.error.code if reply.error is not None else None
        assert (exception, error) == (expected.exception, expected.error), reply
        assert connection.call(ping, protocol).success is True


@pytest.mark.parametrize("name", BINARY)
def test_binary_message(server, name):
    arguments, expected = BINARY[name]
    check(server, "binary", binary("score", arguments), expected)


@pytest.mark.parametrize("name", DIFFERENCES)
def test_message_that_only_one_kind_of_server_takes(server, io_mode, name):
    arguments, expected = DIFFERENCES[name]
    check(server, "binary", binary("score", arguments), expected[io_mode])


@pytest.mark.parametrize("name", COMPACT)
def test_compact_message(server, name):
    arguments, expected = COMPACT[name]
    check(server, "compact", compact("score", arguments), expected)


def test_hostile_messages_take_no_memory(server):
    """B-08 and its like claim gigabytes; a decoder that believes them shows it here."""
    cases = [binary("score", arguments) for arguments, _ in BINARY.values()]
    with server.connect() as connection:
        for message in cases:
            connection.call(message)
        before = server.memory_bytes()
        for message in cases * 5:
            connection.call(message)
    assert server.memory_bytes() - before < 16_000_000


@pytest.mark.parametrize("message_type", [0, 2, 3, 4, 9, 255])
def test_only_calls_are_executed(server, message_type):
    """B-25."""
    message = bytearray(binary("ping", b"\0"))
    message[3] = message_type
    check(server, "binary", bytes(message), Expected(exception=INVALID_MESSAGE_TYPE))


@pytest.mark.parametrize("message_type", [0, 2, 3, 4, 7])
def test_only_calls_are_executed_compact(server, message_type):
    message = bytearray(compact("ping", b"\0"))
    message[1] = message_type << 5 | 1
    check(server, "compact", bytes(message), Expected(exception=INVALID_MESSAGE_TYPE))


@pytest.mark.parametrize("protocol", ["binary", "compact"])
@pytest.mark.parametrize(
    "method", ["nope", "Admin:load", "ScoringService:nope", "Score", "", "a\0b"]
)
def test_unknown_method(server, protocol, method):
    """B-28."""
    message = {"binary": binary, "compact": compact}[protocol](method, b"\0")
    check(server, protocol, message, Expected(exception=UNKNOWN_METHOD))


def test_multiplexed_name_of_the_service_is_accepted(server):
    check(server, "binary", binary("ScoringService:ping", b"\0"), ANSWERED)


@pytest.mark.parametrize("protocol", ["binary", "compact"])
def test_method_name_beyond_the_limit(server, protocol):
    """B-04."""
    message = {"binary": binary, "compact": compact}[protocol]("x" * 129, b"\0")
    check(server, protocol, message, REFUSED)


UNREADABLE_HEADERS = {
    "B-03 name of 1 GiB": ("binary", binary("ping", b"\0", name_length=2**30)),
    "B-04 name of 2^31-1": ("binary", binary("ping", b"\0", name_length=COUNT_MAX)),
    "B-04 name of -1": ("binary", binary("ping", b"\0", name_length=-1)),
    "version 2": ("binary", b"\x80\x02" + binary("ping", b"\0")[2:]),
    "only a version": ("binary", b"\x80\x01\x00\x01"),
    "C-02 version 2": ("compact", b"\x82\x22" + compact("ping", b"\0")[2:]),
    "C-04 sequence id of 100 bytes": ("compact", compact("ping", b"\0", b"\x80" * 100)),
    "only a protocol id": ("compact", b"\x82"),
}


@pytest.mark.parametrize("name", UNREADABLE_HEADERS)
def test_unreadable_header_is_a_protocol_error(server, name):
    protocol, message = UNREADABLE_HEADERS[name]
    with server.connect() as connection:
        assert connection.call(message, protocol).exception.type == PROTOCOL_ERROR
        assert connection.call(encode(protocol, "ping", 1), protocol).success is True


@pytest.mark.parametrize("sequence_id", [0, 1, -1, 2**31 - 1, -(2**31)])
@pytest.mark.parametrize("protocol", ["binary", "compact"])
def test_sequence_id_is_echoed(server, protocol, sequence_id):
    with server.connect() as connection:
        message = encode_as(protocol, ("ping", TMessageType.CALL, sequence_id))
        assert connection.call(message, protocol).sequence_id == sequence_id


def test_valid_message_that_would_grow_a_hundredfold_is_refused_quickly(server):
    """B-14: a list of structs of one byte each costs 105 bytes of memory a byte in the library."""
    count = 4_000_000
    inputs = field(LIST, 5, listed(STRUCT, count, bytes(count)))
    message = binary("infer", field(STRUCT, 1, inputs + b"\0") + b"\0")
    with server.connect() as connection:
        before, started = server.memory_bytes(), time.monotonic()
        assert connection.call(message).exception.type == PROTOCOL_ERROR
        assert server.memory_bytes() - before < 64_000_000
        assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    "value", [math.inf, -math.inf, 5e-324, -0.0, 1e308, struct.unpack("<d", bytes(range(8)))[0]]
)
@pytest.mark.parametrize("protocol", ["binary", "compact"])
def test_doubles_arrive_bit_by_bit(server, protocol, value):
    """B-34, C-21: the model "precise" computes large + small in double."""
    with server.connect() as connection:
        message = encode(protocol, "score_values", 1, model_name="precise", values=[value, -0.0])
        (score,) = connection.call(message, protocol).success
    assert struct.pack("<d", score) == struct.pack("<d", value + -0.0 + 0.0)


@pytest.mark.parametrize("protocol", ["binary", "compact"])
def test_reply_to_a_good_request_after_bad_ones_is_right(server, protocol):
    bad = {"binary": (BINARY, binary), "compact": (COMPACT, compact)}[protocol]
    cases, make = bad
    good = encode(protocol, "score", 1, request=score_request([[100, 3, 20]], request_id="me"))
    with server.connect() as connection:
        for arguments, _ in cases.values():
            connection.send_message(make("score", arguments))
            connection.receive_message()
            connection.send_message(good)
            success = decode(protocol, connection.receive_message()).success
            assert success.request_id == "me"
            assert struct.unpack("<f", success.scores) == (0.25,)
