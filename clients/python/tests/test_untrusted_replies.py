# SPDX-License-Identifier: Apache-2.0
"""Whatever a server sends, a call returns its own answer or a typed error, in time."""

from __future__ import annotations

import struct
import threading

import numpy as np
import pytest
from thrift.protocol.TBinaryProtocol import TBinaryProtocolAccelerated
from thrift.Thrift import TApplicationException, TMessageType
from thrift.transport.TSocket import TSocket
from thrift.transport.TTransport import TFramedTransport, TTransportException

from thriftscore_client import (
    CallTimedOut,
    Client,
    ClientOptions,
    ConnectionLost,
    Internal,
    InvalidRequest,
    ProtocolViolation,
    Unimplemented,
)
from thriftscore_client._generated import ScoringService, ttypes

from .conftest import encode_reply, framed, score_result

pytestmark = pytest.mark.usefixtures("each_way")

ROW = np.array([[1.0, 2.0, 3.0]], dtype=np.float32)


def answer(peer, value=0.5):
    name, sequence, arguments = peer.receive()
    peer.reply(name, sequence, score_result(value, arguments.request.context.request_id))


def test_a_late_reply_never_meets_the_next_call(scripted_server):
    released = threading.Event()

    def late_then_prompt(peer, number):
        name, sequence, arguments = peer.receive()
        if number == 1:
            assert released.wait(30)
        request_id = arguments.request.context.request_id
        peer.reply(name, sequence, score_result(float(number), request_id))

    scripted_server.run(late_then_prompt)
    with Client(scripted_server.endpoint) as client:
        with pytest.raises(CallTimedOut, match=r"no answer within 0\.05 s"):
            client.score("linear", ROW, timeout_s=0.05)
        released.set()
        assert client.score("linear", ROW).scores.tolist() == [[2.0]]
    assert scripted_server.connections == 2


def test_dripped_bytes_do_not_extend_the_deadline(scripted_server):
    rows = np.zeros((10_000, 3), dtype=np.float32)

    def drip(peer, _):
        name, sequence, arguments = peer.receive()
        result = score_result(1.0, arguments.request.context.request_id, len(rows))
        for byte in framed(encode_reply(name, sequence, result)):
            peer.socket.sendall(bytes([byte]))
            scripted_server.stopping.wait(0.02)
        raise AssertionError("the client waited for the whole reply, which takes 800 s")

    scripted_server.run(drip)
    client = Client(scripted_server.endpoint)
    with client, pytest.raises(CallTimedOut, match=r"within 0\.3 s"):
        client.score("linear", rows, timeout_s=0.3)


def test_a_server_that_reads_nothing_does_not_extend_the_deadline(scripted_server):
    scripted_server.run(lambda _peer, _number: scripted_server.stopping.wait(30))
    rows = np.zeros((1_000_000, 3), dtype=np.float32)
    with Client(scripted_server.endpoint) as client, pytest.raises(CallTimedOut):
        client.score("linear", rows, timeout_s=0.2)


def test_the_stock_client_shows_why_this_matters(scripted_server):
    """The control: stock Thrift gives the first call's reply to the second call."""
    released = threading.Event()

    def late(peer, _):
        for number in (1.0, 2.0):
            name, sequence, _ = peer.receive()
            assert released.wait(30)
            peer.reply(name, sequence, ScoringService.score_values_result(success=[number]))

    scripted_server.run(late)
    host, port = scripted_server.endpoint.split(":")
    sock = TSocket(host, int(port))
    sock.setTimeout(50)
    client = ScoringService.Client(TBinaryProtocolAccelerated(TFramedTransport(sock)))
    sock.open()
    with pytest.raises(TTransportException):
        client.score_values("linear", [1.0])
    released.set()
    sock.setTimeout(5000)
    assert client.score_values("linear", [2.0]) == [1.0]
    sock.close()


def wrong_sequence(name, sequence, request_id):
    return framed(encode_reply(name, sequence + 1, score_result(1.0, request_id)))


def wrong_method(_name, sequence, request_id):
    return framed(encode_reply("normalize", sequence, score_result(1.0, request_id)))


def wrong_type(name, sequence, request_id):
    message = encode_reply(name, sequence, score_result(1.0, request_id), TMessageType.ONEWAY)
    return framed(message)


def a_call(name, sequence, request_id):
    message = encode_reply(name, sequence, score_result(1.0, request_id), TMessageType.CALL)
    return framed(message)


def wrong_request_id(name, sequence, _request_id):
    return framed(encode_reply(name, sequence, score_result(1.0, "another")))


def no_request_id(name, sequence, _request_id):
    return framed(encode_reply(name, sequence, score_result(1.0, None)))


