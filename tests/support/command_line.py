# SPDX-License-Identifier: Apache-2.0
"""The `thriftscore` command as its users run it: a process, its output and its exit status."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from warm_command import warm_command

COMMAND = [sys.executable, "-c", "from thriftscore.cli.app import main; main()"]


def environment(**variables: str) -> dict[str, str]:
    """That of the tests without settings of thriftscore, and with these variables."""
    kept = {name: value for name, value in os.environ.items() if name[:12] != "THRIFTSCORE_"}
    return kept | variables


def run(
    *arguments: str | Path, folder: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Without imports of its own, unless there are variables, which an import may read.

    `import` has its own too: the libraries that it reads models with do not survive a fork.
    """
    if variables or arguments[:1] == ("import",):
        return run_with_input(None, *arguments, **variables)
    line = [str(argument) for argument in arguments]
    with TemporaryFile() as nothing, TemporaryFile() as output, TemporaryFile() as errors:
        streams = [file.fileno() for file in (nothing, output, errors)]
        started = warm_command().start(line, environment(), folder or Path.cwd(), streams)
        status = started.wait(100)
        texts = [_content(file) for file in (output, errors)]
    return subprocess.CompletedProcess([*COMMAND, *line], status, *texts)


def _content(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


def run_with_input(
    sent: str | None, *arguments: str | Path, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Started afresh, with text on its standard input."""
    how: dict[str, Any] = {"input": sent} if sent is not None else {"stdin": subprocess.DEVNULL}
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        env=environment(**variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        **how,
    )


def assert_fails(done: subprocess.CompletedProcess[str], status: int, *said: str) -> None:
    """One line of error and nothing else."""
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    for text in said:
        assert text in done.stderr
