# SPDX-License-Identifier: Apache-2.0
"""Every client gets every case right from the server, in every protocol it speaks."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
CASES = FOLDER / "cases.json"
CASE_COUNT = len(json.loads(CASES.read_text(encoding="utf-8")))
START_TIMEOUT_S = 30
RUN_TIMEOUT_S = 100

JAVA_RUNNER = ROOT / "clients/java/target/conformance-runner.jar"
GO_RUNNER = ROOT / "clients/go/bin/conformance"
RUNNERS = {
    "python": [sys.executable, str(FOLDER / "runner.py")],
    "java": ["java", "-jar", str(JAVA_RUNNER)],
    "go": [str(GO_RUNNER)],
}
BUILT_BY_MAKE = {"java": JAVA_RUNNER, "go": GO_RUNNER}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("conformance") / "repository"
    subprocess.run([sys.executable, str(FOLDER / "models.py"), str(directory)], check=True)
    return directory


@pytest.fixture(scope="module", params=["python"])
def endpoint(
    request: pytest.FixtureRequest, repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A server with this kind of I/O; where it listens."""
    folder = tmp_path_factory.mktemp("server")
    ready_file, log = folder / "ready.json", folder / "server.log"
    thriftscore = str(Path(sys.executable).with_name("thriftscore"))
    command = [thriftscore, "serve", "--repository", str(repository), "--io", request.param]
    command += ["--port", "0", "--admin-port", "0", "--ready-file", str(ready_file)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        yield f"127.0.0.1:{port_of(process, ready_file, log)}"
    finally:
        process.terminate()
        process.wait(START_TIMEOUT_S)


def port_of(process: subprocess.Popen[bytes], ready_file: Path, log: Path) -> int:
    pause = threading.Event()
    for _ in range(START_TIMEOUT_S * 50):
        if ready_file.exists():
            return int(json.loads(ready_file.read_text())["port"])
        assert process.poll() is None, f"the server ended:\n{log.read_text()}"
        pause.wait(0.02)
    raise AssertionError(f"the server did not become ready:\n{log.read_text()}")


@pytest.mark.parametrize("protocol", ["binary", "compact"])
@pytest.mark.parametrize("language", RUNNERS)
def test_client_conforms(endpoint: str, language: str, protocol: str) -> None:
    built = BUILT_BY_MAKE.get(language)
    assert built is None or built.is_file(), (
        f"{built} is not there: build it with `make build/stamps/{language}`"
    )
    command = [*RUNNERS[language], "--cases", str(CASES), "--endpoint", endpoint]
    command += ["--protocol", protocol]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=RUN_TIMEOUT_S, check=False
    )
    lines = done.stdout.splitlines()
    failures = [line for line in lines if not line.startswith("PASS ")]
    assert failures == [f"{CASE_COUNT} passed, 0 failed"], done.stderr
    assert len(lines) == CASE_COUNT + 1
    assert done.returncode == 0
