# SPDX-License-Identifier: Apache-2.0
"""Connections: order, limits and times, with one connection that must never harm another."""

import resource
import socket
import struct
import threading
import time
from pathlib import Path

import pytest
from server_process import wait_until
from thrift_wire import RawConnection, StockClient, decode, encode, frame, score_request

from thriftscore._generated.ttypes import (
    InferRequest,
    RequestContext,
    ScoreRequest,
    SparseScoreRequest,
    Tensor,
    TensorContents,
)

DEADLINE_EXCEEDED = 4
PING = encode("binary", "ping", 1)
NOT_READING = {"native": "slow_reader", "python": "peer does not read its replies"}


def slow_call(sequence_id, rows=200_000, **context):
    """Some 50 million multiplications for 1.6 MB of zeros; natively they leave the loop."""
    request = SparseScoreRequest(
        "wide", indptr=bytes(8 * (rows + 1)), context=RequestContext(**context)
    )
    return encode("binary", "score_sparse", sequence_id, request=request)


@pytest.mark.parametrize("protocol", ["binary", "compact"])
def test_pipelined_replies_come_in_the_order_of_the_calls(server, protocol):
    count = 500
    with server.connect() as connection:
        messages = [
            encode(protocol, "score", i, request=score_request([[i, 0, 0]], request_id=f"r{i}"))
            for i in range(count)
        ]
        sender = threading.Thread(
            target=connection.send, args=(b"".join(frame(message) for message in messages),)
        )
        sender.start()
        for i in range(count):
            reply = decode(protocol, connection.receive_message())
            assert (reply.sequence_id, reply.success.request_id) == (i, f"r{i}")
            (score,) = struct.unpack("<f", reply.success.scores)
            expected = 0.75 * (i - 100) / 50 + 0.5 * 3 / 1.5 - 0.125 * 20 / 10 + 0.25
            assert score == pytest.approx(expected, abs=1e-4)
        sender.join()


def test_slow_call_does_not_let_the_next_reply_overtake(start_server):
    server = start_server(threads=4)
    # Together below the bytes in flight at which reading stops, so that they run at once.
    slow = frame(slow_call(1, rows=60_000))
    with server.connect() as connection:
        connection.send(slow + frame(PING) + slow + frame(PING))
        replies = [decode("binary", connection.receive_message()) for _ in range(4)]
    assert [reply.name for reply in replies] == ["score_sparse", "ping", "score_sparse", "ping"]


@pytest.mark.parametrize("protocol", ["binary", "compact"])
def test_pipelined_calls_of_all_kinds_are_answered_in_order(server, protocol):
    """On the loop, by the compute threads, by Python, or with an exception: all the same."""
    row = score_request([[100, 3, 20]])
    tensor = Tensor("features", 11, [1, 3], contents=TensorContents(fp_contents=[100, 3, 20]))
    sparse = SparseScoreRequest("wide", indptr=bytes(8 * 20_001))
    mixture = [
        ("score", {"request": row}),
        ("score_named", {"model_name": "linear", "features": {"area": 1, "rooms": 2, "age": 3}}),
        ("ping", {}),
        ("score_sparse", {"request": sparse}),
        ("score", {"request": ScoreRequest("nope")}),
        ("infer", {"request": InferRequest("linear", inputs=[tensor])}),
        ("score_values", {"model_name": "linear", "values": [1.0, 2.0, 3.0]}),
        ("server_live", {}),
    ]
    calls = [encode(protocol, *one, **fields) for one, fields in numbered(mixture * 12)]
    with server.connect(timeout_s=30) as connection:
        connection.send(b"".join(frame(call) for call in calls))
        for (name, number), _ in numbered(mixture * 12):
            reply = decode(protocol, connection.receive_message())
            assert (reply.name, reply.sequence_id) == (name, number)
            assert (reply.error is not None) == (number % len(mixture) == 4)
            assert reply.exception is None


def numbered(calls):
    return [((method, number), fields) for number, (method, fields) in enumerate(calls)]


