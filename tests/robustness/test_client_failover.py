# SPDX-License-Identifier: Apache-2.0
"""Applications do not notice that a server dies, and do not overwhelm servers that refuse.

FAILOVER_SECONDS (12) is how long servers are killed for, and
FAILOVER_LANGUAGES (all, with commas) whose clients are there.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import pytest
from client_programs import LANGUAGES, Probe, probe
from hostile_server import ON_ACCEPT, HostileServer
from mortal_servers import HeldPort, MortalServer, kill_in_turn, publish_sum
from server_process import wait_until

SECONDS = int(os.environ.get("FAILOVER_SECONDS", "12"))
CLIENTS = os.environ.get("FAILOVER_LANGUAGES", ",".join(LANGUAGES)).split(",")
KILL_PERIOD_S = 2.0
CALLERS = 4
# Far from what a call takes: the machine is busy with starting servers, and a call that was cut
# off must succeed because it is made again, not because it is quick.
TIMEOUT_MS = 10_000
# Some before a server is out of service, and some when it is tried again: after 0.1 s, 0.2 s ...
FAILURES_TO_BE_LEFT_ALONE = 5
# So that servers are back before the next kill.
NICE = 10
REFUSED_CALLS = 500


def test_no_call_fails_while_servers_are_killed_and_restarted(tmp_path: Path) -> None:
    publish_sum(tmp_path / "repository")
    with ExitStack() as stack:
        ports = [stack.enter_context(HeldPort()) for _ in range(2)]
        servers = [
            stack.enter_context(
                MortalServer(tmp_path / "repository", tmp_path / str(port.number), port)
            )
            for port in ports
        ]
        endpoints = [port.endpoint for port in ports]
        options = {"callers": CALLERS, "timeout_ms": TIMEOUT_MS, "expect_sum": True}
        probes = [
            stack.enter_context(Probe(language, endpoints, nice=NICE, seconds=SECONDS, **options))
            for language in CLIENTS
        ]
        kills = kill_in_turn(servers, lambda: any(one.runs for one in probes), KILL_PERIOD_S)
        summaries = {
            language: one.result().summary for language, one in zip(CLIENTS, probes, strict=True)
        }
    print(f"{kills} kills in {SECONDS} s: {summaries}")
    for language, summary in summaries.items():
        assert summary["failed"] == summary["wrong"] == 0, (language, summary)
        assert summary["ok"] == summary["calls"] > 100, (language, summary)
    assert kills >= 2
    assert sum(one["attempts"] - one["calls"] for one in summaries.values()) > 0, "none was hit"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_server_that_is_left_is_used_though_it_was_out_of_service(language: str) -> None:
    """One fails for so long that clients leave it alone; it is good again when the other dies."""
    with HeldPort() as first, HeldPort() as second, ExitStack() as stack:
        good = stack.enter_context(HostileServer("right", port=first.number))
        bad = stack.enter_context(HostileServer(ON_ACCEPT, always=True, port=second.number))
        options = {"callers": CALLERS, "timeout_ms": TIMEOUT_MS, "expect_sum": True}
        endpoints = [first.endpoint, second.endpoint]
        running = stack.enter_context(Probe(language, endpoints, seconds=4, **options))
        wait_until(lambda: bad.counts.connections >= FAILURES_TO_BE_LEFT_ALONE, "failures")
        bad.close()
        returned = stack.enter_context(HostileServer("right", port=second.number))
        # Those that have met the bad server have got their answers by then.
        answered = good.counts.calls
        wait_until(lambda: good.counts.calls > answered + 4 * CALLERS, "calls of the good server")
        good.close()
        summary = running.result().summary
    assert summary["failed"] == summary["wrong"] == 0, summary
    assert returned.counts.calls > 0


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("refusal", "outcome"),
    [
        ("overloaded", "OVERLOADED"),
        ("unavailable", "UNAVAILABLE"),
        ("reset_after_request", "ConnectionLost"),
    ],
)
def test_servers_that_all_refuse_get_little_more_than_the_calls(
    language: str, refusal: str, outcome: str
) -> None:
    with HostileServer(refusal, always=True) as one, HostileServer(refusal, always=True) as other:
        options = {"calls": REFUSED_CALLS, "callers": CALLERS}
        summary = probe(language, [one.endpoint, other.endpoint], **options).summary
        attempts = one.counts.calls + other.counts.calls
    assert summary["calls"] == summary["failed"], summary
    assert outcome in str(summary["outcomes"]), summary
    # A reset takes with it the calls behind it on the connection, before the server reads them.
    assert attempts <= summary["attempts"], summary
    assert summary["calls"] < summary["attempts"] <= 1.2 * summary["calls"], summary
