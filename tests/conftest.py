# SPDX-License-Identifier: Apache-2.0
"""Fixtures that tests share: a repository of small models, and servers that serve it.

A test that asks for `server`, `start_server` or `io_mode` runs with the data port in C++ and in
Python. One that is about one of them by nature says so with `native_only` or `python_only`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parent
sys.path[:0] = [str(TESTS), str(TESTS / "support")]

# These are found through the lines above.
from server_process import IO_MODES, ServerProcess  # noqa: E402
from small_models import regression  # noqa: E402

from thriftscore.repository import publish  # noqa: E402


@pytest.fixture(scope="session")
def models_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The conformance models as a repository. Only to be read."""
    directory = tmp_path_factory.mktemp("models") / "repository"
    script = TESTS / "conformance" / "models.py"
    subprocess.run([sys.executable, str(script), str(directory)], check=True)
    return directory


@pytest.fixture
def publish_regression() -> Callable[[Path, str, int], None]:
    """Publishes a regression that answers (1, 0) with the number of its version."""

    def publish_version(repository: Path, name: str, version: int) -> None:
        assert publish(repository, name, regression(float(version)), version) == version

    return publish_version


@pytest.fixture(scope="session", params=IO_MODES)
def io_mode(request: pytest.FixtureRequest) -> str:
    """Who owns the sockets of the data port."""
    return str(request.param)


@pytest.fixture(scope="session")
def servers(
    models_repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], ServerProcess]]:
    """The server of each kind, which is started when it is first asked for."""
    running: dict[str, ServerProcess] = {}

    def of(kind: str) -> ServerProcess:
        if kind not in running:
            folder = tmp_path_factory.mktemp("server")
            running[kind] = ServerProcess(models_repository, folder, afresh=True, io=kind)
        return running[kind]

    yield of
    for process in running.values():
        process.terminate()
        assert process.wait() == 0


@pytest.fixture(scope="session")
def server(io_mode: str, servers: Callable[[str], ServerProcess]) -> ServerProcess:
    """A server with default settings. Nobody may stop it or change its repository."""
    return servers(io_mode)


@pytest.fixture
def start_server(
    io_mode: str, models_repository: Path, tmp_path: Path
) -> Iterator[Callable[..., ServerProcess]]:
    """Starts servers with settings of the test; those that still run at its end are killed."""
    processes: list[ServerProcess] = []

    def start(repository: Path = models_repository, **settings: Any) -> ServerProcess:
        folder = tmp_path / f"server{len(processes)}"
        process = ServerProcess(repository, folder, **{"io": io_mode} | settings)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
