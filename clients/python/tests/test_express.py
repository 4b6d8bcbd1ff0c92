# SPDX-License-Identifier: Apache-2.0
"""The short way of `score` does what the long one does, and leaves the hard cases to it."""

from __future__ import annotations

import os
import signal
import struct
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from thriftscore_client import (
    CallTimedOut,
    Client,
    ClientClosed,
    ClientOptions,
    ConnectionLost,
    ErrorCode,
    InvalidRequest,
    Overloaded,
    ProtocolViolation,
)
from thriftscore_client._generated import ScoringService, ttypes
from thriftscore_client.compiled import SWITCH
from thriftscore_client.endpoint import parse_endpoints

from .conftest import Told, score_result, wait_until

ROW = np.array([[1.0, 2.0, 3.0]], dtype=np.float32)
PATIENT = ClientOptions(timeout_s=30.0)


def answer(peer, value=0.5, sent=None):
    """Answers one call; `sent` gets the request before the caller gets the answer."""
    name, sequence, arguments = peer.receive()
    if sent is not None:
        sent.append(arguments.request)
    rows = 1
    if arguments.request.columns:
        size = 8 if arguments.request.datatype == ttypes.DataType.FP64 else 4
        rows = len(arguments.request.features) // size // arguments.request.columns
    result = score_result(value, arguments.request.context.request_id, rows)
    peer.reply(name, sequence, result)
    return arguments.request


def answer_all(peer, _number=0, value=0.5):
    while True:
        answer(peer, value)


def is_armed(client):
    return client._express is not None and client._express._short.is_armed


@contextmanager
def armed(endpoint, options=PATIENT):
    """A client whose next call goes the short way."""
    with Client(endpoint, options) as client:
        client.score("m", ROW)
        assert is_armed(client)
        yield client


def after_the_first(script):
    """Answers one call of the first connection; then the script has it, and others are answered."""

    def run(peer, number):
        if number == 1:
            answer(peer)
            script(peer)
        else:
            answer_all(peer)

    return run


@pytest.mark.parametrize(
    "options", [ClientOptions(observers=(Told(),)), ClientOptions(hedge_after=0.5)]
)
def test_a_client_that_does_more_for_a_call_goes_without(servers, options):
    with Client(servers(answer_all).endpoint, options) as client:
        client.score("m", ROW)
        assert not is_armed(client)


def test_a_client_of_two_servers_balances(servers):
    endpoints = [servers(answer_all).endpoint, servers(answer_all).endpoint]
    with Client(endpoints) as client:
        client.score("m", ROW)
        assert not is_armed(client)


def laid_out(matrix, layout):
    """The same values in another layout, or another byte order."""
    match layout:
        case "columns first":
            return np.asfortranarray(matrix)
        case "with gaps":
            return np.repeat(matrix, 2, axis=-1)[..., ::2]
        case "big-endian":
            return matrix.astype(matrix.dtype.newbyteorder(">"))
    return matrix


ANY_ARRAY = st.builds(
    laid_out,
    arrays.arrays(
        st.sampled_from([np.float32, np.float64, np.int32]),
        arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5),
        elements=st.integers(-8, 8),
    ),
    st.sampled_from(["rows first", "columns first", "with gaps", "big-endian"]),
)


def test_any_array_is_sent_and_answered_as_on_the_long_way(servers, monkeypatch):
    sent = []

    def echo(peer, _number):
        while True:
            answer(peer, sent=sent)

    server = servers(echo)
    monkeypatch.setenv(SWITCH, "0")
    long = Client(server.endpoint, PATIENT)
    monkeypatch.setenv(SWITCH, "1")

    def outcome(client, array):
        try:
            result = client.score("m", array)
        except (InvalidRequest, ProtocolViolation) as error:
            return type(error), str(error)
        request = sent[-1]
        assert result.request_id == request.context.request_id
        fields = (request.model_name, request.features, request.columns, request.datatype)
        return fields, result.scores.tobytes(), result.scores.shape, result.model_version

    with long, armed(server.endpoint) as short:

        @settings(max_examples=300, deadline=None)
        @given(ANY_ARRAY)
        def check(array):
            assert outcome(short, array) == outcome(long, array)

        check()


