# SPDX-License-Identifier: Apache-2.0
"""The data port in C++: its loops answer the score family, Python answers the rest.

Sockets, framing, limits and the hot methods are the native server's (cpp/server). Messages that it
does not answer itself wait in its bounded queue, from which the threads here take them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any
from weakref import WeakMethod

from thriftscore import _native
from thriftscore.errors import ErrorCode
from thriftscore.serving.dispatcher import Dispatcher
from thriftscore.serving.logs import get_logger
from thriftscore.serving.statistics import OutcomeStatistics, Statistics, VersionStatistics
from thriftscore.serving.wire_reader import Encoding

if TYPE_CHECKING:
    import socket

    from thriftscore.config import ServerConfig
    from thriftscore.repository import Registry, ServedModel
    from thriftscore.serving.shadowing import Shadowing

_TAKE_PATIENCE_MS = 500
_LOG_INTERVAL_S = 1.0
_ORDINARY = {"peer", "idle", "draining"}
_ENCODINGS = {"binary": Encoding.BINARY, "compact": Encoding.COMPACT}

_log = get_logger()


class NativePort:
    """Serves listening sockets, which it owns from now on, from the models of a registry.

    `start`, `drain`, `stop` and `join` may be called from any thread.
    """

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        dispatcher: Dispatcher,
        registry: Registry,
        shadowing: Shadowing,
        config: ServerConfig,
    ) -> None:
        self._server = _native.Server(native_options(config), shadowing.scorer)
        for listener in listeners:
            self._server.adopt_listener(listener.detach())
        self._server.set_serving(False)
        self._publisher = _native.Publisher(self._server)
        self._closings = _Closings(self._server)
        self._dispatcher = dispatcher
        self._registry = registry
        self._stopped = False
        self._threads = [
            Thread(target=self._answer_calls, name=f"thriftscore-deferred-{number}", daemon=True)
            for number in range(config.threads)
        ]

    def start(self) -> None:
        """Begins to accept. Call it once."""
        for thread in self._threads:
            thread.start()
        self._server.start()

    def set_serving(self, serving: bool) -> None:
        """Whether the loops answer ping; otherwise Python does, which knows why it is not true.

        The loops get the models when the server first serves: until then Python refuses all calls.
        """
        if serving:
            self._registry.observe(_weakly(self._publish))
        self._server.set_serving(serving)

    def drain(self) -> None:
        """Stops accepting, answers what has been received, closes each connection after that."""
        self._server.begin_drain()

    def stop(self) -> None:
        """Closes everything at once."""
        self._stopped = True
        self._server.stop()

    def join(self, timeout_s: float) -> bool:
        """Waits until all connections are closed; False at the timeout."""
        deadline = time.monotonic() + timeout_s
        drained = self._server.wait_drained(max(0, int(timeout_s * 1000)))
        if self._stopped:
            for thread in self._threads:
                thread.join(max(0.0, deadline - time.monotonic()))
            return drained and not any(thread.is_alive() for thread in self._threads)
        return drained

    @property
    def running(self) -> bool:
        """False once the port was stopped."""
        return not self._stopped

    @property
    def connections_max(self) -> int:
        """How many connections are accepted at once."""
        return self._server.connections_max

    @property
    def closed_by_reason(self) -> dict[str, int]:
        """How many connections ended, by why."""
        closed: dict[str, int] = self._server.counts()["closed"]
        return {reason: count for reason, count in closed.items() if count}

    def counts(self) -> dict[str, Any]:
        """Connections, bytes, calls under way, and refused messages by reason."""
        return self._server.counts()

    def report_to(self, statistics: Statistics) -> None:
        """Has what the loops count added to `statistics` whenever they are read."""
        statistics.add_source(_weakly(self._add_statistics))

    def _add_statistics(self, served: ServedModel, into: VersionStatistics) -> None:
        for counts in self._server.statistics():
            if counts["model"] == served.name and counts["version"] == str(served.version):
                _add_counts(counts, into)

    def _publish(self, registry: Registry) -> None:
        if self._stopped:
            return
        targets, traffic = registry.targets(), registry.traffic()
        # A split over versions that the loops do not have is left to Python, default and all.
        left = {name for name in targets if not _loops_have(traffic[name].split)}
        self._publisher.publish(
            [
                (model, target, served.version, served.model.native)
                for model, versions in targets.items()
                for target, served in versions.items()
                if served.model.native is not None and (target or model not in left)
            ],
            [
                (
                    model,
                    [(served.version, weight) for served, weight in traffic[model].split],
                    _native_version(traffic[model].shadow),
                )
                for model in targets.keys() - left
            ],
        )

    def _answer_calls(self) -> None:
        while not self._stopped:
            call = self._server.take_call(_TAKE_PATIENCE_MS)
            if call is not None:
                self._answer(call)
            self._closings.log()

    def _answer(self, call: _native.PendingCall) -> None:
        reply = b""  # closes the connection: better than a client that waits for its deadline
        try:
            received_ns = time.monotonic_ns() - call.waited_ns
            reply = self._dispatcher.answer(call.message, _ENCODINGS[call.protocol], received_ns)
        except Exception:
            _log.exception("call_failed")
        finally:
            call.answer(reply)


class _Closings:
    """Logs why connections were closed that should not have been: each reason once a second.

    Thread-safe. The loops only count, so that no client makes them wait for a log.
    """

    def __init__(self, server: _native.Server) -> None:
        self._server = server
        self._lock = Lock()
        self._logged: dict[str, int] = {}
        self._next_s = 0.0

    def log(self) -> None:
        if time.monotonic() < self._next_s or not self._lock.acquire(blocking=False):
            return
        try:
            counts = self._server.counts()
            # Of the streams that were rejected it is told what was wrong with them.
            reasons = counts["closed"] | counts["refused"] | {"rejected": 0}
            for reason, count in reasons.items():
                if reason not in _ORDINARY and count > self._logged.get(reason, 0):
                    _log.warning("connection_closed", reason=reason, so_far=count)
            self._logged = reasons
            self._next_s = time.monotonic() + _LOG_INTERVAL_S
        finally:
            self._lock.release()


def _weakly(method: Callable[..., None]) -> Callable[..., None]:
    """Calls a bound method while its object lives, without keeping it alive."""
    reference = WeakMethod(method)

    def call(*arguments: object) -> None:
        if (found := reference()) is not None:
            found(*arguments)

    return call


def native_options(config: ServerConfig) -> dict[str, object]:
    """The options of the native server (cpp/server/options.h)."""
    return {
        "io_threads": config.io_threads,
        "busy_poll": config.busy_poll,
        "compute_threads": config.compute_threads,
        "inline_work_ns_max": config.inline_work_us_max * 1_000,
        "frame_bytes_max": config.frame_bytes_max,
        "message_bytes_max": config.message_bytes_max,
        "method_name_bytes_max": config.method_name_bytes_max,
        "nesting_max": config.nesting_max,
        "values_max": config.message_elements_max,
        "sparse_cells_max": config.sparse_cells_max,
        "connections_max": config.connections_max,
        "unsent_bytes_pause": config.inflight_bytes_pause,
        "unsent_bytes_max": config.output_bytes_max,
        "message_timeout_ms": config.frame_time_max_ms,
        "idle_timeout_ms": config.idle_timeout_ms,
        "write_timeout_ms": config.write_stall_ms,
        "deferred_calls_max": config.queue_calls_max,
        "deferred_bytes_max": config.queue_bytes_max,
        "retry_after_ms": config.retry_after_ms,
    }


def _loops_have(split: Sequence[tuple[ServedModel, int]]) -> bool:
    return all(served.model.native is not None for served, _ in split)


def _native_version(served: ServedModel | None) -> int:
    """The number of a version that the loops have; 0 for another or none."""
    return served.version if served is not None and served.model.native is not None else 0


def _add_counts(counts: dict[str, Any], into: VersionStatistics) -> None:
    code = ErrorCode(counts["code"]) if counts["code"] else None
    outcome = into.outcomes.setdefault((counts["method"], code), OutcomeStatistics())
    total = counts["total"]
    outcome.latency.merge(total["sum_ns"], total["max_ns"], total["buckets"])
    if code is not None:
        into.fail.merge(total["count"], total["sum_ns"])
        return
    outcome.rows += counts["rows"]
    into.rows += counts["rows"]
    into.executions += counts["executions"]
    last_ms = (time.time_ns() - counts["since_last_ns"]) // 1_000_000
    into.last_inference_ms = max(into.last_inference_ms, last_ms)
    into.success.merge(total["count"], total["sum_ns"])
    stages = {
        "queue": into.queue,
        "decode": into.compute_input,
        "compute": into.compute_infer,
        "encode": into.compute_output,
    }
    for stage, duration in stages.items():
        duration.merge(counts[stage]["count"], counts[stage]["sum_ns"])