def too_many_rows(name, sequence, request_id):
    return framed(encode_reply(name, sequence, score_result(1.0, request_id, rows=2)))


def scores_shorter_than_rows(name, sequence, request_id):
    result = score_result(1.0, request_id)
    result.success.scores = b"\0\0\0"
    return framed(encode_reply(name, sequence, result))


def shape_product_overflows(name, sequence, request_id):
    result = score_result(1.0, request_id)
    result.success.columns = 2**31 - 1
    return framed(encode_reply(name, sequence, result))


def integer_scores(name, sequence, request_id):
    result = score_result(1.0, request_id)
    result.success.datatype = ttypes.DataType.INT32
    return framed(encode_reply(name, sequence, result))


def undefined_datatype(name, sequence, request_id):
    result = score_result(1.0, request_id)
    result.success.datatype = 99
    return framed(encode_reply(name, sequence, result))


def empty_result(name, sequence, _request_id):
    return framed(encode_reply(name, sequence, ScoringService.score_result()))


def left_over_bytes(name, sequence, request_id):
    return framed(encode_reply(name, sequence, score_result(1.0, request_id)) + b"\0")


def truncated_message(name, sequence, request_id):
    return framed(encode_reply(name, sequence, score_result(1.0, request_id))[:-6])


def not_thrift(_name, _sequence, _request_id):
    return framed(b"HTTP/1.1 400 Bad Request")


def http(_name, _sequence, _request_id):
    return b"HTTP/1.1 400 Bad Request\r\n\r\n"


def empty_frame(_name, _sequence, _request_id):
    return struct.pack("!i", 0)


def negative_frame(_name, _sequence, _request_id):
    return struct.pack("!i", -1)


def frame_above_the_limit(_name, _sequence, _request_id):
    return struct.pack("!i", 16_384_001)


def unreadable_for_the_server(name, sequence, _request_id):
    exception = TApplicationException(TApplicationException.PROTOCOL_ERROR, "bad bytes")
    return framed(encode_reply(name, sequence, exception, TMessageType.EXCEPTION))


@pytest.mark.parametrize(
    "reply",
    [
        wrong_sequence,
        wrong_method,
        wrong_type,
        a_call,
        wrong_request_id,
        no_request_id,
        too_many_rows,
        scores_shorter_than_rows,
        shape_product_overflows,
        integer_scores,
        undefined_datatype,
        empty_result,
        left_over_bytes,
        truncated_message,
        not_thrift,
        http,
        empty_frame,
        negative_frame,
        frame_above_the_limit,
        unreadable_for_the_server,
    ],
)
def test_a_reply_that_is_not_the_calls_own_closes_the_connection(scripted_server, reply):
    def wrong_then_right(peer, number):
        if number == 1:
            name, sequence, arguments = peer.receive()
            peer.socket.sendall(reply(name, sequence, arguments.request.context.request_id))
            assert peer.socket.recv(1) == b"", "the client must close this connection"
        else:
            answer(peer, 7.0)

    scripted_server.run(wrong_then_right)
    with Client(scripted_server.endpoint) as client:
        with pytest.raises(ProtocolViolation) as raised:
            client.score("linear", ROW, timeout_s=5.0)
        assert scripted_server.endpoint in str(raised.value)
        assert "score of model 'linear'" in str(raised.value)
        assert not raised.value.retryable
        assert client.score("linear", ROW, timeout_s=5.0).scores.tolist() == [[7.0]]
    assert scripted_server.connections == 2


def test_a_reply_that_comes_twice_answers_once_and_closes_the_connection(scripted_server):
    def twice(peer, number):
        name, sequence, arguments = peer.receive()
        result = score_result(float(number), arguments.request.context.request_id)
        peer.socket.sendall(2 * framed(encode_reply(name, sequence, result)))
        assert peer.socket.recv(1) == b"", "the client must close this connection"

    scripted_server.run(twice)
    with Client(scripted_server.endpoint) as client:
        for number in (1.0, 2.0):
            assert client.score("linear", ROW).scores.tolist() == [[number]]


def test_bytes_nobody_asked_for_are_not_taken_for_a_reply(scripted_server):
    answered, pushed = threading.Event(), threading.Event()

    def push(peer, number):
        answer(peer, float(number))
        if number == 1:
            assert answered.wait(30)
            peer.reply("score", 2, score_result(99.0, None))
            pushed.set()
            assert peer.socket.recv(1) == b""

    scripted_server.run(push)
    with Client(scripted_server.endpoint) as client:
        assert client.score("linear", ROW).scores.tolist() == [[1.0]]
        answered.set()
        assert pushed.wait(30)
        assert client.score("linear", ROW).scores.tolist() == [[2.0]]