def test_names_of_models_and_widths_may_differ_from_call_to_call(servers):
    sent = []

    def note(peer, _number):
        while True:
            answer(peer, sent=sent)

    expected = [("m", 3, 11)]
    with armed(servers(note).endpoint) as client:
        for name in ("m", "other", "".join(["oth", "er"]), "m"):
            for columns, dtype, datatype in ((3, np.float32, 11), (4, np.float64, 12)):
                client.score(name, np.ones((1, columns), dtype))
                expected.append((name, columns, datatype))
        assert is_armed(client)
    assert [(one.model_name, one.columns, one.datatype) for one in sent] == expected


def test_a_lost_connection_is_not_noticed_by_the_caller(servers):
    server = servers(after_the_first(lambda peer: peer.receive()))
    with armed(server.endpoint) as client:
        assert client.score("m", ROW).scores.tolist() == [[0.5]]
        assert is_armed(client)
    assert server.connections == 2


def test_a_retry_has_the_request_id_of_the_first_attempt(servers):
    seen = []

    def refuse_one(peer):
        name, sequence, arguments = peer.receive()
        seen.append(arguments.request)
        error = ttypes.ScoringError(
            code=ErrorCode.OVERLOADED.value, message="no room", retryable=True
        )
        peer.reply(name, sequence, ScoringService.score_result(error=error))
        answer(peer, sent=seen)

    with armed(servers(after_the_first(refuse_one)).endpoint) as client:
        answered = client.score("m", ROW)
    assert [one.context.request_id for one in seen] == [answered.request_id] * 2


def test_an_error_of_the_server_is_raised_with_its_place(servers):
    def refuse(peer):
        name, sequence, _ = peer.receive()
        error = ttypes.ScoringError(code=ErrorCode.OVERLOADED.value, message="no room")
        peer.reply(name, sequence, ScoringService.score_result(error=error))

    server = servers(after_the_first(refuse))
    with armed(server.endpoint) as client, pytest.raises(Overloaded) as raised:
        client.score("m", ROW)
    assert server.endpoint in str(raised.value)
    assert "1 attempt" in str(raised.value)


def test_a_time_out_gives_the_connection_up(servers):
    def late(peer):
        request = peer.receive()
        peer.socket.recv(1)
        assert request

    server = servers(after_the_first(late))
    with armed(server.endpoint, ClientOptions(timeout_s=0.3)) as client:
        started = time.monotonic()
        with pytest.raises(CallTimedOut, match="1 attempt"):
            client.score("m", ROW)
        assert time.monotonic() - started >= 0.3
        assert client.score("m", ROW).scores.tolist() == [[0.5]]
    assert server.connections == 2


@pytest.mark.parametrize(
    "garbage", [b"\xff" * 8, struct.pack("!i", 4) + b"\x80\x01\x00\x02", b"\x00\x00\x00\x00"]
)
def test_garbage_is_a_violation_and_ends_the_connection(servers, garbage):
    def talk_nonsense(peer):
        peer.receive()
        peer.socket.sendall(garbage)
        peer.socket.recv(1)

    with armed(servers(after_the_first(talk_nonsense)).endpoint) as client:
        with pytest.raises(ProtocolViolation):
            client.score("m", ROW)
        assert client.score("m", ROW).scores.tolist() == [[0.5]]


def test_the_answer_to_another_request_is_a_violation(servers):
    def mix_up(peer):
        name, sequence, _ = peer.receive()
        peer.reply(name, sequence, score_result(0.5, "another"))
        peer.socket.recv(1)

    with armed(servers(after_the_first(mix_up)).endpoint) as client:
        with pytest.raises(ProtocolViolation, match="another"):
            client.score("m", ROW)
        assert client.score("m", ROW).scores.tolist() == [[0.5]]


def test_nobody_waits_in_vain_where_places_are_few(servers):
    """Each place that is given back on the short way must reach who waits on the long one."""
    server = servers(answer_all)
    for calls_max in (1, 2):
        options = ClientOptions(
            calls_per_connection_max=calls_max, connections_max=1, timeout_s=30.0
        )
        with armed(server.endpoint, options) as client:
            done = in_threads(12, lambda _, client=client: repeat(client, 100))
            assert done == [100] * 12


