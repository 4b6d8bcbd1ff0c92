# SPDX-License-Identifier: Apache-2.0
"""The compiled part does what the Python that stands in for it does."""

from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import pytest

from thriftscore_client import Client, ClientClosed, ClientOptions, ConnectionLost
from thriftscore_client.calls import Wire
from thriftscore_client.compiled import SWITCH

from .conftest import encode_reply, framed, score_result

CALLERS = 16
ROUNDS = 20
ROWS = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.mark.parametrize(
    ("options", "switch", "expected"),
    [
        (ClientOptions(), "1", True),
        (ClientOptions(), "0", False),
        (ClientOptions(protocol="compact"), "1", False),
        (ClientOptions(transport="unframed"), "1", False),
    ],
)
def test_it_is_used_where_it_can_be(monkeypatch, options, switch, expected):
    monkeypatch.setenv(SWITCH, switch)
    assert Wire(options).is_compiled == expected


def test_both_send_the_same_bytes_and_return_the_same(monkeypatch, servers):
    sent = []

    def echo(peer, _number):
        while True:
            name, sequence, arguments = peer.receive()
            sent.append((name, sequence, arguments.request.features, arguments.request.columns))
            result = score_result(0.5, arguments.request.context.request_id, 2)
            peer.reply(name, sequence, result)

    results = []
    for switch in ("1", "0"):
        monkeypatch.setenv(SWITCH, switch)
        with Client(servers(echo).endpoint) as client:
            results.append(client.score("m", ROWS, request_id="r"))
    compiled, python = results
    assert sent[0] == sent[1]
    assert (compiled.scores == python.scores).all()
    assert compiled.scores.dtype == python.scores.dtype
    assert not compiled.scores.flags.writeable
    assert (compiled.model_version, compiled.request_id) == ("1", "r")


def test_closing_amid_the_calls_of_many_threads_ends_them_all(servers):
    def answer_all(peer, _number):
        while True:
            name, sequence, arguments = peer.receive()
            value = float(np.frombuffer(arguments.request.features, "<f4")[0])
            reply = score_result(value, arguments.request.context.request_id)
            peer.socket.sendall(framed(encode_reply(name, sequence, reply)))

    server = servers(answer_all)
    for _ in range(ROUNDS):
        client = Client(server.endpoint, ClientOptions(timeout_s=30.0))
        under_way = threading.Barrier(CALLERS + 1)
        wrong = []

        def call_until_closed(client=client, under_way=under_way, wrong=wrong, first=0.0):
            row = np.full((1, 3), first, np.float32)
            client.score("m", row)
            under_way.wait(30)
            try:
                while client.score("m", row).scores[0, 0] == first:
                    pass
                wrong.append(first)
            except (ClientClosed, ConnectionLost):
                return

        threads = [
            threading.Thread(target=call_until_closed, kwargs={"first": float(number)})
            for number in range(CALLERS)
        ]
        for thread in threads:
            thread.start()
        under_way.wait(30)
        client.score("m", ROWS[:1])
        client.close()
        for thread in threads:
            thread.join(30)
        assert not any(thread.is_alive() for thread in threads)
        assert wrong == []


WAITING_AT_THE_END = """
import sys, threading
import numpy as np
from thriftscore_client import Client, ClientOptions, ThriftscoreError

client = Client(sys.argv[1], ClientOptions(timeout_s=0.2, attempts_max=1))
waiting = threading.Semaphore(0)

def call_for_ever():
    while True:
        waiting.release()
        try:
            client.score("m", np.ones((1, 3), np.float32))
        except ThriftscoreError:
            pass

for _ in range(8):
    threading.Thread(target=call_for_ever, daemon=True).start()
for _ in range(16):
    waiting.acquire()
"""


def test_a_program_ends_in_peace_while_its_threads_wait_for_answers(servers):
    def silent(peer, _number):
        while True:
            peer.receive()

    command = [sys.executable, "-c", WAITING_AT_THE_END, servers(silent).endpoint]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "terminate" not in done.stderr
