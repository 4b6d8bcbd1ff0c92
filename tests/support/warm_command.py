# SPDX-License-Identifier: Apache-2.0
"""Processes of the `thriftscore` command whose imports are paid once.

A process that has imported the command forks for each command line. What runs is the command's
own `main`, in a process with the caller's arguments, environment, folder and streams, which ends
with an exit status. It differs from one that is started afresh in one thing: what is read from
the environment while modules are imported was read before.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_REQUEST_BYTES_MAX = 1 << 18
_NUMBER = struct.Struct("i")
_MODULES = (
    *(f"thriftscore.cli.{name}" for name in ("bench", "health", "models", "score", "serve")),
    *("thriftscore.cli.app", "thriftscore.cli.version", "thriftscore.serving.process"),
    "pyarrow.parquet",
)


class WarmCommand:
    """The process that forks. Thread-safe."""

    def __init__(self) -> None:
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )

    def start(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        streams: Sequence[int],
    ) -> Forked:
        """Runs a command line; `streams` are the descriptors of its standard streams."""
        asked = {"arguments": arguments, "environment": dict(environment), "folder": str(folder)}
        ours, theirs = os.pipe()
        socket.send_fds(self._requests, [json.dumps(asked).encode()], [*streams, theirs])
        os.close(theirs)
        return Forked(ours)

    def close(self) -> None:
        """Ends it; what it has forked runs on."""
        self._requests.close()
        self._process.wait()


class Forked:
    """A process that runs a command line, in the terms of subprocess.Popen. Not thread-safe."""

    def __init__(self, news: int) -> None:
        """`news` is a descriptor that says the process's number and then its exit status."""
        self._news = os.fdopen(news, "rb", buffering=0)
        self.pid = self._next()
        self.returncode: int | None = None

    def _next(self) -> int:
        return int(_NUMBER.unpack(self._news.read(_NUMBER.size))[0])

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, negative for a signal. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            if not select.select([self._news], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
            self.returncode = self._next()
            self._news.close()
        return self.returncode

    def poll(self) -> int | None:
        """The exit status, or None while it runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def send_signal(self, number: int) -> None:
        """Does nothing once the process has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Ends it at once."""
        self.send_signal(signal.SIGKILL)


@functools.cache
def warm_command() -> WarmCommand:
    """The one of this process."""
    command = WarmCommand()
    atexit.register(command.close)
    return command


def _fork_for_each(requests: socket.socket) -> None:
    """Returns in every process that is to run a command line, and where no more will come."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # those who wait are not waited for
    while True:
        asked, descriptors, _, _ = socket.recv_fds(requests, _REQUEST_BYTES_MAX, 4)
        if not asked:
            sys.exit()
        if os.fork() == 0:
            requests.close()
            *streams, news = descriptors
            _wait_in_parent(news)
            _become(json.loads(asked), streams)
            return
        for descriptor in descriptors:
            os.close(descriptor)


def _wait_in_parent(news: int) -> None:
    """Returns in a child; this process tells its number and its exit status, and ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child:
        os.write(news, _NUMBER.pack(child))
        _, status = os.waitpid(child, 0)
        os.write(news, _NUMBER.pack(os.waitstatus_to_exitcode(status)))
        os._exit(0)
    os.close(news)


def _become(asked: Mapping[str, object], streams: Sequence[int]) -> None:
    """Takes over what belongs to a command line of its own."""
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(str(asked["folder"]))
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.argv = ["thriftscore", *asked["arguments"]]


if __name__ == "__main__":
    for module in _MODULES:
        importlib.import_module(module)
    gc.freeze()  # what was imported is neither copied nor collected by those who end soon
    _fork_for_each(socket.socket(fileno=int(sys.argv[1])))
    sys.modules["thriftscore.cli.app"].main()
