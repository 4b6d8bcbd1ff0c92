# SPDX-License-Identifier: Apache-2.0
"""Loads a version into the table: a failure changes nothing that is served, and is remembered."""

from __future__ import annotations

import threading
import time
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from thriftscore.errors import Internal, ModelRefused, ThriftscoreError, Unavailable
from thriftscore.repository.files import Directory
from thriftscore.repository.loading import ServedModel, load_version
from thriftscore.repository.model_table import ModelTable
from thriftscore.repository.snapshot import LoadFailure, ModelRecord, VersionState

RETRY_FIRST_S = 1.0
RETRY_LAST_S = 300.0


class VersionLoader:
    """One version of a model at a time; those of other models meanwhile. Thread-safe."""

    def __init__(self, root: Path, table: ModelTable) -> None:
        self._root = root
        self._table = table
        self._locks: dict[str, threading.Lock] = {}

    def loading(self, name: str) -> AbstractContextManager[bool]:
        """The lock that whoever loads a version of this model holds. The model must exist."""
        return self._locks.setdefault(name, threading.Lock())

    def load(self, name: str, number: int) -> None:
        """Loads a version, with the lock of its model held; keeps and raises why it failed."""
        self._table.change(name, lambda model: _begin(model, number))
        try:
            with open_repository(self._root) as root:
                served = load_version(root, name, number)
        except ThriftscoreError as error:
            self._fail(name, number, error)
            raise
        except Exception as error:
            defect = Internal(f"loading version {number} of '{name}' failed: {error!r}")
            self._fail(name, number, defect)
            raise defect from error
        self._table.change(name, lambda model: _take(model, served))

    def retry_is_due(self, name: str, number: int) -> bool:
        """Whether to try to load a version: not too soon after a failure with the same files."""
        failure = self._table.get(name).version(number).failure
        if failure is None or time.monotonic() >= failure.retry_at_s:
            return True
        return failure.signature != _signature(self._root, name, number)

    def refuse(self, name: str, number: int, error: ThriftscoreError) -> None:
        """Keeps why a version cannot be loaded, unless it is served."""
        self._fail(name, number, error)

    def _fail(self, name: str, number: int, error: ThriftscoreError) -> None:
        signature = _signature(self._root, name, number)
        now_s = time.monotonic()
        self._table.change(
            name, lambda model: _with_failure(model, number, error.message, (now_s, signature))
        )


def open_repository(root: Path) -> Directory:
    """The directory of all models. Raises Unavailable where it cannot be read."""
    try:
        return Directory.open_root(root)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise Unavailable(f"repository '{root}' cannot be read: {reason}") from error


def _begin(model: ModelRecord, number: int) -> ModelRecord:
    if model.serves(number):
        return model
    record = replace(model.version(number), state=VersionState.LOADING, reason="")
    return model.with_version(number, record)


def _take(model: ModelRecord, served: ServedModel) -> ModelRecord:
    """Serves a loaded version, unless somebody unloaded it meanwhile."""
    before = model.version(served.version)
    record = replace(before, digest=served.digest, reason="", failure=None)
    if before.wish == "unload" or (model.held and before.wish != "load"):
        unloaded = replace(record, state=VersionState.UNLOADED, served=None)
        return model.with_version(served.version, unloaded)
    available = replace(record, state=VersionState.AVAILABLE, served=served)
    return model.with_version(served.version, available)


def _with_failure(
    model: ModelRecord, number: int, reason: str, when: tuple[float, object]
) -> ModelRecord:
    if model.serves(number):
        return model
    before, (now_s, signature) = model.version(number), when
    attempts = before.failure.attempts + 1 if before.failure is not None else 1
    pause_s = min(RETRY_FIRST_S * 2.0 ** (attempts - 1), RETRY_LAST_S)
    failure = LoadFailure(attempts, now_s + pause_s, signature)
    record = replace(before, state=VersionState.FAILED, reason=reason, failure=failure)
    return model.with_version(number, record)


def _signature(root: Path, name: str, number: int) -> object:
    """What the files of a version look like; None where it cannot be told."""
    try:
        with (
            open_repository(root) as repository,
            repository.open(name) as model,
            model.open(str(number)) as version,
        ):
            return version.signature()
    except (OSError, ModelRefused, Unavailable):
        return None