def test_replies_go_to_whoever_asked(server):
    failures = []

    def ask(client):
        with server.client("compact" if client % 2 else "binary") as calls:
            for i in range(100):
                value = float(client * 1000 + i)
                request = score_request([[value, 3, 20]], request_id=f"{client}-{i}")
                response = calls.score(request)
                (score,) = struct.unpack("<f", response.scores)
                wrong = abs(score - (0.75 * (value - 100) / 50 + 0.25)) > 1e-3
                if wrong or response.request_id != request.context.request_id:
                    failures.append((client, i, score))

    threads = [threading.Thread(target=ask, args=(client,)) for client in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_slow_sender_is_cut_and_an_honest_one_is_not(start_server):
    server = start_server(frame_time_max_ms=300)
    with server.connect() as slow, server.client() as calls:
        started = time.monotonic()
        slow.send(frame(PING)[:2])
        assert slow.read_to_end() == b""
        assert time.monotonic() - started >= 0.29
        assert calls.ping() is True


def test_one_byte_at_a_time_does_not_extend_the_time_of_a_frame(start_server):
    server = start_server(frame_time_max_ms=400)
    stop = threading.Event()
    with server.connect() as slow:
        slow.send(struct.pack(">I", 1_000))

        def drip():
            try:
                while not stop.wait(0.02):
                    slow.socket.send(b"x")
            except OSError:
                return

        thread = threading.Thread(target=drip)
        thread.start()
        assert slow.read_to_end() == b""
        stop.set()
        thread.join()


def test_idle_connection_is_closed_and_a_used_one_is_not(start_server):
    server = start_server(idle_timeout_ms=500)
    with server.connect() as idle, server.client() as calls:
        done = threading.Event()
        alive = []

        def use():
            while not done.wait(0.05):
                alive.append(calls.ping())

        thread = threading.Thread(target=use)
        thread.start()
        assert idle.read_to_end() == b""
        done.set()
        thread.join()
        assert alive
        assert all(alive)


def test_client_that_does_not_read_is_slowed_then_cut(start_server, io_mode):
    """The server must stop reading from it: what it has not read stays bounded."""
    server = start_server(write_stall_ms=1_000)
    request = SparseScoreRequest("softmax", indptr=bytes(8 * 5_001))
    message = frame(encode("binary", "score_sparse", 1, request=request))
    before = server.memory_bytes()
    with server.connect() as reader, server.client() as calls:
        reader.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        reader.socket.settimeout(0.2)
        assert send_until_stopped(reader, message) < 64_000_000
        assert calls.ping() is True
        assert server.memory_bytes() - before < 64_000_000
        wait_until(lambda: server.closed(NOT_READING[io_mode]), "the connection is cut")
        assert len(server.events("connection_closed")) == 1
        assert calls.ping() is True


def send_until_stopped(connection, message):
    """How many bytes the server takes from a client that does not read."""
    sent = 0
    try:
        while True:
            sent += connection.socket.send(message)
    except OSError:  # a timeout, because the server stopped reading
        return sent


def test_connections_beyond_the_limit_are_closed_at_once(start_server):
    server = start_server(connections_max=5)
    connections = [server.connect() for _ in range(5)]
    for connection in connections:
        assert connection.call(PING).success is True
    with server.connect() as surplus:
        assert surplus.read_to_end() == b""
    connections[0].socket.close()

    def is_served():
        with server.connect() as connection:
            try:
                return connection.call(PING).success
            except (EOFError, ConnectionError):
                return False

    wait_until(is_served, "a place that became free is given away")
    with server.admin() as calls:
        assert calls is not None
    for connection in connections[1:]:
        assert connection.call(PING).success is True
        connection.socket.close()


def test_out_of_descriptors_pauses_accepting_without_spinning(start_server):
    """R8: more connections than descriptors; those that are served do not notice."""
    server = start_server(connections_max=10_000)
    resource_limit = server.open_files() + 12
    prlimit(server.process.pid, resource_limit)
    with server.client() as calls:
        assert calls.ping() is True
        surplus = [RawConnection(server.address) for _ in range(40)]
        wait_until(lambda: server.open_files() >= resource_limit, "all descriptors are taken")
        before = cpu_seconds(server.process.pid)
        started = time.monotonic()
        assert all(calls.ping() for _ in range(20))
        threading.Event().wait(0.5)
        spent = cpu_seconds(server.process.pid) - before
        assert spent < 0.5 * (time.monotonic() - started)
        for connection in surplus:
            connection.socket.close()
        assert calls.ping() is True
    with server.connect() as connection:
        assert connection.call(PING).success is True


def prlimit(pid, files):
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (files, files))


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_deadline_is_looked_at_between_blocks(start_server):
    server = start_server(threads=1)
    with server.connect() as connection:
        error = connection.call(slow_call(1, rows=260_000, deadline_ms=2)).error
        assert error is not None
        assert error.code == DEADLINE_EXCEEDED


def test_calls_of_a_client_that_is_gone_are_dropped(start_server):
    server = start_server(threads=1)
    with server.connect() as gone:
        gone.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        gone.send(frame(slow_call(1, rows=2_000)) * 100)
    with server.client() as calls:
        assert calls.ping() is True
        statistics = calls.model_statistics("wide", "1").model_stats[0]
    assert statistics.inference_stats.success.count < 100


@pytest.mark.parametrize("protocol", ["binary", "compact"])
def test_unix_socket_serves_the_same(start_server, tmp_path, protocol):
    path = tmp_path / "thriftscore.sock"
    server = start_server(unix_socket=path)
    with StockClient(str(path), protocol) as calls:
        assert calls.ping() is True
        assert calls.score(score_request([[100, 3, 20]])).rows == 1
    server.terminate()
    assert server.wait() == 0
    assert not path.exists()


def test_admin_port_speaks_another_service(server):
    message = encode("binary", "ping", 3)
    with RawConnection(server.admin_address) as connection:
        connection.send_message(message)
        reply = decode("binary", connection.receive_message())
    assert reply.exception.type == 1
