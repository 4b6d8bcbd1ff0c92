# SPDX-License-Identifier: Apache-2.0
"""A server as a process of its own, which signals drain and stop."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable
from queue import Empty, SimpleQueue
from threading import Thread

from thriftscore import _native
from thriftscore.config import ServerConfig
from thriftscore.serving.lifecycle import Server
from thriftscore.serving.logs import configure_logs, get_logger

_WATCH_INTERVAL_S = 0.5
_DRAIN_POLL_S = 0.05

_log = get_logger()


class StopSignals:
    """The stop signals that this process has received, to be taken one at a time.

    A handler runs in the main thread, between any two of its steps. An Event is no use there: it
    would wait for the lock that the thread below it holds. SimpleQueue.put takes no such lock.
    """

    def __init__(self, numbers: Iterable[int] = (signal.SIGTERM, signal.SIGINT)) -> None:
        self._arrived: SimpleQueue[int] = SimpleQueue()
        for number in numbers:
            signal.signal(number, lambda number, _frame: self._arrived.put(number))

    def wait(self, timeout_s: float) -> bool:
        """Whether a signal came within the time; it is taken."""
        try:
            self._arrived.get(timeout=timeout_s)
        except Empty:
            return False
        return True


def run_until_stopped(config: ServerConfig) -> int:
    """Serves until SIGTERM or SIGINT, then drains; a second signal stops at once.

    Returns the exit code: 0, or 1 where calls were left unanswered or a port ended by itself.
    """
    _native.keep_freed_memory()
    logs = configure_logs(config.log_format, config.log_level)
    signals = StopSignals()
    server = Server(config)
    try:
        server.open()
        return _serve_and_drain(server, signals)
    finally:
        logs.wait_until_written()


def _serve_and_drain(server: Server, signals: StopSignals) -> int:
    # A thread of its own, so that a signal is answered while a large repository loads.
    Thread(target=_load, args=(server,), name="thriftscore-load", daemon=True).start()
    while not signals.wait(_WATCH_INTERVAL_S):
        if not server.running:
            server.stop()
            return 1
    _log.info("draining", timeout_ms=server.config.drain_timeout_ms)
    server.fail_health_checks()
    stop_now = signals.wait(server.config.pre_stop_ms / 1000)
    server.begin_drain()
    deadline = time.monotonic() + server.config.drain_timeout_ms / 1000
    drained = False
    while not drained and not stop_now and time.monotonic() < deadline:
        drained = server.wait_drained(_DRAIN_POLL_S)
        stop_now = signals.wait(0)
    if not drained and not stop_now:
        _log.warning("drain_timeout", timeout_ms=server.config.drain_timeout_ms)
    stopped = server.stop()
    return 0 if stopped and (drained or stop_now) else 1


def _load(server: Server) -> None:
    try:
        server.load()
    except Exception:
        _log.exception("load_failed")
        server.stop()
