# SPDX-License-Identifier: Apache-2.0
"""Every client gets every case right from every kind of server, in every protocol it speaks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from server_process import ServerProcess

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
CASES = FOLDER / "cases.json"
CASE_COUNT = len(json.loads(CASES.read_text(encoding="utf-8")))
RUN_TIMEOUT_S = 100

JAVA_RUNNER = ROOT / "clients/java/target/conformance-runner.jar"
GO_RUNNER = ROOT / "clients/go/bin/conformance"
RUNNERS = {
    "python": [sys.executable, str(FOLDER / "runner.py")],
    "java": ["java", "-jar", str(JAVA_RUNNER)],
    "go": [str(GO_RUNNER)],
}
BUILT_BY_MAKE = {"java": JAVA_RUNNER, "go": GO_RUNNER}


@pytest.mark.parametrize("protocol", ["binary", "compact"])
@pytest.mark.parametrize("language", RUNNERS)
def test_client_conforms(server: ServerProcess, language: str, protocol: str) -> None:
    built = BUILT_BY_MAKE.get(language)
    assert built is None or built.is_file(), (
        f"{built} is not there: build it with `make build/stamps/{language}`"
    )
    host, port = server.address
    command = [*RUNNERS[language], "--cases", str(CASES), "--endpoint", f"{host}:{port}"]
    command += ["--protocol", protocol]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=RUN_TIMEOUT_S, check=False
    )
    lines = done.stdout.splitlines()
    failures = [line for line in lines if not line.startswith("PASS ")]
    assert failures == [f"{CASE_COUNT} passed, 0 failed"], done.stderr
    assert len(lines) == CASE_COUNT + 1
    assert done.returncode == 0
