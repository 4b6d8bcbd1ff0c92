# SPDX-License-Identifier: Apache-2.0
"""Every client gets every case right from every kind of server, in every way it can speak."""

from __future__ import annotations

import itertools
import json
import subprocess
from collections import Counter

import pytest
from client_programs import CONFORMANCE, RUNNERS, check_built
from server_process import ServerProcess

CASES = CONFORMANCE / "cases.json"
CASE_VIA = {case["name"]: case["via"] for case in json.loads(CASES.read_text(encoding="utf-8"))}
RUN_TIMEOUT_S = 110

# Thrift has no THeader in Java; a goroutine that waits needs no style of its own.
TRANSPORTS = {
    "python": ("framed", "unframed", "header"),
    "java": ("framed", "unframed"),
    "go": ("framed", "unframed", "header"),
}
STYLES = {
    "python": ("sync", "pipelined", "async"),
    "java": ("sync", "pipelined", "async"),
    "go": ("sync", "pipelined"),
}
PROTOCOLS = ("binary", "compact")


def combinations(language: str) -> list[str]:
    every = itertools.product(TRANSPORTS[language], PROTOCOLS, STYLES[language])
    return ["/".join(combination) for combination in every]


def expected_lines(asked: list[str]) -> Counter[str]:
    """Cases by the generated stub have no style but the one."""
    return Counter(
        f"PASS {combination} {name}"
        for combination in asked
        for name, via in CASE_VIA.items()
        if via == "client" or combination.endswith("/sync")
    )


@pytest.mark.parametrize("language", RUNNERS)
def test_client_conforms(server: ServerProcess, language: str) -> None:
    check_built(RUNNERS[language])
    asked = combinations(language)
    host, port = server.address
    command = [*RUNNERS[language], "--cases", str(CASES), "--endpoint", f"{host}:{port}"]
    command += ["--combinations", ",".join(asked)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=RUN_TIMEOUT_S, check=False
    )
    *lines, last = done.stdout.splitlines() or [""]
    expected = expected_lines(asked)
    failures = [line for line in lines if line not in expected]
    assert failures == [], done.stderr
    assert Counter(lines) == expected
    assert last == f"{expected.total()} passed, 0 failed", done.stderr
    assert done.returncode == 0
