# SPDX-License-Identifier: Apache-2.0
"""The queue of calls that Python answers: its bounds, and who waits for it.

The server runs inside this process, so that a handler can be held up for as long as a test wants.
"""

import selectors
import socket
import struct
import threading
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from server_process import native_only, wait_until
from thrift_wire import RawConnection, decode, encode, frame, score_request

from thriftscore._generated.ttypes import InferRequest, RequestContext, Tensor, TensorContents
from thriftscore.config import load_config
from thriftscore.serving import serve
from thriftscore.serving.scoring_handler import ScoringHandler

TIMEOUT_S = 20
DEADLINE_EXCEEDED, OVERLOADED = 4, 5


class Hold:
    """Keeps whoever enters until it is let go."""

    def __init__(self):
        self.entered = threading.Semaphore(0)
        self.released = threading.Event()

    def wait(self):
        self.entered.release()
        assert self.released.wait(TIMEOUT_S)
        return True


@pytest.fixture
def hold(monkeypatch):
    """Holds up every call of server_live, which Python answers in both modes."""
    made = Hold()
    monkeypatch.setattr(ScoringHandler, "server_live", made.wait)
    return made


@pytest.fixture
def start(hold, models_repository, io_mode):
    """Starts a server and returns what opens connections to it."""
    with ExitStack() as stack:
        stack.callback(hold.released.set)

        def begin(**settings):
            free = {"host": "127.0.0.1", "port": 0, "admin_port": 0, "io": io_mode}
            settings = free | {"repository": models_repository, "threads": 1} | settings
            server = stack.enter_context(serve(load_config(settings, environment={})))
            stack.callback(hold.released.set)  # before the server waits for its calls
            return lambda: stack.enter_context(RawConnection(("127.0.0.1", server.port), TIMEOUT_S))

        yield begin


def held_call(sequence_id, padding=0):
    message = encode("binary", "server_live", sequence_id)
    # An unknown string field: type 11, id 99, length.
    return message[:-1] + struct.pack(">bhi", 11, 99, padding) + bytes(padding) + b"\0"


def replies_that_come(connections, count):
    """`count` replies from any of the connections, which are then no longer among them."""
    replies = []
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
        while len(replies) < count:
            ready = selector.select(TIMEOUT_S)
            assert ready, f"{len(replies)} of {count} replies came"
            for key, _ in ready:
                selector.unregister(key.fileobj)
                connections.remove(key.data)
                replies.append(decode("binary", key.data.receive_message()))
    return replies


def test_full_queue_is_told_at_once_and_the_rest_is_answered(start, hold):
    connect = start(queue_calls_max=2, retry_after_ms=123)
    connections = [connect() for _ in range(12)]
    connections[0].send_message(held_call(0))
    assert hold.entered.acquire(timeout=TIMEOUT_S)
    for number, connection in enumerate(connections[1:], 1):
        connection.send_message(held_call(number))
    refused = replies_that_come(connections, 9)
    assert {
        (reply.error.code, reply.error.retryable, reply.error.retry_after_ms) for reply in refused
    } == {(OVERLOADED, True, 123)}
    hold.released.set()
    answered = replies_that_come(connections, 3)
    assert all(reply.success is True for reply in answered)
    assert {reply.sequence_id for reply in refused + answered} == set(range(12))


def test_queue_is_bounded_in_bytes(start, hold):
    connect = start(queue_bytes_max=65_536)
    connections = [connect() for _ in range(3)]
    connections[0].send_message(held_call(0, 40_000))
    assert hold.entered.acquire(timeout=TIMEOUT_S)
    for number in (1, 2):
        connections[number].send_message(held_call(number, 40_000))
    (refused,) = replies_that_come(connections, 1)
    assert refused.error.code == OVERLOADED
    hold.released.set()
    assert all(reply.success is True for reply in replies_that_come(connections, 2))


def test_deadline_that_passed_in_the_queue_is_told(start, hold):
    connect = start()
    busy, hurried = connect(), connect()
    busy.send_message(held_call(0))
    assert hold.entered.acquire(timeout=TIMEOUT_S)
    tensor = Tensor("features", 11, [1, 3], contents=TensorContents(fp_contents=[1, 2, 3]))
    request = InferRequest("linear", inputs=[tensor], context=RequestContext(deadline_ms=1))
    hurried.send_message(encode("binary", "infer", 1, request=request))
    threading.Event().wait(0.05)
    hold.released.set()
    error = decode("binary", hurried.receive_message()).error
    assert (error.code, error.retryable) == (DEADLINE_EXCEEDED, True)
    assert decode("binary", busy.receive_message()).success is True


def test_queued_call_of_a_client_that_is_gone_is_not_executed(start, hold):
    connect = start()
    busy, gone, last = connect(), connect(), connect()
    for connection in (busy, gone, last):  # the server's ends are open from here on
        connection.call(encode("binary", "ping", 1))
    busy.send_message(held_call(0))
    assert hold.entered.acquire(timeout=TIMEOUT_S)
    last.send_message(held_call(1))
    gone.send_message(held_call(2))
    before = open_sockets()
    gone.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    gone.socket.close()
    wait_until(lambda: open_sockets() <= before - 2, "both ends of the connection are closed")
    hold.released.set()
    assert decode("binary", busy.receive_message()).success is True
    assert decode("binary", last.receive_message()).success is True
    busy.call(encode("binary", "ping", 3))
    busy.call(encode("binary", "server_ready", 4))
    assert hold.entered.acquire(blocking=False)
    assert not hold.entered.acquire(blocking=False)


def open_sockets():
    """Of this process; what else a server opens comes and goes."""
    count = 0
    for path in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # that of this very listing
            count += str(path.readlink()).startswith("socket:")
    return count


@native_only
def test_scoring_does_not_wait_for_python(start, hold):
    """R26, where Python is stuck and its queue is full."""
    connect = start(queue_calls_max=1)
    stuck = [connect() for _ in range(6)]
    stuck[0].send_message(held_call(0))
    assert hold.entered.acquire(timeout=TIMEOUT_S)
    for connection in stuck[1:]:
        connection.send_message(held_call(1))
    replies_that_come(stuck, 4)
    with connect() as scoring:
        scoring.send(b"".join(frame(call) for call in hot_calls()))
        for _ in hot_calls():
            reply = decode("binary", scoring.receive_message())
            assert reply.success is not None, reply
    assert not hold.released.is_set()
    hold.released.set()
    assert all(reply.success is True for reply in replies_that_come(stuck, 2))


def hot_calls():
    row = struct.pack("<3f", 100, 3, 20)
    infer = InferRequest("linear", inputs=[Tensor("features", 11, [1, 3], row)])
    return [
        encode("binary", "score", 1, request=score_request([[1, 2, 3]])),
        encode("binary", "score_values", 2, model_name="linear", values=[1.0, 2.0, 3.0]),
        encode("binary", "infer", 3, request=infer),
        encode("binary", "ping", 4),
    ] * 25
