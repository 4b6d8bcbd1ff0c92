# SPDX-License-Identifier: Apache-2.0
"""Servers under measurement: processes on one processor, with what they cost."""

from __future__ import annotations

import json
import select
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import psutil

SERVER_CPU = 0
LOAD_CPU = 1
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 5.0
_LOOK_S = 0.02


class StartError(Exception):
    """A server that did not say within the time that it serves."""


class ServerProcess:
    """A process, and all that it started, on the servers' processor. Ends with the `with` block."""

    def __init__(self, words: Sequence[str], log: Path, ready_file: Path | None = None) -> None:
        """`words` start a program that says {"port": …} once it serves, to its output or a file."""
        self._log, self._ready_file = log, ready_file
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                ["taskset", "-c", str(SERVER_CPU), *words],
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        try:
            self.port = self._announced_port()
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _announced_port(self) -> int:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not (line := self._announcement()):
            if self._process.poll() is not None or time.monotonic() > deadline:
                reason = self._log.read_text(errors="replace").strip().rpartition("\n")[2]
                raise StartError(reason or f"it did not serve within {START_TIMEOUT_S:g} s")
        return int(json.loads(line)["port"])

    def _announcement(self) -> bytes:
        """What it has said by now; waits a little for more."""
        if self._ready_file is not None:
            time.sleep(_LOOK_S)
            return self._ready_file.read_bytes() if self._ready_file.exists() else b""
        output = self._process.stdout
        assert output is not None
        ready, _, _ = select.select([output], [], [], _LOOK_S)
        return output.readline() if ready else b""

    def _family(self) -> list[psutil.Process]:
        leader = psutil.Process(self._process.pid)
        return [leader, *leader.children(recursive=True)]

    def cpu_s(self) -> float:
        """Processor time so far, user and system, of all its processes."""
        times = [process.cpu_times() for process in self._family()]
        return float(sum(time.user + time.system for time in times))

    def forget_peak(self) -> None:
        """Lets peak_mib count from now on (Linux)."""
        for process in self._family():
            Path(f"/proc/{process.pid}/clear_refs").write_text("5")

    def peak_mib(self) -> float:
        """The most memory that was resident since forget_peak, of all its processes, in MiB."""
        return sum(_high_water_kib(process.pid) for process in self._family()) / 1024

    def stop(self) -> None:
        """Asks it to end, and ends what is left of it."""
        family = self._family() if self._process.poll() is None else []
        self._process.terminate()
        _, alive = psutil.wait_procs(family, STOP_TIMEOUT_S)
        for process in alive:
            process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def _high_water_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
