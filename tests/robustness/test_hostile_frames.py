# SPDX-License-Identifier: Apache-2.0
"""What the server does with streams that are not frames of Thrift messages (F-01 to F-22)."""

import random
import socket
import struct
import time

import pytest
from server_process import wait_until
from thrift_wire import PROTOCOL_ERROR, RawConnection, decode, encode, encode_reply, frame

PING = encode("binary", "ping", 7)

CLOSED_SILENTLY = {
    "F-01 length of all ones": b"\xff\xff\xff\xff",
    "F-02 length of 2^31-1": b"\x7f\xff\xff\xff",
    "F-03 length one above the limit": struct.pack(">I", 16_384_001),
    "F-05 empty frame": b"\x00\x00\x00\x00",
    "F-18 unframed old binary in a frame": frame(b"\x00\x00\x00\x04ping\x01\x00\x00\x00\x07\x00"),
    "S-09 TLS ClientHello": bytes.fromhex("16030100c2010000be0303") + bytes(64),
    "H-01 header transport without a message": frame(b"\x0f\xff\x00\x00\x00\x00\x00\x07\x00\x00"),
    "C-01 compact protocol id 0x83": frame(b"\x83" + encode("compact", "ping", 7)[1:]),
    "a frame of text": frame(b"hello"),
}


@pytest.fixture
def victim(server):
    """A client that must not notice anything."""
    with server.client() as calls:
        assert calls.ping() is True
        yield calls
        assert calls.ping() is True


@pytest.mark.parametrize("name", CLOSED_SILENTLY)
def test_stream_of_another_kind_is_closed_without_reply(server, victim, name):
    with server.connect() as connection:
        connection.send(CLOSED_SILENTLY[name])
        assert connection.read_to_end() == b""
    assert victim.ping() is True


def test_encoding_may_change_from_message_to_message(server, victim):
    """H-15: each reply is in the encoding of its call."""
    with server.connect() as connection:
        for protocol in ("binary", "compact", "binary"):
            connection.send(frame(encode(protocol, "ping", 7)))
            wanted = frame(encode_reply(protocol, "ping", 7, success=True))
            assert connection.receive(len(wanted)) == wanted
        connection.socket.shutdown(socket.SHUT_WR)
        assert connection.read_to_end() == b""
    assert victim.ping() is True


