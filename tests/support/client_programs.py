# SPDX-License-Identifier: Apache-2.0
"""The programs by which every client is tried: its conformance runner and its probe."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CONFORMANCE = ROOT / "tests/conformance"
JAVA_PROGRAMS = ROOT / "clients/java/target/conformance-runner.jar"
GO_PROGRAMS = ROOT / "clients/go/bin"
BUILT_BY_MAKE = {JAVA_PROGRAMS.parent: "java", GO_PROGRAMS: "go"}

# Short runs, for which the second compiler of the JVM costs more than it gains.
JAVA = ["java", "-XX:TieredStopAtLevel=1"]
RUNNERS = {
    "python": [sys.executable, str(CONFORMANCE / "runner.py")],
    "java": [*JAVA, "-jar", str(JAVA_PROGRAMS)],
    "go": [str(GO_PROGRAMS / "conformance")],
}
PROBES = {
    "python": [sys.executable, str(CONFORMANCE / "probe.py")],
    # Takes the short way of the compiled part where it can.
    "python_express": [sys.executable, str(CONFORMANCE / "probe.py"), "--unobserved"],
    "java": [*JAVA, "-cp", str(JAVA_PROGRAMS), "io.thriftscore.conformance.Probe"],
    "go": [str(GO_PROGRAMS / "probe")],
}
LANGUAGES = tuple(RUNNERS)
# Values of the probe's option --pipelined.
MODES = {"pipelined": "1", "one_call_per_connection": "0"}


def check_built(command: Sequence[str]) -> None:
    """AssertionError where a program of this command must be built first."""
    for folder, language in BUILT_BY_MAKE.items():
        for part in map(Path, command):
            assert part.is_file() or not part.is_relative_to(folder), (
                f"{part} is not there: build it with `make build/stamps/{language}`"
            )


@dataclass(frozen=True)
class Probed:
    """What a probe printed: a line for each call if it was asked for them, and the summary."""

    calls: list[dict[str, Any]]
    summary: dict[str, Any]


class Probe:
    """A probe of one language that runs against `endpoints`; options as of its command line.

    With `nice` it leaves the processor to processes without.
    """

    def __init__(
        self, language: str, endpoints: Sequence[str], *, nice: int = 0, **options: Any
    ) -> None:
        command = ["nice", "-n", str(nice)]
        command += [*PROBES[language], "--endpoints", ",".join(endpoints), "--model", "sum"]
        for name, value in options.items():
            command.append(f"--{name.replace('_', '-')}")
            command += [] if value is True else [str(value)]
        check_built(command)
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Probe:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    def result(self, timeout_s: float = 60.0) -> Probed:
        """Waits for the end of the probe."""
        output, errors = self._process.communicate(timeout=timeout_s)
        assert self._process.returncode == 0, f"{output}\n{errors}"
        *calls, summary = map(json.loads, output.splitlines())
        return Probed(calls, summary)


def probe(language: str, endpoints: Sequence[str], **options: Any) -> Probed:
    """A probe from its start to its end."""
    with Probe(language, endpoints, **options) as running:
        return running.result()
