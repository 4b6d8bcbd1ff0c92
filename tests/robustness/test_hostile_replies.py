# SPDX-License-Identifier: Apache-2.0
"""Whatever a server answers, a client's call ends in time, by its right name, and the next works.

Every client, pipelined and with one call per connection, meets every behaviour of the hostile
server: its odd calls are answered wrongly, its even ones rightly.
"""

from __future__ import annotations

import itertools
import json
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from client_programs import MODES, PROBES, probe
from hostile_server import BEHAVIOURS, ON_ACCEPT, Counts, HostileServer
from thrift_wire import StockClient, score_request

from thriftscore._generated.ttypes import ScoringError

PROBES_AT_ONCE = 4
# Of calls that a deadline must not end, however busy the machine is; and of those that it must.
PATIENT_MS, TIMEOUT_MS = 20_000, 1000
SLOW_ROUNDS = 3

VIOLATION, LOST = {"ProtocolViolation"}, {"ConnectionLost"}
# What a call may end with. After those of the first table there is no other attempt.
FINAL = {
    "right": {"OK"},
    "oversized": VIOLATION,
    "negative_length": VIOLATION,
    "empty_frame": VIOLATION,
    "garbage": VIOLATION,
    "garbage_frame": VIOLATION,
    "http": VIOLATION,
    "truncated_message": VIOLATION,
    "trailing_bytes": VIOLATION,
    "wrong_sequence_id": VIOLATION,
    "wrong_method": VIOLATION,
    "wrong_request_id": VIOLATION,
    "unknown_message_type": VIOLATION,
    "neither_result_nor_error": VIOLATION,
    "application_exception": {"INTERNAL", *VIOLATION},
    # The first of them is right: it may be taken before the second is seen.
    "two_replies": {"OK", *VIOLATION},
}
RETRIED = {
    "truncated": LOST,
    "reset_after_header": LOST,
    "reset_after_request": LOST,
    "reset_in_reply": LOST,
    "overloaded": {"OVERLOADED"},
    "unavailable": {"UNAVAILABLE"},
}

SLOW = ("drip", "late", "silent")

CLIENTS = list(itertools.product(PROBES, MODES))
each_client = pytest.mark.parametrize("client", CLIENTS, ids="-".join)


@dataclass(frozen=True)
class Run:
    """A probe's calls and what the server saw of them."""

    calls: list[dict[str, Any]]
    counts: Counts


@dataclass(frozen=True)
class Plan:
    """How a probe is run against a server with these behaviours."""

    behaviours: tuple[str, ...]
    calls: int
    attempts: int
    timeout_ms: int = PATIENT_MS


Runs = Callable[[tuple[str, str], str], Run]
PLANS = {
    "final": Plan(tuple(FINAL), 2 * len(FINAL), attempts=3),
    "slow": Plan(SLOW, 2 * SLOW_ROUNDS * len(SLOW), attempts=3, timeout_ms=TIMEOUT_MS),
    "without retries": Plan(tuple(RETRIED), 2 * len(RETRIED), attempts=1),
    "with retries": Plan(tuple(RETRIED), len(RETRIED), attempts=3),
    "accept without retries": Plan((ON_ACCEPT,), 4, attempts=1),
    "accept with retries": Plan((ON_ACCEPT,), 4, attempts=3),
}


def run(client: tuple[str, str], name: str) -> Run:
    language, mode = client
    plan = PLANS[name]
    with HostileServer(*plan.behaviours) as server:
        options = {"calls": plan.calls, "attempts": plan.attempts, "timeout_ms": plan.timeout_ms}
        options |= {"pipelined": MODES[mode], "expect_sum": True, "each": True}
        probed = probe(language, [server.endpoint], **options)
        return Run(probed.calls, server.counts)


@pytest.fixture(scope="module")
def runs() -> Iterator[Runs]:
    """All of them are started by the first test, some at a time, as most of each is waiting."""
    with ThreadPoolExecutor(PROBES_AT_ONCE) as pool:
        started: dict[tuple[tuple[str, str], str], Future[Run]] = {
            (client, name): pool.submit(run, client, name) for name in PLANS for client in CLIENTS
        }
        yield lambda client, name: started[client, name].result()


def outcome(call: dict[str, Any]) -> str:
    """The name of an error without what a language adds to it."""
    plain = re.sub(r"^.*[.$]|^Err(?=[A-Z])|(Error|Exception)$", "", call["outcome"])
    return {"TimedOut": "CallTimedOut"}.get(plain, plain)


def check_right(call: dict[str, Any]) -> None:
    assert call["ok"], call
    assert call["correct"], call


def check_wrong(call: dict[str, Any], expected: set[str]) -> None:
    """An error of an expected name, or a right answer where that is one of the expected."""
    assert outcome(call) in expected, call
    assert call["ok"] == (call["outcome"] == "OK"), call
    assert call["correct"] or not call["ok"], call


def test_every_behaviour_is_tried() -> None:
    assert {*FINAL, *SLOW, *RETRIED, ON_ACCEPT} == set(BEHAVIOURS)