@pytest.mark.parametrize("verb", ["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_http_is_told_what_this_port_speaks(server, victim, verb):
    with server.connect() as connection:
        connection.send(f"{verb} / HTTP/1.1\r\nHost: example\r\n\r\n".encode())
        answer = connection.read_to_end().decode()
    assert victim.ping() is True
    assert answer.startswith("HTTP/1.1 400 ")
    head, _, body = answer.partition("\r\n\r\n")
    assert "Thrift" in body
    assert f"Content-Length: {len(body)}" in head


def test_longest_frame_is_answered_and_one_byte_more_is_not(start_server):
    limit = 4_096
    server = start_server(frame_bytes_max=limit)
    message = encode("binary", "score_values", 5, model_name="linear", values=[1.0, 2.0])
    padding = limit - len(message) - 7
    # An unknown string field fills the frame: type 11, id 99, length.
    full = message[:-1] + struct.pack(">bhi", 11, 99, padding) + bytes(padding) + b"\x00"
    assert len(full) == limit
    with server.connect() as connection:
        assert connection.call(full).error.code == 1
        connection.send(struct.pack(">I", limit + 1))
        assert connection.read_to_end() == b""


@pytest.mark.parametrize("cut", range(1, len(frame(PING))))
def test_frame_split_anywhere_gets_the_same_reply(server, cut):
    data = frame(PING)
    with server.connect() as connection:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.send(data[:cut])
        connection.send(data[cut:])
        assert decode("binary", connection.receive_message()).success is True


def test_byte_by_byte_gets_the_same_reply(server):
    with server.connect() as connection:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(50):
            for byte in frame(PING):
                connection.send(bytes([byte]))
            assert decode("binary", connection.receive_message()).success is True


@pytest.mark.parametrize("size", [8_192, 16_384, 65_536, 262_144])
@pytest.mark.parametrize("difference", [-1, 0, 1])
def test_frames_around_buffer_sizes_are_answered(server, size, difference):
    padding = size + difference - 4 - len(PING) - 7
    padded = PING[:-1] + struct.pack(">bhi", 11, 99, padding) + bytes(padding) + b"\x00"
    assert len(frame(padded)) == size + difference
    with server.connect() as connection:
        assert connection.call(padded).success is True


def test_frame_and_a_half_then_end_gets_one_reply_and_a_clean_close(server):
    with server.connect() as connection:
        connection.send(frame(PING) + frame(PING)[:9])
        connection.socket.shutdown(socket.SHUT_WR)
        assert decode("binary", connection.receive_message()).success is True
        assert connection.read_to_end() == b""


def test_truncated_message_never_continues_in_the_next_frame(server):
    truncated = encode("binary", "score_values", 3, model_name="linear", values=[1.0, 2.0, 3.0])
    with server.connect() as connection:
        connection.send(frame(truncated[:-6]) + frame(PING))
        first = decode("binary", connection.receive_message())
        assert (first.exception.type, first.sequence_id) == (PROTOCOL_ERROR, 3)
        assert decode("binary", connection.receive_message()).success is True


@pytest.mark.parametrize("protocol", ["binary", "compact"])
def test_bytes_after_the_message_are_refused(server, protocol):
    ping = encode(protocol, "ping", 4)
    with server.connect() as connection:
        refused = connection.call(ping + bytes(64), protocol)
        assert (refused.exception.type, refused.sequence_id) == (PROTOCOL_ERROR, 4)
        assert connection.call(ping, protocol).success is True


def test_random_megabyte_is_closed(server, victim):
    with server.connect() as connection:
        try:
            connection.send(random.Random(19).randbytes(1_000_000))
        except (BrokenPipeError, ConnectionResetError):
            pass
        else:
            assert connection.read_to_end() == b""
    assert victim.ping() is True


def test_urgent_byte_does_not_disturb_the_frames(server):
    with server.connect() as connection:
        connection.socket.send(b"!", socket.MSG_OOB)
        assert connection.call(PING).success is True


def test_connections_reset_at_once_leave_nothing_open(server, victim):
    victim.ping()
    before = server.open_files()
    for _ in range(300):
        connection = RawConnection(server.address)
        reset = struct.pack("ii", 1, 0)
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        connection.socket.close()
    wait_until(lambda: server.open_files() <= before, "all descriptors are closed")


def test_reset_with_replies_pending_leaves_nothing_open(server, victim):
    victim.ping()
    before = server.open_files()
    for _ in range(50):
        with server.connect() as connection:
            connection.send(frame(PING) * 100)
            reset = struct.pack("ii", 1, 0)
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
    wait_until(lambda: server.open_files() <= before, "all descriptors are closed")


def test_declared_lengths_take_no_memory(server, victim):
    before = server.memory_bytes()
    connections = [server.connect() for _ in range(100)]
    for connection in connections:
        connection.send(struct.pack(">I", 16_000_000) + b"0123456789")
    assert victim.ping() is True
    assert server.memory_bytes() - before < 100 * 65_536
    for connection in connections:
        connection.socket.close()


def test_many_small_segments_cost_linear_time(server):
    """A quadratic server needs minutes for this, a linear one well below a second."""
    message = encode("binary", "score_values", 1, model_name="linear", values=[0.0] * 25_000)
    started = time.monotonic()
    with server.connect() as connection:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        data = frame(message)
        for start in range(0, len(data), 20):
            connection.send(data[start : start + 20])
        reply = decode("binary", connection.receive_message())
    assert reply.error.code == 1
    assert time.monotonic() - started < 60
