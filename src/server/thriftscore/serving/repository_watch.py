# SPDX-License-Identifier: Apache-2.0
"""A thread that notices what changes in the repository, and has it loaded."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import watchfiles

from thriftscore.errors import Unavailable
from thriftscore.repository import EventKind, Registry, RepositoryEvent
from thriftscore.serving.audit import Audit, describe
from thriftscore.serving.logs import get_logger
from thriftscore.serving.low_priority import lower_priority

_CHANGES = {EventKind.LOADED, EventKind.UNLOADED, EventKind.LABELS_CHANGED}
_CHANGES_SETTLE_MS = 50
_CHANGES_GATHER_MS = 200
_LOOK_AT_ALL_S = 30.0

_log = get_logger()


class RepositoryWatch:
    """Refreshes a registry after each change on disk and at intervals, until it is stopped.

    At each interval loads that failed are tried again. All is looked at every now and then, so that
    no event that got lost matters.
    """

    def __init__(
        self, registry: Registry, audit: Audit, mode: Literal["events", "poll"], interval_ms: int
    ) -> None:
        self._registry = registry
        self._audit = audit
        self._mode = mode
        self._interval_ms = interval_ms
        self._stop = threading.Event()
        self._problem = ""
        self._thread = threading.Thread(target=self._run, name="thriftscore-watch", daemon=True)

    def start(self) -> None:
        """Begins to watch. Call it once."""
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Ends the thread; False where it is still loading a model at the timeout."""
        self._stop.set()
        self._thread.join(max(0.0, timeout_s))
        return not self._thread.is_alive()

    def _run(self) -> None:
        lower_priority()
        while not self._stop.is_set():
            try:
                for names in self._changes():
                    self._refresh(names)
            except Exception:  # whatever it was, the next look is due all the same
                _log.exception("watch_failed")
            self._stop.wait(self._interval_ms / 1000)

    def _refresh(self, names: set[str] | None) -> None:
        try:
            self._registry.refresh(self.report, names)
        except Unavailable as error:
            self._tell("repository_unavailable", error.message)
        except Exception:
            _log.exception("refresh_failed")
        else:
            self._tell("", "")

    def report(self, event: RepositoryEvent) -> None:
        """Writes down what a refresh did."""
        log_event(event)
        if event.kind in _CHANGES:
            change = describe(event.before, event.after)
            self._audit.write("repository", event.kind.value, event.model_name, change)

    def _changes(self) -> Iterator[set[str] | None]:
        """The models to look at, None = all, at once and maybe at later changes and intervals."""
        yield None
        if self._mode == "events":
            yield from self._noticed()

    def _noticed(self) -> Iterator[set[str] | None]:
        """The models to look at after each change or interval, until the directory goes away."""
        root = self._registry.root.absolute()
        try:
            inode = root.stat().st_ino
            all_at_s, looked_at_all = time.monotonic() + _LOOK_AT_ALL_S, False
            for changes in watchfiles.watch(
                root,
                watch_filter=lambda _, path: _is_published(root, path),
                debounce=_CHANGES_GATHER_MS,
                step=_CHANGES_SETTLE_MS,
                stop_event=self._stop,
                rust_timeout=self._interval_ms,
                yield_on_timeout=True,
                raise_interrupt=False,
            ):
                if self._stop.is_set() or root.stat().st_ino != inode:
                    return
                if time.monotonic() >= all_at_s:
                    return
                changed = {Path(path).relative_to(root).parts[0] for _, path in changes}
                # What came before the watch began was not noticed.
                yield changed | self._registry.failing() if looked_at_all else None
                looked_at_all = True
        except FileNotFoundError:
            return  # which the next look says
        except (OSError, RuntimeError) as error:
            self._tell("watch_failed", f"{error}; looking every {self._interval_ms} ms instead")

    def _tell(self, event: str, problem: str) -> None:
        """A line for a problem that was not there at the last look."""
        if event and problem != self._problem:
            _log.warning(event, reason=problem)
        elif not event and self._problem:
            _log.info("repository_available")
        self._problem = problem


def log_event(event: RepositoryEvent) -> None:
    """Writes what a refresh did into the log."""
    facts: dict[str, object] = {"model": event.model_name}
    if event.version:
        facts["version"] = event.version
    if event.reason:
        _log.error(event.kind.value, **facts, reason=event.reason)
        return
    if event.kind is EventKind.LOADED:
        (status,) = (status for status in event.after if status.version == event.version)
        facts |= {"digest": status.digest, "labels": list(status.labels)}
    _log.info(event.kind.value, **facts)


def _is_published(root: Path, path: str) -> bool:
    """Whether a path can be part of a version or the labels: what is hidden never is."""
    parts = Path(path).relative_to(root).parts
    return bool(parts) and not any(part.startswith(".") for part in parts)
