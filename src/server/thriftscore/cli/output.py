# SPDX-License-Identifier: Apache-2.0
"""What commands print: results on standard output, progress and errors on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

_WIDTH_WITHOUT_TERMINAL = 200

Step = Callable[[str], None]
"""Tells the user what is being done."""


def print_error(message: str) -> None:
    """`error: message` on standard error, in one line."""
    line = " ".join(message.split())
    sys.stderr.write(f"error: {line}\n")


def print_warning(message: str) -> None:
    """`warning: message` on standard error, in one line."""
    line = " ".join(message.split())
    sys.stderr.write(f"warning: {line}\n")


def print_json(value: object) -> None:
    """A value for programs, on standard output."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def _console() -> Console:
    """Standard output; wide where it is no terminal, so that programs find lines whole."""
    return Console(width=None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL)


def print_facts(title: str, facts: Mapping[str, object]) -> None:
    """Names and values, for people."""
    table = Table(title=Text(title), title_justify="left", show_header=False, box=None)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(Text(name), Text(str(value)))
    _console().print(table)


def print_rows(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table, for people."""
    table = Table(box=None, header_style="bold")
    for column in columns:
        table.add_column(Text(column), overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    _console().print(table)


@contextmanager
def progress(*, shown: bool = True) -> Iterator[Step]:
    """A line on standard error that says what is being done and for how long.

    It disappears at the end, and never appears where standard error is not a terminal.
    """
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    disable = not (shown and console.is_terminal)
    with Progress(*columns, console=console, transient=True, disable=disable) as display:
        task = display.add_task("")

        def step(description: str) -> None:
            display.update(task, description=description)

        yield step
