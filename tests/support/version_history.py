# SPDX-License-Identifier: Apache-2.0
"""Checks that each reply is of a version that was current while the request was under way."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from server_process import ServerProcess

from thriftscore._generated.ttypes import DataType, ScoreRequest

ROWS = 16
FEATURES = np.tile([1.0, 0.0], (ROWS, 1)).tobytes()


class VersionHistory:
    """The versions that one writer made current, one after the other; read by many threads."""

    def __init__(self, first: int) -> None:
        self._begun = [first]
        self._acknowledged = 0

    def switch(self, version: int, act: Callable[[], object]) -> None:
        """`act` makes `version` current; from its return on no earlier one may be seen."""
        self._begun.append(version)
        act()
        self._acknowledged = len(self._begun) - 1

    @property
    def switches(self) -> int:
        return self._acknowledged

    def begin(self) -> int:
        """To be taken before a request is sent, and given to `possible` after its reply."""
        return self._acknowledged

    def possible(self, begun_at: int) -> list[int]:
        return self._begun[begun_at:]


class CheckingClients:
    """Threads with a connection each that score and check until the block ends.

    The model is a regression whose score for (1, 0) is the number of its version.
    """

    def __init__(
        self, served: ServerProcess, history: VersionHistory, target: str, count: int = 16
    ) -> None:
        self.replies = 0
        self.wrong: list[Any] = []
        self._served, self._history, self._target = served, history, target
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run) for _ in range(count)]

    def __enter__(self) -> CheckingClients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        count, wrong = 0, []
        request = ScoreRequest("m", self._target, FEATURES, DataType.FP64)
        try:
            with self._served.client() as calls:
                while not self._stop.is_set():
                    begun_at = self._history.begin()
                    reply = calls.score(request)
                    version = int(reply.model_version)
                    scores = np.frombuffer(reply.scores)
                    if version not in self._history.possible(begun_at):
                        wrong.append(("not current", version, begun_at))
                    if len(scores) != ROWS or set(scores) != {float(version)}:
                        wrong.append(("of another version", version, set(scores)))
                    count += 1
        except Exception as error:
            wrong.append(("error", repr(error)))
        with self._lock:
            self.replies += count
            self.wrong += wrong
