# SPDX-License-Identifier: Apache-2.0
"""Connecting, arguments, deadlines and sharing, against a scripted server."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack

import numpy as np
import pytest
from opentelemetry import trace

from thriftscore_client import (
    CallTimedOut,
    Client,
    ClientClosed,
    ClientOptions,
    ConnectFailed,
    InvalidRequest,
)
from thriftscore_client._generated import ScoringService, ttypes

from .conftest import score_result

pytestmark = pytest.mark.usefixtures("each_way")

ROW = np.array([[1.0, 2.0, 3.0]], dtype=np.float32)
ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)


class Recorder:
    """A script that answers every call and keeps its requests."""

    def __init__(self):
        self.requests = []

    def __call__(self, peer, _number):
        while True:
            name, sequence, arguments = peer.receive()
            request = arguments.request
            self.requests.append(request)
            rows = len(request.features) // 12 or 1
            peer.reply(name, sequence, score_result(0.5, request.context.request_id, rows))


@pytest.fixture
def recorder(scripted_server):
    recorder = Recorder()
    scripted_server.run(recorder)
    return recorder


def ping_true(peer, _number):
    while True:
        name, sequence, _ = peer.receive()
        peer.reply(name, sequence, ScoringService.ping_result(success=True))


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "host",
        "host:",
        ":9090",
        "host:0",
        "host:65536",
        "a b:1",
        "unix:",
        "[::1]",
        "::1:90",
        "h:1\n",
    ],
)
def test_an_endpoint_that_is_none_is_refused(endpoint):
    with pytest.raises(InvalidRequest, match="endpoint"):
        Client(endpoint)


@pytest.mark.parametrize(
    "options",
    [
        {"timeout_s": 0},
        {"timeout_s": -1.0},
        {"timeout_s": float("nan")},
        {"timeout_s": float("inf")},
        {"connect_timeout_s": 0},
        {"protocol": "json"},
        {"frame_bytes_max": 0},
        {"frame_bytes_max": 2**31},
    ],
)
def test_an_option_out_of_range_is_refused_by_name(options):
    with pytest.raises(InvalidRequest, match=next(iter(options))):
        ClientOptions(**options)


def test_the_token_is_not_in_the_options_text():
    assert "secret" not in repr(ClientOptions(auth_token="secret"))


def test_a_client_connects_at_its_first_call(scripted_server):
    scripted_server.run(ping_true)
    client = Client(scripted_server.endpoint)
    assert scripted_server.connections == 0
    assert client.ping()
    assert client.ping()
    assert scripted_server.connections == 1
    client.close()


def test_a_unix_socket_works_like_tcp(unix_server):
    unix_server.run(ping_true)
    with Client(unix_server.endpoint) as client:
        assert client.ping()


def test_nobody_listening_names_the_endpoint(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for endpoint in (f"127.0.0.1:{port}", f"unix:{tmp_path / 'absent'}"):
        with pytest.raises(ConnectFailed, match=endpoint) as raised:
            Client(endpoint).ping()
        assert raised.value.retryable
    with pytest.raises(ConnectFailed), Client(f"127.0.0.1:{port}"):
        raise AssertionError("entering must connect")


def test_connecting_is_bounded():
    """A listener whose backlog is full does not answer."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, ExitStack() as waiting:
        for _ in range(4):
            filler = waiting.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        endpoint = f"127.0.0.1:{listener.getsockname()[1]}"
        client = Client(endpoint, ClientOptions(connect_timeout_s=0.1))
        with pytest.raises(ConnectFailed, match=r"within 0\.1 s"):
            client.ping(timeout_s=100_000.0)


def test_a_closed_client_says_so(scripted_server):
    scripted_server.run(ping_true)
    with Client(scripted_server.endpoint) as client:
        client.ping()
    with pytest.raises(ClientClosed):
        client.ping()
    client.close()


def test_the_request_has_what_the_call_says(scripted_server, recorder):
    options = ClientOptions(auth_token="secret")
    with Client(scripted_server.endpoint, options) as client:
        result = client.score("m", ROWS, version="canary", request_id="r-1", timeout_s=3.0)
    (request,) = recorder.requests
    assert (request.model_name, request.model_version) == ("m", "canary")
    assert (request.features, request.columns) == (ROWS.tobytes(), 3)
    assert request.datatype == ttypes.DataType.FP32
    assert (request.context.request_id, request.context.auth_token) == ("r-1", "secret")
    assert 2000 < request.context.deadline_ms <= 3000
    assert result.scores.shape == (4, 1)
    assert (result.model_version, result.request_id) == ("1", "r-1")


def test_each_call_gets_a_request_id_of_its_own(scripted_server, recorder):
    with Client(scripted_server.endpoint) as one, Client(scripted_server.endpoint) as other:
        for client in (one, one, other):
            client.score("m", ROW)
    assert len({request.context.request_id for request in recorder.requests}) == 3


