# SPDX-License-Identifier: Apache-2.0
"""The log: structured lines to standard error that never make the server wait.

A reader of the log that stops reading must not stop an I/O thread, so lines go through a bounded
queue and a thread of their own; lines that do not fit are counted and dropped.
"""

from __future__ import annotations

import logging
import os
import sys
from collections import deque
from threading import Condition, Thread

import structlog

_LINES_MAX = 10_000
_FLUSH_TIMEOUT_S = 1.0


class LogWriter:
    """A text stream for structlog whose `write` never blocks. Thread-safe."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: deque[str] = deque()
        self._changed = Condition()
        self._dropped = 0
        self._busy = False
        self._thread = Thread(target=self._run, name="thriftscore-log", daemon=True)
        self._thread.start()

    def write(self, text: str) -> int:
        """Queues text, or drops it where the queue is full."""
        with self._changed:
            if len(self._lines) < _LINES_MAX:
                self._lines.append(text)
                self._changed.notify_all()
            else:
                self._dropped += 1
        return len(text)

    def flush(self) -> None:
        """Does nothing: the thread writes without delay."""

    def wait_until_written(self) -> None:
        """Gives the thread a moment to write what is queued: for the end of the process."""
        with self._changed:
            self._changed.wait_for(lambda: not self._lines and not self._busy, _FLUSH_TIMEOUT_S)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._lines)
                text = "".join(self._lines)
                self._lines.clear()
                if self._dropped:
                    text += f"thriftscore: {self._dropped} log lines dropped\n"
                    self._dropped = 0
                self._busy = True
            self._write_all(text.encode(errors="backslashreplace"))

    def _write_all(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError:
            return  # the reader of the log is gone; there is nobody to tell


def configure_logs(log_format: str, level: str) -> LogWriter:
    """Sends the process's structured log to standard error, as JSON or for a terminal."""
    console = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    writer = LogWriter(sys.stderr.fileno())
    renderer: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
        if console
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.WriteLoggerFactory(writer),  # type: ignore[arg-type]
        cache_logger_on_first_use=False,
    )
    return writer
