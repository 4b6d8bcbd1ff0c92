# SPDX-License-Identifier: Apache-2.0
"""Processes of the `thriftscore` command whose imports are paid once.

A process that has imported the command forks for each command line. What runs is the command's
own `main`, in a process with the caller's arguments, environment, folder and streams, which ends
with an exit status. It differs from one that is started afresh in one thing: what is read from
the environment while modules are imported was read before.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_REQUEST_BYTES_MAX = 1 << 18
_STATUS = struct.Struct("i")
_MODULES = (
    *(f"thriftscore.cli.{name}" for name in ("bench", "health", "models", "score", "version")),
    "thriftscore.cli.app",
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

    def run(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        streams: Sequence[int],
    ) -> int:
        """The exit status of a command line; `streams` are its standard streams' descriptors."""
        asked = {"arguments": arguments, "environment": dict(environment), "folder": str(folder)}
        ours, theirs = os.pipe()
        with os.fdopen(ours, "rb") as statuses:
            socket.send_fds(self._requests, [json.dumps(asked).encode()], [*streams, theirs])
            os.close(theirs)
            return int(_STATUS.unpack(statuses.read(_STATUS.size))[0])

    def close(self) -> None:
        """Ends it; what it has forked runs on."""
        self._requests.close()
        self._process.wait()


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
            *streams, statuses = descriptors
            _wait_in_parent(statuses)
            _become(json.loads(asked), streams)
            return
        for descriptor in descriptors:
            os.close(descriptor)


def _wait_in_parent(statuses: int) -> None:
    """Returns in a child; this process hands its exit status on and ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        os.write(statuses, _STATUS.pack(os.waitstatus_to_exitcode(status)))
        os._exit(0)
    os.close(statuses)


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