@pytest.mark.parametrize(
    "array",
    [
        ROWS,
        ROWS[::2],
        ROWS[:, ::-1],
        np.asfortranarray(ROWS),
        ROWS.astype(">f4"),
        ROWS.copy().view(np.recarray),
    ],
    ids=[
        "as it is",
        "every other row",
        "reversed columns",
        "column-major",
        "big-endian",
        "subclass",
    ],
)
def test_arrays_of_any_layout_arrive_row_major_and_little_endian(scripted_server, recorder, array):
    with Client(scripted_server.endpoint) as client:
        client.score("m", array)
    assert recorder.requests[0].features == np.ascontiguousarray(array, dtype="<f4").tobytes()


def test_a_read_only_array_is_sent(scripted_server, recorder):
    rows = ROWS.copy()
    rows.flags.writeable = False
    with Client(scripted_server.endpoint) as client:
        client.score("m", rows)
    assert recorder.requests[0].features == rows.tobytes()


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ([[1.0]], "NumPy array"),
        (np.array([[1, 2]]), "int64"),
        (np.array([[1.0]], dtype=np.float16), "float16"),
        (np.array([["a"]]), "float32 or float64"),
        (np.array([[None]]), "object"),
        (np.zeros(3, dtype=np.float32), "shape"),
        (np.zeros((1, 1, 1), dtype=np.float32), "shape"),
    ],
)
def test_features_that_are_no_matrix_of_floats_are_refused(features, message):
    with pytest.raises(InvalidRequest, match=message) as raised:
        Client().score("m", features)
    assert isinstance(raised.value, ValueError)


@pytest.mark.usefixtures("recorder")
@pytest.mark.parametrize("model", [5, "\ud800"])
def test_a_model_name_that_is_no_text_is_an_error_of_the_caller(scripted_server, model):
    with Client(scripted_server.endpoint) as client:
        with pytest.raises(InvalidRequest, match="cannot be encoded"):
            client.score(model, ROW)
        client.score("m", ROW)


def test_an_unknown_option_of_a_call_is_refused():
    with pytest.raises(TypeError, match="timeout"):
        Client().score("m", ROW, timeout=1.0)


@pytest.mark.usefixtures("recorder")
def test_results_lie_over_the_reply_and_cannot_be_changed(scripted_server):
    with Client(scripted_server.endpoint) as client:
        scores = client.score("m", ROWS).scores
    assert scores.dtype == np.float32
    with pytest.raises(ValueError, match="read-only"):
        scores[0, 0] = 1.0


def test_threads_share_a_client_and_each_gets_its_own_answer(scripted_server):
    def echo(peer, _number):
        while True:
            name, sequence, arguments = peer.receive()
            peer.reply(name, sequence, ScoringService.score_values_result(success=arguments.values))

    scripted_server.run(echo)
    numbers = range(200)
    answers = {}

    def work(client, thread):
        sent = [[float(1000 * thread + number)] for number in numbers]
        answers[thread] = [client.score_values("m", values).tolist() for values in sent] == sent

    with Client(scripted_server.endpoint, ClientOptions(timeout_s=30.0)) as client:
        threads = [threading.Thread(target=work, args=(client, index)) for index in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == dict.fromkeys(range(8), True)
    assert scripted_server.connections == 1


def test_waiting_for_another_threads_call_counts_in_the_time(scripted_server):
    called = threading.Event()

    def silent(peer, _number):
        peer.receive()
        called.set()
        peer.receive()

    scripted_server.run(silent)
    options = ClientOptions(calls_per_connection_max=1, connections_max=1)
    with Client(scripted_server.endpoint, options) as client:
        errors = []

        def occupy():
            try:
                client.ping(timeout_s=0.5)
            except CallTimedOut as error:
                errors.append(error)

        thread = threading.Thread(target=occupy)
        thread.start()
        assert called.wait(30)
        with pytest.raises(CallTimedOut, match="other calls"):
            client.ping(timeout_s=0.05)
        thread.join()
        assert len(errors) == 1


def test_the_current_span_is_named_to_the_server_unless_the_call_says_otherwise(
    scripted_server, recorder
):
    trace_id, span_id = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331
    context = trace.SpanContext(trace_id, span_id, is_remote=False, trace_flags=trace.TraceFlags(1))
    given = "00-11111111111111111111111111111111-2222222222222222-00"
    with Client(scripted_server.endpoint) as client:
        client.score("m", ROW)
        with trace.use_span(trace.NonRecordingSpan(context)):
            client.score("m", ROW)
            client.score("m", ROW, traceparent=given)
    assert [request.context.traceparent for request in recorder.requests] == [
        None,
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        given,
    ]
