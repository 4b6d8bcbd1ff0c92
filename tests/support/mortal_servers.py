# SPDX-License-Identifier: Apache-2.0
"""Servers of the model "sum" that are killed and come back where they were."""

from __future__ import annotations

import itertools
import socket
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from server_process import ServerProcess, wait_until

from thriftscore.importers.native_model import NativeModel, encode
from thriftscore.importers.stages import Dense
from thriftscore.repository import Golden, NewVersion, publish


def publish_sum(repository: Path) -> None:
    """A model that answers a row of two with their sum, in float32."""
    dense = Dense(np.array([[1.0, 1.0]]), np.array([0.0]))
    model = NativeModel(("x0", "x1"), "regression", (dense,))
    rows = np.array([[0.0, 1.0], [65_535.0, 1.0]])
    golden = Golden(rows, rows.sum(axis=1, keepdims=True))
    publish(repository, "sum", NewVersion(encode(model, "fp32", "refuse"), golden))


class HeldPort:
    """A port of 127.0.0.1 for servers that come and go: it stays theirs while none listens."""

    def __init__(self) -> None:
        # Bound, never listening: a server beside it can listen, and while none does the kernel
        # gives the port to nobody, neither another server nor the near end of a connection.
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.number = int(self._socket.getsockname()[1])
        self.endpoint = f"127.0.0.1:{self.number}"

    def __enter__(self) -> HeldPort:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


class MortalServer:
    """A server process that can be killed, and comes back on its port."""

    def __init__(self, repository: Path, folder: Path, port: HeldPort) -> None:
        self._repository, self._folder, self._port = repository, folder, port
        self._lives = itertools.count()
        self._start()

    def _start(self) -> None:
        folder = self._folder / str(next(self._lives))
        self._process = ServerProcess(self._repository, folder, io="native", port=self._port.number)

    def __enter__(self) -> MortalServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()

    def kill_and_restart(self) -> None:
        """Returns when the server serves again."""
        self._process.kill()
        self._start()


def kill_in_turn(
    servers: list[MortalServer], while_true: Callable[[], bool], period_s: float
) -> int:
    """Kills one every `period_s`, or later where the last one takes longer to come back.

    So one of two always serves. Returns how many were killed until `while_true` was no more.
    """
    kills = 0
    due = time.monotonic() + period_s
    while _wait_until_due(due, while_true):
        due = time.monotonic() + period_s
        servers[kills % len(servers)].kill_and_restart()
        kills += 1
    return kills


def _wait_until_due(due: float, while_true: Callable[[], bool]) -> bool:
    """False where `while_true` is no more before."""
    wait_until(lambda: time.monotonic() >= due or not while_true(), "the next kill is due")
    return while_true()