@each_client
@pytest.mark.parametrize("behaviour", FINAL)
def test_an_answer_not_to_be_trusted_is_an_error_and_the_next_call_works(
    runs: Runs, client: tuple[str, str], behaviour: str
) -> None:
    done = runs(client, "final")
    assert done.counts.calls == len(done.calls) == 2 * len(FINAL), "one attempt each"
    first = 2 * list(FINAL).index(behaviour)
    wrong, following = done.calls[first : first + 2]
    check_wrong(wrong, FINAL[behaviour])
    assert wrong["attempts"] == 1, wrong
    check_right(following)


@each_client
@pytest.mark.parametrize("behaviour", SLOW)
def test_an_answer_that_comes_too_late_is_not_waited_for_and_the_next_call_works(
    runs: Runs, client: tuple[str, str], behaviour: str
) -> None:
    done = runs(client, "slow")
    assert done.counts.calls <= len(done.calls) == 2 * SLOW_ROUNDS * len(SLOW), "one attempt each"
    first = 2 * SLOW.index(behaviour)
    tried = [done.calls[first + 2 * len(SLOW) * turn :][:2] for turn in range(SLOW_ROUNDS)]
    for wrong, following in tried:
        assert outcome(wrong) == "CallTimedOut", wrong
        assert wrong["attempts"] == 1, wrong
        assert following["correct"] or not following["ok"], following
    # A machine that is busy with other work may hold one of them up, a good call as well.
    assert any(following["ok"] for _, following in tried)
    assert min(wrong["ms"] for wrong, _ in tried) <= 1.1 * TIMEOUT_MS


@each_client
@pytest.mark.parametrize("behaviour", RETRIED)
def test_without_retries_a_passing_failure_is_an_error_and_the_next_call_works(
    runs: Runs, client: tuple[str, str], behaviour: str
) -> None:
    done = runs(client, "without retries")
    assert done.counts.calls == len(done.calls) == 2 * len(RETRIED)
    first = 2 * list(RETRIED).index(behaviour)
    wrong, following = done.calls[first : first + 2]
    check_wrong(wrong, RETRIED[behaviour])
    check_right(following)


@each_client
@pytest.mark.parametrize("behaviour", RETRIED)
def test_with_retries_a_passing_failure_is_not_seen(
    runs: Runs, client: tuple[str, str], behaviour: str
) -> None:
    done = runs(client, "with retries")
    call = done.calls[list(RETRIED).index(behaviour)]
    check_right(call)
    assert call["attempts"] == 2, call
    assert done.counts.calls == sum(call["attempts"] for call in done.calls)


@each_client
def test_a_connection_that_is_reset_at_once(runs: Runs, client: tuple[str, str]) -> None:
    """The second connection is good, and is kept."""
    done = runs(client, "accept without retries")
    wrong, *following = done.calls
    check_wrong(wrong, {"ConnectFailed", *LOST})
    for call in following:
        check_right(call)
    assert done.counts.calls == len(following)


@each_client
def test_a_connection_that_is_reset_at_once_is_not_seen_with_retries(
    runs: Runs, client: tuple[str, str]
) -> None:
    done = runs(client, "accept with retries")
    for call in done.calls:
        check_right(call)
    assert done.counts.calls == len(done.calls)


@each_client
def test_callers_beside_each_other_never_get_a_wrong_answer(client: tuple[str, str]) -> None:
    """Calls fail here for what the server does to others on their connection, too."""
    language, mode = client
    with HostileServer(*FINAL, *SLOW, *RETRIED) as server:
        options = {"calls": 100, "callers": 8, "timeout_ms": 500, "attempts": 1}
        options |= {"pipelined": MODES[mode], "expect_sum": True, "each": True}
        probed = probe(language, [server.endpoint], **options)
    assert [call for call in probed.calls if call["ok"] and not call["correct"]] == []
    outcomes = Counter(map(outcome, probed.calls))
    known = set().union(*FINAL.values(), *RETRIED.values(), {"ConnectFailed", "CallTimedOut"})
    assert set(outcomes) <= known, outcomes
    assert outcomes["OK"] > 0
    assert outcomes["ProtocolViolation"] > 0


def test_the_hostile_server_as_a_program() -> None:
    script = Path(__file__).parents[1] / "support" / "hostile_server.py"
    command = [sys.executable, str(script), "--behaviour", "overloaded,wrong_method", "--always"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["port"]
        with (
            StockClient(("127.0.0.1", port), "compact") as calls,
            pytest.raises(ScoringError, match="not now"),
        ):
            calls.score(score_request([[1.0, 2.0]]))
        process.send_signal(signal.SIGUSR1)
        expected = {"connections": 1, "calls": 1, "misbehaved": 1}
        assert json.loads(process.stdout.readline()) == expected
        process.send_signal(signal.SIGTERM)
        assert json.loads(process.stdout.readline()) == expected
    assert process.returncode == 0
