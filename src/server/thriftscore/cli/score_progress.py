# SPDX-License-Identifier: Apache-2.0
"""How far scoring has come, on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

Advance = Callable[[int, int], None]
"""Told the rows done, and the position in the input."""


@contextmanager
def progress_bar(total: int | None, *, shown: bool) -> Iterator[Advance]:
    """A bar that disappears at the end and never appears where standard error is no terminal.

    `total` is the last position; without one the bar only moves.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("scoring"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]:,} rows, {task.fields[rows_per_s]:,.0f} rows/s"),
        TimeElapsedColumn(),
    )
    disable = not (shown and console.is_terminal)
    with Progress(*columns, console=console, transient=True, disable=disable) as display:
        task = display.add_task("", total=total, rows=0, rows_per_s=0.0)

        def advance(rows: int, position: int) -> None:
            elapsed_s = display.tasks[0].elapsed or 0.0
            rows_per_s = rows / elapsed_s if elapsed_s else 0.0
            display.update(task, completed=position, rows=rows, rows_per_s=rows_per_s)

        yield advance
