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
from io import TextIOBase
from threading import Condition, Thread

import structlog

LOGGER_NAME = "thriftscore"

_LINES_MAX = 10_000
_FLUSH_TIMEOUT_S = 1.0


class LogWriter(TextIOBase):
    """A text stream whose `write` never blocks. Thread-safe."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
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


def get_logger() -> structlog.stdlib.BoundLogger:
    """The log of the server: the standard logger "thriftscore", with structured events.

    A program that embeds a server decides by the means of `logging` what becomes of it.
    """
    logger: structlog.stdlib.BoundLogger = structlog.wrap_logger(
        logging.getLogger(LOGGER_NAME),
        wrapper_class=structlog.stdlib.BoundLogger,
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
    )
    return logger


def configure_logs(log_format: str, level: str) -> LogWriter:
    """Sends the log of this process to standard error, as JSON or for a terminal."""
    terminal = sys.stderr.isatty()
    console = log_format == "console" or (log_format == "auto" and terminal)
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(
            colors=terminal, exception_formatter=structlog.dev.plain_traceback
        )
        if console
        else structlog.processors.JSONRenderer()
    )
    writer = LogWriter(sys.stderr.fileno())
    handler = logging.StreamHandler(writer)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.format_exc_info,
            ],
        )
    )
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)  # of libraries
    logging.getLogger(LOGGER_NAME).setLevel(level.upper())
    return writer
