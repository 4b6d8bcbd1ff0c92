# SPDX-License-Identifier: Apache-2.0
"""A `thriftscore serve` process on free ports of 127.0.0.1."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from thrift_wire import RawConnection, StockClient
from warm_command import Forked, warm_command

IO_MODES = ("native", "python")
# For tests that are about one way to serve the data port by nature.
native_only = pytest.mark.parametrize("io_mode", ["native"], indirect=True, scope="session")
python_only = pytest.mark.parametrize("io_mode", ["python"], indirect=True, scope="session")

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 20.0
THRIFTSCORE = [str(Path(sys.executable).with_name("thriftscore"))]


def wait_until(condition: Callable[[], Any], what: str, timeout_s: float = 10.0) -> Any:
    """The first true value of `condition`; AssertionError with `what` at the timeout."""
    pause = threading.Event()
    for _ in range(int(timeout_s / 0.01)):
        if value := condition():
            return value
        pause.wait(0.01)
    raise AssertionError(f"not within {timeout_s} s: {what}")


def start_afresh(variables: Mapping[str, str], log: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([*THRIFTSCORE, "serve"], env=variables, stdout=log, stderr=log)


def start_warm(variables: Mapping[str, str], log: int) -> Forked:
    with Path(os.devnull).open("rb") as nothing:
        streams = (nothing.fileno(), log, log)
        return warm_command().start(["serve"], variables, Path.cwd(), streams)


class ServerProcess:
    """Started by its constructor, ready when that returns; `settings` are set by environment."""

    def __init__(
        self, repository: Path, folder: Path, *, afresh: bool = False, **settings: Any
    ) -> None:
        """`afresh`: with imports of its own, as its users' are."""
        folder.mkdir(parents=True, exist_ok=True)
        self.ready_file, self.log = folder / "ready.json", folder / "server.log"
        options = {"host": "127.0.0.1", "port": 0, "admin_port": 0, "log_format": "json"}
        options |= {"repository": repository, "ready_file": self.ready_file} | settings
        variables = {f"THRIFTSCORE_{key.upper()}": str(value) for key, value in options.items()}
        start = start_afresh if afresh else start_warm
        with self.log.open("wb") as output:
            self.process = start(os.environ | variables, output.fileno())
        try:
            wait_until(self._is_ready, "the server is ready", START_TIMEOUT_S)
        except AssertionError:
            self.kill()
            raise
        ports = json.loads(self.ready_file.read_text())
        self.address = ("127.0.0.1", int(ports["port"]))
        self.admin_address = ("127.0.0.1", int(ports["admin_port"]))

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, f"the server ended:\n{self.log.read_text()}"
        return self.ready_file.exists()

    def client(self, protocol: str = "binary", **how: Any) -> StockClient:
        return StockClient(self.address, protocol, **how)

    def admin(self, protocol: str = "binary") -> StockClient:
        return StockClient(self.admin_address, protocol, admin=True)

    def connect(self, timeout_s: float = 10.0) -> RawConnection:
        return RawConnection(self.address, timeout_s)

    def events(self, name: str) -> list[dict[str, Any]]:
        """The lines of the log with this event."""
        complete = self.log.read_text().rpartition("\n")[0]
        lines = [json.loads(line) for line in complete.splitlines()]
        return [line for line in lines if line["event"] == name]

    def closed(self, reason: str) -> bool:
        """Whether the log says that a connection was closed for this reason."""
        return any(event["reason"] == reason for event in self.events("connection_closed"))

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        return self.process.wait(STOP_TIMEOUT_S)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def open_files(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def page_faults(self) -> int:
        """How often the process has been given a page of memory."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[7])  # minflt, the tenth of all

    def memory_bytes(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) * 1024