def test_answers_reach_their_callers_beside_a_thread_that_computes(servers):
    """What many callers send together must not wait for an interpreter that is busy."""
    stop = threading.Event()

    def compute():
        while not stop.is_set():
            sum(range(10_000))

    busy = threading.Thread(target=compute)
    busy.start()
    try:
        with armed(servers(answer_all).endpoint) as client:
            assert in_threads(8, lambda _: repeat(client, 20)) == [20] * 8
    finally:
        stop.set()
        busy.join()


def repeat(client, times):
    good = [client.score("m", ROW).scores[0, 0] == 0.5 for _ in range(times)]
    return sum(good)


def in_threads(count, act):
    """What `act` returned, of each thread."""
    results = []
    threads = [
        threading.Thread(target=lambda number=number: results.append(act(number)))
        for number in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def test_a_closed_client_says_so(servers):
    with armed(servers(answer_all).endpoint) as client:
        client.close()
        with pytest.raises(ClientClosed):
            client.score("m", ROW)


def test_closing_ends_a_call_that_is_under_way(servers):
    called = threading.Event()

    def hang(peer):
        peer.receive()
        called.set()
        peer.socket.recv(1)

    with armed(servers(after_the_first(hang)).endpoint) as client:
        closing = threading.Thread(target=lambda: called.wait(30) and client.close())
        closing.start()
        with pytest.raises((ClientClosed, ConnectionLost)):
            client.score("m", ROW)
        closing.join()


def test_an_interrupted_call_leaves_the_client_sound(servers):
    called = threading.Event()

    def hang(peer):
        peer.receive()
        called.set()
        peer.socket.recv(1)

    def interrupt(*_):
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGALRM, interrupt)
    try:
        with armed(servers(after_the_first(hang)).endpoint) as client:
            main = threading.main_thread().ident
            alarm = threading.Thread(
                target=lambda: called.wait(30) and signal.pthread_kill(main, signal.SIGALRM)
            )
            alarm.start()
            with pytest.raises(KeyboardInterrupt):
                client.score("m", ROW)
            alarm.join()
            assert client.score("m", ROW).scores.tolist() == [[0.5]]
    finally:
        signal.signal(signal.SIGALRM, previous)


def test_a_forked_child_has_connections_and_request_ids_of_its_own(servers):
    seen = []

    def note(peer, _number):
        while True:
            answer(peer, sent=seen)

    server = servers(note)
    with armed(server.endpoint) as client:
        client.score("m", ROW)
        child = os.fork()
        if child == 0:
            try:
                good = all(client.score("m", ROW).scores[0, 0] == 0.5 for _ in range(3))
                os._exit(0 if good else 1)
            finally:
                os._exit(2)
        assert os.waitpid(child, 0)[1] == 0
        client.score("m", ROW)
    assert server.connections == 2
    assert len({one.context.request_id for one in seen}) == len(seen) == 6


def test_a_connection_that_was_idle_too_long_is_not_used(servers):
    server = servers(answer_all)
    with armed(server.endpoint, ClientOptions(idle_timeout_s=0.1, timeout_s=30.0)) as client:
        connection = client._channel.directory.balancer.members[0].pool.freest()
        wait_until(lambda: not connection.takes_calls)
        client.score("m", ROW)
    assert server.connections == 2


def test_a_connection_that_is_too_old_is_not_used(servers):
    server = servers(answer_all)
    with armed(server.endpoint, ClientOptions(connection_age_max_s=0.1, timeout_s=30.0)) as client:
        wait_until(lambda: client.score("m", ROW) and server.connections > 1)


def test_a_server_that_comes_later_gets_calls(servers):
    first, second = servers(answer_all), servers(lambda peer, _number: answer_all(peer, value=2.0))
    with armed(first.endpoint) as client:
        (endpoint,) = parse_endpoints(second.endpoint)
        client._channel.directory.found(endpoint, endpoint.lookup())
        values = {float(client.score("m", ROW).scores[0, 0]) for _ in range(100)}
        assert not is_armed(client)
    assert 2.0 in values
