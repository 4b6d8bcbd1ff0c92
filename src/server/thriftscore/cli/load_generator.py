# SPDX-License-Identifier: Apache-2.0
"""The programs behind `thriftscore bench`: the load generator and the echo server.

Both are C++ and installed beside the native module. What their options mean and allow is checked
by them; a refusal comes back as ConfigurationError.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from thriftscore import _native
from thriftscore.errors import ConfigurationError, ThriftscoreError, Unavailable

Options = Mapping[str, object]
"""Options of a program by name, such as {"depth": 4}. None and False are left out."""

Progress = Callable[[Mapping[str, Any]], None]
"""Told `measured_s` and `requests` so far, and their `latency_us`, None while there is none."""

_USAGE = 2
_STOP_TIMEOUT_S = 10.0


def program(name: str) -> Path:
    """Where a program of this package is."""
    path = Path(_native.__file__).parent / "bin" / name
    if not path.is_file():
        raise Unavailable(f"{path} is missing; install thriftscore again")
    return path


def arguments(options: Options) -> list[str]:
    """Options as a command line; a sequence becomes one option for each of its items."""
    line: list[str] = []
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            line.append(flag)
        elif isinstance(value, list | tuple):
            line += [f"{flag}={item}" for item in value]
        elif value is not None and value is not False:
            line.append(f"{flag}={value}")
    return line


def run_load(options: Options, progress: Progress | None = None) -> dict[str, Any]:
    """Run the load generator to its end and return its results, whatever they are.

    Raises ConfigurationError for options it refuses, ThriftscoreError where it could not run.
    """
    line = arguments({**options, "json": True, "progress": progress is not None})
    process = subprocess.Popen(
        [program("thriftscore_load"), *line],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        complaint = _follow(process, progress)
        return _results(process, complaint)
    finally:
        process.kill()
        process.wait()


def _follow(process: subprocess.Popen[str], progress: Progress | None) -> str:
    """Pass on progress until the program is silent; return its last other line."""
    assert process.stderr is not None
    complaint = ""
    with process.stderr as lines:
        for line in lines:
            if line.startswith("{") and progress is not None:
                progress(json.loads(line))
            else:
                complaint = line.strip()
    return complaint


def _results(process: subprocess.Popen[str], complaint: str) -> dict[str, Any]:
    assert process.stdout is not None
    with process.stdout as output:
        text = output.read()
    status = process.wait()
    if text:
        results: dict[str, Any] = json.loads(text)
        return results
    message = complaint.removeprefix("error: ") or f"the load generator ended with status {status}"
    raise ConfigurationError(message) if status == _USAGE else ThriftscoreError(message)


@contextmanager
def echo_server(options: Options, *, unix: bool = False) -> Iterator[str]:
    """An echo server while the context lasts; gives its endpoint."""
    with tempfile.TemporaryDirectory(prefix="thriftscore-echo-") as folder:
        path = Path(folder) / "socket" if unix else None
        line = arguments({**options, "unix_socket": path})
        process = subprocess.Popen(
            [program("thriftscore_echo"), *line],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            port = _started(process)
            yield f"unix:{path}" if unix else f"127.0.0.1:{port}"
        finally:
            process.terminate()
            _stop(process)


def _started(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    if line := process.stdout.readline():
        return int(json.loads(line)["port"])
    _, errors = process.communicate()
    message = errors.strip().removeprefix("error: ")
    status = process.returncode
    raise ConfigurationError(message) if status == _USAGE else ThriftscoreError(message)


def _stop(process: subprocess.Popen[str]) -> None:
    """Wait until the process has ended, and end it where it does not."""
    killer = threading.Timer(_STOP_TIMEOUT_S, process.kill)
    killer.start()
    process.communicate()
    killer.cancel()


def failed(results: Mapping[str, Any]) -> Sequence[str]:
    """Why the results are not those of a healthy run; nothing where they are."""
    reasons = {
        _why_none_succeeded(results): results["requests"] == 0,
        f"{results['mismatches']} replies did not match their requests": results["mismatches"],
        f"{results['lost_connections']} connections were lost": results["lost_connections"],
        "requests were left unanswered": "UNANSWERED" in results["failures"],
    }
    return [reason for reason, holds in reasons.items() if holds]


def _why_none_succeeded(results: Mapping[str, Any]) -> str:
    """A reply to a request that was due before it was measured is answered, but not measured."""
    if not results["unsent"] or results["failures"]:
        return "no request succeeded"
    return (
        f"the load is never on time: {results['rate']:,.0f} requests/s were due,"
        f" {results['requests_per_s']:,.0f} answered, and {results['unsent']:,} requests not sent,"
        " so that no latency was measured; lower --rate, or raise --connections or --depth"
    )