def test_a_connection_that_the_server_closed_while_idle_is_replaced(scripted_server):
    closed = threading.Event()

    def once(peer, number):
        answer(peer, float(number))
        if number == 1:
            peer.socket.close()
            closed.set()

    scripted_server.run(once)
    with Client(scripted_server.endpoint) as client:
        assert client.score("linear", ROW).scores.tolist() == [[1.0]]
        assert closed.wait(30)
        assert client.score("linear", ROW).scores.tolist() == [[2.0]]


def test_a_connection_lost_in_the_middle_of_a_reply(scripted_server):
    def half(peer, number):
        if number > 1:
            answer(peer)
            return
        name, sequence, arguments = peer.receive()
        result = score_result(1.0, arguments.request.context.request_id)
        peer.socket.sendall(framed(encode_reply(name, sequence, result))[:-10])

    scripted_server.run(half)
    with Client(scripted_server.endpoint, ClientOptions(attempts_max=1)) as client:
        with pytest.raises(ConnectionLost, match="closed the connection") as raised:
            client.score("linear", ROW)
        assert isinstance(raised.value, ConnectionError)
        assert client.score("linear", ROW).scores.tolist() == [[0.5]]


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (TApplicationException.UNKNOWN_METHOD, Unimplemented),
        (TApplicationException.INTERNAL_ERROR, Internal),
    ],
)
def test_an_older_or_broken_server_answers_with_a_server_error(scripted_server, kind, error):
    def refuse(peer, _):
        name, sequence, _ = peer.receive()
        exception = TApplicationException(kind, "no such luck")
        peer.socket.sendall(framed(encode_reply(name, sequence, exception, TMessageType.EXCEPTION)))
        answer(peer)

    scripted_server.run(refuse)
    with Client(scripted_server.endpoint) as client:
        with pytest.raises(error, match="no such luck"):
            client.score("linear", ROW)
        client.score("linear", ROW)
    assert scripted_server.connections == 1


def test_an_unknown_error_code_is_reported_with_its_number(scripted_server):
    def refuse(peer, _):
        name, sequence, _ = peer.receive()
        error = ttypes.ScoringError(code=77, message="odd", retryable=True, retry_after_ms=5)
        peer.reply(name, sequence, ScoringService.score_result(error=error))

    scripted_server.run(refuse)
    with Client(scripted_server.endpoint) as client, pytest.raises(Internal, match="77") as raised:
        client.score("linear", ROW)
    assert raised.value.retryable
    assert raised.value.retry_after_ms == 5


def test_a_reply_in_many_pieces_and_longer_than_one_read(scripted_server):
    rows = np.zeros((100_000, 3), dtype=np.float32)

    def pieces(peer, _):
        name, sequence, arguments = peer.receive()
        result = score_result(1.0, arguments.request.context.request_id, rows=len(rows))
        message = framed(encode_reply(name, sequence, result))
        for start in range(0, len(message), 30_011):
            peer.socket.sendall(message[start : start + 30_011])

    scripted_server.run(pieces)
    with Client(scripted_server.endpoint) as client:
        scores = client.score("linear", rows, timeout_s=10.0).scores
    assert scores.shape == (100_000, 1)
    assert (scores == 1.0).all()


def test_a_reply_up_to_the_limit_is_taken_and_one_byte_more_is_not(scripted_server):
    def reply(peer, _):
        name, sequence, arguments = peer.receive()
        result = score_result(1.0, arguments.request.context.request_id, rows=500)
        peer.reply(name, sequence, result)

    scripted_server.run(reply)
    rows = np.zeros((500, 0), dtype=np.float32)
    request_id = "id"
    length = len(encode_reply("score", 1, score_result(1.0, request_id, rows=500)))
    options = ClientOptions(frame_bytes_max=length)
    with Client(scripted_server.endpoint, options) as client:
        client.score("linear", rows, request_id=request_id)
    options = ClientOptions(frame_bytes_max=length - 1)
    client = Client(scripted_server.endpoint, options)
    with client, pytest.raises(ProtocolViolation, match=str(length)):
        client.score("linear", rows, request_id=request_id)


def test_a_message_above_the_limit_is_not_sent(scripted_server):
    scripted_server.run(lambda peer, _number: answer(peer))
    with Client(scripted_server.endpoint, ClientOptions(frame_bytes_max=1000)) as client:
        with pytest.raises(InvalidRequest, match="frame_bytes_max is 1000"):
            client.score("linear", np.zeros((100, 3), dtype=np.float32))
        assert client.score("linear", ROW).scores.tolist() == [[0.5]]
