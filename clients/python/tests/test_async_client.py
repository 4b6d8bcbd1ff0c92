# SPDX-License-Identifier: Apache-2.0
"""The client for asyncio: tasks share connections, cancel, time out and fail as threads do."""

from __future__ import annotations

import asyncio
import inspect

import numpy as np
import pytest

from thriftscore_client import (
    AsyncClient,
    CallTimedOut,
    Client,
    ClientClosed,
    ClientOptions,
    ConnectFailed,
    ProtocolViolation,
    Unavailable,
)
from thriftscore_client._generated import ScoringService, ttypes

from .conftest import Told, encode_reply, framed, nobody, score_result
from .test_client import Recorder

ROW = np.array([[1.0, 2.0, 3.0]], dtype=np.float32)


def test_it_has_the_methods_of_the_client_with_the_same_parameters():
    def signatures(kind):
        return {
            name: str(inspect.signature(method))
            for name, method in vars(kind).items()
            if inspect.isfunction(method) and not name.startswith("_")
        }

    assert signatures(AsyncClient) == signatures(Client)
    assert all(
        inspect.iscoroutinefunction(getattr(AsyncClient, name)) for name in signatures(Client)
    )


def test_tasks_share_a_connection_and_each_gets_its_own_answer(scripted_server):
    def in_reverse(peer, _number):
        """Answers in turns of eight, the last call first."""
        while True:
            calls = [peer.receive() for _ in range(8)]
            for name, sequence, arguments in reversed(calls):
                result = ScoringService.score_values_result(success=arguments.values)
                peer.reply(name, sequence, result)

    scripted_server.run(in_reverse)

    async def main():
        options = ClientOptions(timeout_s=30.0, connections_max=1)
        async with AsyncClient(scripted_server.endpoint, options) as client:
            for turn in range(20):
                sent = [[float(turn), float(number)] for number in range(8)]
                answers = await asyncio.gather(*(client.score_values("m", one) for one in sent))
                assert [answer.tolist() for answer in answers] == sent

    asyncio.run(main())
    assert scripted_server.connections == 1


def test_the_request_has_what_the_call_says(scripted_server):
    recorder = Recorder()
    scripted_server.run(recorder)

    async def main():
        async with AsyncClient(scripted_server.endpoint) as client:
            return await client.score("m", ROW, version="canary", request_id="r", timeout_s=3.0)

    result = asyncio.run(main())
    assert result.request_id == "r"
    (request,) = recorder.requests
    assert (request.model_name, request.model_version) == ("m", "canary")
    assert request.features == ROW.tobytes()
    assert 2000 < request.context.deadline_ms <= 3000


def test_a_call_that_times_out_leaves_its_connection(scripted_server):
    def late_at_first(peer, number):
        while True:
            name, sequence, arguments = peer.receive()
            if number > 1:
                request_id = arguments.request.context.request_id
                peer.reply(name, sequence, score_result(2.0, request_id))

    scripted_server.run(late_at_first)

    async def main():
        async with AsyncClient(scripted_server.endpoint) as client:
            with pytest.raises(CallTimedOut, match=r"within 0\.05 s"):
                await client.score("m", ROW, timeout_s=0.05)
            return await client.score("m", ROW, timeout_s=30.0)

    assert asyncio.run(main()).scores.tolist() == [[2.0]]


def test_a_cancelled_call_leaves_the_client_sound(scripted_server):
    received = []

    def silent_at_first(peer, number):
        while True:
            name, sequence, arguments = peer.receive()
            received.append(number)
            if number > 1:
                request_id = arguments.request.context.request_id
                peer.reply(name, sequence, score_result(2.0, request_id))

    scripted_server.run(silent_at_first)

    async def main():
        async with AsyncClient(scripted_server.endpoint, ClientOptions(timeout_s=60.0)) as client:
            task = asyncio.create_task(client.score("m", ROW))
            while not received:
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return await client.score("m", ROW)

    assert asyncio.run(main()).scores.tolist() == [[2.0]]


def test_a_wrong_reply_closes_the_connection(scripted_server):
    def wrong_at_first(peer, number):
        name, sequence, arguments = peer.receive()
        request_id = arguments.request.context.request_id if number > 1 else "another"
        peer.socket.sendall(framed(encode_reply(name, sequence, score_result(1.0, request_id))))
        assert peer.socket.recv(1) == b"", "the client must close this connection"

    scripted_server.run(wrong_at_first)

    async def main():
        async with AsyncClient(scripted_server.endpoint) as client:
            with pytest.raises(ProtocolViolation, match="request 'another'"):
                await client.score("m", ROW, timeout_s=30.0)
            return await client.score("m", ROW, timeout_s=30.0)

    assert asyncio.run(main()).scores.tolist() == [[1.0]]


def test_retries_and_observers_work_as_in_threads(scripted_server):
    def starting(peer, _number):
        name, sequence, _ = peer.receive()
        error = ttypes.ScoringError(code=8, message="starting", retryable=True)
        peer.reply(name, sequence, ScoringService.score_result(error=error))
        while True:
            name, sequence, arguments = peer.receive()
            request_id = arguments.request.context.request_id
            peer.reply(name, sequence, score_result(1.0, request_id))

    scripted_server.run(starting)
    told = Told()

    async def main():
        options = ClientOptions(timeout_s=30.0, observers=(told,))
        async with AsyncClient(scripted_server.endpoint, options) as client:
            await client.score("m", ROW)
        with pytest.raises(ClientClosed):
            await client.score("m", ROW)

    asyncio.run(main())
    assert told.calls[0].outcome == "OK"
    assert "UNAVAILABLE" in {event.outcome for event in told.attempts}


def test_errors_come_as_in_threads(scripted_server):
    def refuse(peer, _number):
        while True:
            name, sequence, _ = peer.receive()
            error = ttypes.ScoringError(code=8, message="starting")
            peer.reply(name, sequence, ScoringService.ping_result(error=error))

    scripted_server.run(refuse)

    async def main():
        async with AsyncClient(scripted_server.endpoint) as client:
            with pytest.raises(Unavailable, match="starting"):
                await client.ping()
        with pytest.raises(ConnectFailed):
            async with AsyncClient(nobody()):
                raise AssertionError("entering must connect")

    asyncio.run(main())


def test_a_slow_answer_is_overtaken(servers):
    def ping_true(peer, _number):
        while True:
            name, sequence, _ = peer.receive()
            peer.reply(name, sequence, ScoringService.ping_result(success=True))

    silent = servers(lambda peer, _number: peer.receive() and peer.receive())
    told = Told()

    async def main():
        options = ClientOptions(hedge_after=0.05, observers=(told,), timeout_s=5.0)
        endpoints = [silent.endpoint, servers(ping_true).endpoint]
        async with AsyncClient(endpoints, options) as client:
            while "HedgedError" not in {event.outcome for event in told.attempts}:
                await client.ping()

    asyncio.run(main())
    assert {event.outcome for event in told.calls} == {"OK"}
