# SPDX-License-Identifier: Apache-2.0
"""Messages without a frame: both kinds of server find where each ends, and answer in kind."""

import struct

import pytest
from thrift_wire import StockClient, decode, encode, encode_as, encode_reply, frame, score_request

from thriftscore._generated.ttypes import RepositoryIndexRequest

SCORE = struct.pack("<f", 0.25)
LINEAR = {"model_name": "linear", "values": [100.0, 3.0, 20.0]}
PROTOCOLS = ["binary", "compact"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_stock_client_without_frames_calls_the_data_port_and_the_admin_port(server, protocol):
    for address, admin in ((server.address, False), (server.admin_address, True)):
        with StockClient(address, protocol, transport="unframed", admin=admin) as calls:
            if admin:
                assert calls.repository_index(RepositoryIndexRequest()).versions
            else:
                assert calls.ping() is True
                assert calls.score(score_request([[100, 3, 20]])).scores == SCORE


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_framed_and_unframed_messages_may_follow_each_other(server, protocol):
    with server.connect() as connection:
        for number in range(50):
            message = encode(protocol, "score_values", number, **LINEAR)
            expected = encode_reply(protocol, "score_values", number, success=[0.25])
            connection.send(message + frame(message) + message)
            wanted = expected + frame(expected) + expected
            assert connection.receive(len(wanted)) == wanted
        connection.socket.shutdown(1)
        assert connection.read_to_end() == b""


def test_message_that_cannot_be_read_is_answered_and_ends_the_connection(server):
    """Nobody knows where the next one would begin."""
    ping = encode("binary", "ping", 7)
    with server.connect() as connection:
        connection.send(ping[:-1] + b"\x0f\x00\x01\x63\x00\x00\x00\x01" + ping)
        reply = connection.read_to_end()
    assert reply[:4] == b"\x80\x01\x00\x03"
    with server.client() as calls:
        assert calls.ping() is True


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_unframed_message_in_pieces_of_any_size(server, protocol):
    message = encode(protocol, "score", 3, request=score_request([[100, 3, 20]], request_id="x"))
    expected = None
    for cut in range(1, len(message)):
        with server.connect() as connection:
            connection.send(message[:cut])
            connection.send(message[cut:])
            connection.socket.shutdown(1)
            reply = connection.read_to_end()
        assert decode(protocol, reply).success.scores == SCORE
        assert expected in (None, reply)
        expected = reply


def test_unframed_message_beyond_the_limit_is_refused(start_server):
    """What exceeds the limit of a frame is served without one, up to the limit of a message."""
    server = start_server(frame_bytes_max=4_096, message_bytes_max=40_000)
    for size, served in ((30_000, True), (50_000, False)):
        with server.connect() as connection:
            padding = struct.pack(">bhi", 11, 99, size) + bytes(size)
            ping = encode("binary", "ping", 1)
            connection.send(ping[:-1] + padding + b"\0")
            connection.socket.shutdown(1)
            replied = connection.read_to_end()
        if served:
            assert decode("binary", replied).success is True
        else:
            assert replied == b""


@pytest.mark.parametrize("message_type", [2, 3, 4])
def test_unframed_message_that_is_no_call(server, message_type):
    with server.connect() as connection:
        connection.send(encode_as("binary", ("ping", message_type, 5)))
        connection.send(frame(encode("binary", "ping", 6)))
        first = connection.receive(4 + 4 + 4 + 4)
        assert first[:4] == b"\x80\x01\x00\x03"
        assert first[-4:] == struct.pack(">i", 5)
