# SPDX-License-Identifier: Apache-2.0
"""Publishes again and again, dying a system call later each time; the argument is a repository.

Each time a child publishes a version whose score is its number, and labels it, while this process
traces it and kills it with SIGKILL after its first, second, third, ... system call. What a server
then finds is printed as a line of JSON; the last line is that of a child that lived. Linux only.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
from small_models import regression

from thriftscore.repository import Registry, publish, set_published_label

CALLS_MAX = 1_000
TRACE_ME, TRACE_SYSCALL = 0, 24
_libc = ctypes.CDLL(None, use_errno=True)


def trace(request: int, process: int) -> None:
    if _libc.ptrace(request, process, None, None) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")


def publish_traced(repository: Path) -> None:
    """The child: stops itself where the counting begins."""
    versions = sum(path.name.isdecimal() for path in (repository / "m").glob("*"))
    new = regression(float(versions + 1))
    trace(TRACE_ME, 0)
    os.kill(os.getpid(), signal.SIGSTOP)
    version = publish(repository, "m", new)
    set_published_label(repository, "m", "stable", version)


def lives(repository: Path, calls: int) -> bool:
    """Whether a child that may make so many system calls is done by then."""
    child = os.fork()
    if child == 0:
        publish_traced(repository)
        os._exit(0)
    os.waitpid(child, 0)
    for _ in range(2 * calls):  # it stops at the beginning and at the end of each
        trace(TRACE_SYSCALL, child)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            return True
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def found(repository: Path) -> dict[str, object]:
    """What a server would serve."""
    registry = Registry(repository)
    statuses = registry.load_all()
    scores = {
        served.version: float(served.model.score(np.array([[1.0, 0.0]]))[0, 0])
        for served in registry.served("m")
    }
    return {
        "states": {status.version: status.state.name for status in statuses},
        "scores": scores,
        "labels": registry.labels("m").versions,
        "hidden": [path.name for path in (repository / "m").glob(".*")],
    }


def main(repository: Path) -> None:
    for calls in range(1, CALLS_MAX):
        done = lives(repository, calls)
        print(json.dumps({"calls": calls, "lived": done, **found(repository)}), flush=True)
        if done:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
