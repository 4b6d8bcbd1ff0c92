# SPDX-License-Identifier: Apache-2.0
"""Several servers, retries between them, and connections that come, are shared and go."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time

import numpy as np
import pytest

from thriftscore_client import (
    CallTimedOut,
    Client,
    ClientClosed,
    ClientOptions,
    ConnectFailed,
    ConnectionLost,
    Overloaded,
    Unavailable,
)
from thriftscore_client._generated import ScoringService, ttypes

from .conftest import Told, nobody, score_result, wait_until

pytestmark = pytest.mark.usefixtures("each_way")

ROW = np.array([[1.0, 2.0, 3.0]], dtype=np.float32)


def answer_all(peer, _number=0, value=0.5):
    while True:
        name, sequence, arguments = peer.receive()
        peer.reply(name, sequence, score_result(value, arguments.request.context.request_id))


def refuse_all(code, **fields):
    def refuse(peer, _number):
        while True:
            name, sequence, _ = peer.receive()
            error = ttypes.ScoringError(code=code, message="no", **fields)
            peer.reply(name, sequence, ScoringService.score_result(error=error))

    return refuse


@pytest.mark.parametrize("as_text", [True, False])
def test_a_dead_server_is_not_noticed_by_the_caller(servers, as_text, caplog):
    told = Told()
    endpoints = [nobody(), servers(answer_all).endpoint]
    given = ", ".join(endpoints) if as_text else endpoints
    with (
        caplog.at_level(logging.INFO, "thriftscore_client"),
        Client(given, ClientOptions(observers=(told,))) as client,
    ):
        for _ in range(20):
            client.score("m", ROW)
    assert [event.outcome for event in told.calls] == ["OK"] * 20
    assert told.calls[-1].endpoint == endpoints[1]
    assert 20 <= len(told.attempts) < 30
    assert f"{endpoints[0]} is out of service" in caplog.text


def test_a_server_that_comes_back_is_used_again(servers, caplog):
    state = {"ready": False}

    def starting(peer, _number):
        while True:
            name, sequence, arguments = peer.receive()
            if state["ready"]:
                request_id = arguments.request.context.request_id
                peer.reply(name, sequence, score_result(7.0, request_id))
            else:
                error = ttypes.ScoringError(code=8, message="starting", retryable=True)
                peer.reply(name, sequence, ScoringService.score_result(error=error))

    first, second = servers(starting), servers(answer_all)
    with (
        caplog.at_level(logging.INFO, "thriftscore_client"),
        Client([first.endpoint, second.endpoint]) as client,
    ):
        wait_until(lambda: client.score("m", ROW) and "out of service" in caplog.text)
        state["ready"] = True
        wait_until(lambda: client.score("m", ROW).scores[0, 0] == 7.0)
    assert f"{first.endpoint} is back in service" in caplog.text


def test_the_error_of_the_last_attempt_says_how_many_there_were(servers):
    endpoint = servers(refuse_all(8, retryable=True)).endpoint
    with Client(endpoint) as client, pytest.raises(Unavailable, match="3 attempts") as raised:
        client.score("m", ROW)
    assert (raised.value.attempts, raised.value.endpoint) == (3, endpoint)
    options = ClientOptions(attempts_max=1)
    with Client(endpoint, options) as client, pytest.raises(Unavailable, match="1 attempt:"):
        client.score("m", ROW)


def test_a_server_that_asks_for_more_time_than_there_is_ends_the_call_at_once(servers):
    endpoint = servers(refuse_all(5, retryable=True, retry_after_ms=60_000)).endpoint
    with Client(endpoint, ClientOptions(timeout_s=50.0)) as client:
        started = time.monotonic()
        with pytest.raises(Overloaded):
            client.score("m", ROW)
        assert time.monotonic() - started < 30


def test_a_connection_lost_during_a_call_is_not_noticed_by_the_caller(servers):
    def lose_first(peer, number):
        if number == 1:
            peer.receive()
        else:
            answer_all(peer)

    with Client(servers(lose_first).endpoint) as client:
        assert client.score("m", ROW).scores.tolist() == [[0.5]]


def test_a_call_that_timed_out_is_not_repeated(servers):
    calls = []

    def silent(peer, _number):
        while True:
            calls.append(peer.receive())

    with Client(servers(silent).endpoint) as client, pytest.raises(CallTimedOut, match="1 attempt"):
        client.score("m", ROW, timeout_s=0.2)
    assert len(calls) == 1


def test_deadlines_are_kept(servers):
    server = servers(lambda peer, _number: peer.socket.recv(1_000_000) and peer.receive())
    with Client(server.endpoint) as client:
        for seconds in (0.05, 0.5):
            started = time.monotonic()
            with pytest.raises(CallTimedOut):
                client.score("m", ROW, timeout_s=seconds)
            assert time.monotonic() - started >= seconds


def test_one_call_per_connection_uses_as_many_connections_as_calls(servers):
    together = threading.Barrier(4)

    def at_the_same_time(peer, number):
        name, sequence, arguments = peer.receive()
        together.wait(30)
        peer.reply(name, sequence, score_result(number, arguments.request.context.request_id))

    server = servers(at_the_same_time)
    options = ClientOptions(calls_per_connection_max=1, timeout_s=30.0)
    with Client(server.endpoint, options) as client:
        answers = []
        threads = [
            threading.Thread(target=lambda: answers.append(client.score("m", ROW).scores[0, 0]))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(answers) == [1, 2, 3, 4]


def test_calls_beyond_what_the_connections_take_wait_for_their_turn(servers):
    server = servers(answer_all)
    options = ClientOptions(calls_per_connection_max=1, connections_max=2, timeout_s=30.0)
    with Client(server.endpoint, options) as client:
        answers = []
        threads = [
            threading.Thread(target=lambda: answers.extend(client.score("m", ROW) for _ in "abc"))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(answers) == 24
    assert server.connections <= 2


def test_idle_connections_are_closed(servers):
    closed = threading.Event()

    def until_closed(peer, _number):
        try:
            answer_all(peer)
        finally:
            closed.set()

    server = servers(until_closed)
    with Client(server.endpoint, ClientOptions(idle_timeout_s=0.1)) as client:
        client.score("m", ROW)
        assert closed.wait(30)
        client.score("m", ROW)
    assert server.connections == 2


def test_old_connections_are_replaced(servers):
    server = servers(answer_all)
    with Client(server.endpoint, ClientOptions(connection_age_max_s=0.05)) as client:
        wait_until(lambda: client.score("m", ROW) and server.connections > 2)


def test_closing_ends_the_calls_that_are_under_way(servers):
    called = threading.Event()

    def silent(peer, _number):
        peer.receive()
        called.set()
        peer.receive()

    client = Client(servers(silent).endpoint, ClientOptions(timeout_s=60.0))
    failures = []

    def call():
        try:
            client.score("m", ROW)
        except ClientClosed as error:
            failures.append(error)

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert called.wait(30)
    client.close()
    for thread in threads:
        thread.join(30)
    assert len(failures) == 3


def test_a_name_stands_for_its_addresses(servers):
    port = servers(answer_all).endpoint.rpartition(":")[2]
    with Client(f"localhost:{port}", ClientOptions(attempts_max=1)) as client:
        for _ in range(5):
            client.score("m", ROW)


def test_a_name_that_nobody_has_fails_to_connect():
    client = Client("no-such-host.invalid:9090", ClientOptions(timeout_s=20.0))
    with pytest.raises(ConnectFailed, match="no-such-host"):
        client.score("m", ROW)
    client.close()


def test_a_forked_child_has_connections_of_its_own(servers):
    server = servers(answer_all)
    with Client(server.endpoint) as client:
        client.score("m", ROW)
        child = os.fork()
        if child == 0:
            try:
                good = client.score("m", ROW).scores[0, 0] == 0.5
                os._exit(0 if good else 1)
            finally:
                os._exit(2)
        assert os.waitpid(child, 0)[1] == 0
        client.score("m", ROW)
    assert server.connections == 2


def test_an_interrupted_call_leaves_the_client_sound(servers):
    called = threading.Event()

    def silent_at_first(peer, number):
        if number == 1:
            peer.receive()
            called.set()
            peer.receive()
        answer_all(peer)

    class Interrupted(Exception):  # noqa: N818
        pass

    def interrupt(*_):
        raise Interrupted

    previous = signal.signal(signal.SIGALRM, interrupt)
    try:
        with Client(servers(silent_at_first).endpoint, ClientOptions(timeout_s=30.0)) as client:
            main = threading.main_thread().ident
            alarm = threading.Thread(
                target=lambda: called.wait(30) and signal.pthread_kill(main, signal.SIGALRM)
            )
            alarm.start()
            with pytest.raises(Interrupted):
                client.score("m", ROW)
            alarm.join()
            assert client.score("m", ROW).scores.tolist() == [[0.5]]
    finally:
        signal.signal(signal.SIGALRM, previous)


def test_a_failing_observer_is_logged_and_harms_nobody(servers, caplog):
    class Failing(Told):
        def call_ended(self, _event):
            raise RuntimeError("as the test wants")

    failing, told = Failing(), Told()
    options = ClientOptions(observers=(failing, told))
    with Client(servers(answer_all).endpoint, options) as client:
        client.score("m", ROW)
    assert "an observer failed" in caplog.text
    (event,) = told.calls
    assert (event.method, event.model, event.attempts, event.outcome) == ("score", "m", 1, "OK")
    assert event.duration_s > 0


def test_observers_are_told_of_errors_by_their_names(servers):
    told = Told()
    options = ClientOptions(observers=(told,), attempts_max=1)
    endpoint = servers(refuse_all(5)).endpoint
    with Client(endpoint, options) as client, pytest.raises(Overloaded):
        client.score("m", ROW)
    client = Client(nobody(), options)
    with pytest.raises(ConnectFailed):
        client.score("m", ROW)
    client.close()
    assert [event.outcome for event in told.calls] == ["OVERLOADED", "ConnectFailed"]


def lose_all(peer, _number):
    peer.receive()


def test_lost_connections_are_told_of_as_such(servers):
    told = Told()
    options = ClientOptions(observers=(told,), attempts_max=2)
    with Client(servers(lose_all).endpoint, options) as client, pytest.raises(ConnectionLost):
        client.score("m", ROW)
    assert [event.outcome for event in told.attempts] == ["ConnectionLost"] * 2
    assert [event.number for event in told.attempts] == [1, 2]
    assert told.calls[0].attempts == 2


@pytest.mark.parametrize("hedge_after", [0.02, "p95"])
def test_a_slow_answer_is_overtaken_by_another_server(servers, hedge_after):
    slow_from = {"now": False}

    def slow(peer, _number):
        while True:
            name, sequence, arguments = peer.receive()
            if slow_from["now"]:
                server.stopping.wait(0.5)
            request_id = arguments.request.context.request_id
            peer.reply(name, sequence, score_result(1.0, request_id))

    server = servers(slow)
    told = Told()
    options = ClientOptions(hedge_after=hedge_after, observers=(told,), timeout_s=30.0)
    endpoints = [server.endpoint, servers(lambda peer, _: answer_all(peer, value=2.0)).endpoint]
    with Client(endpoints, options) as client:
        for _ in range(60):
            client.score("m", ROW)
        slow_from["now"] = True
        wait_until(lambda: client.score("m", ROW) and told.attempts[-2].outcome == "HedgedError")
    assert told.attempts[-1].endpoint == endpoints[1]
    assert {event.outcome for event in told.calls} == {"OK"}
