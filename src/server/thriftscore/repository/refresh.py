# SPDX-License-Identifier: Apache-2.0
"""Brings what is served into line with what is on disk and with the policy."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from thriftscore.errors import ModelRefused, ThriftscoreError
from thriftscore.repository.label_store import LabelStore
from thriftscore.repository.labels import Labels
from thriftscore.repository.loading import published_models, published_versions
from thriftscore.repository.model_table import ModelTable
from thriftscore.repository.policy import Policies
from thriftscore.repository.snapshot import ModelRecord, VersionState, VersionStatus, statuses
from thriftscore.repository.version_loader import VersionLoader, open_repository


class EventKind(Enum):
    """What a refresh did, by the name of the event in the log."""

    LOADED = "model_loaded"
    REFUSED = "model_refused"
    UNLOADED = "model_unloaded"
    LABELS_CHANGED = "labels_changed"
    LABELS_REFUSED = "labels_refused"


@dataclass(frozen=True, slots=True)
class RepositoryEvent:
    """One thing that a refresh did, and how the versions of its model stood before and after."""

    kind: EventKind
    model_name: str
    before: tuple[VersionStatus, ...]
    after: tuple[VersionStatus, ...]
    version: int = 0
    """The version that was loaded, refused or unloaded; 0 for labels."""
    reason: str = ""


Report = Callable[[RepositoryEvent], None]


class Refresher:
    """Loads what should be served and unloads what should not. Thread-safe."""

    def __init__(
        self,
        root: Path,
        table: ModelTable,
        loader: VersionLoader,
        labels: LabelStore,
        policies: Policies,
    ) -> None:
        self._root = root
        self._table = table
        self._loader = loader
        self._labels = labels
        self._policies = policies

    def refresh(self, report: Report, names: Collection[str] | None) -> None:
        """Does so for these models or for all, in the order of their names. Raises Unavailable."""
        with open_repository(self._root) as root:
            on_disk = published_models(root)
        for name in on_disk if names is None else sorted(set(names) & set(on_disk)):
            with self._loader.loading(name), suppress(FileNotFoundError, ModelRefused):
                self._refresh_model(name, report)  # unless it was replaced since it was listed
        for name in self._table.models.keys() - set(on_disk):
            self._table.change(name, lambda model: model.without_versions(set(model.versions)))

    def _refresh_model(self, name: str, report: Report) -> None:
        versions = self._list_versions(name)
        labels = self._take_labels(name, versions, report)
        if labels is None:
            return
        loads = [self._load_if_wanted(name, number, labels, report) for number in versions[::-1]]
        if any(loads):  # labels may name versions that were not ready yet
            self._take_labels(name, versions, report)
        for number in versions:
            self._unload_if_unwanted(name, number, labels, report)

    def _list_versions(self, name: str) -> list[int]:
        """The versions on disk; those that are neither there nor served are forgotten."""
        with open_repository(self._root) as root, root.open(name) as directory:
            versions = published_versions(directory)
        known = self._table.get(name).versions.keys()
        if gone := known - set(versions):
            self._table.change(name, lambda model: model.without_versions(gone))
        if new := set(versions) - known:
            self._table.change(name, lambda model: _with_unloaded(model, new))
        return versions

    def _take_labels(self, name: str, versions: list[int], report: Report) -> Labels | None:
        """Those on disk, or None where nothing may be loaded.

        Where they are damaged those in force stay so; and nothing is served for the first time
        while nobody can tell which version is stable.
        """
        try:
            labels, before, after = self._labels.take(name)
        except ModelRefused as error:
            self._refuse_labels(name, versions, error, report)
            model = self._table.get(name)
            return model.labels if model.targets else None
        if before.targets and before.labels.settings != after.labels.settings:
            report(_event(EventKind.LABELS_CHANGED, name, (before, after)))
        return labels

    def _refuse_labels(
        self, name: str, versions: list[int], error: ModelRefused, report: Report
    ) -> None:
        before = self._table.get(name)
        if before.labels_error == error.message:
            return
        if not before.targets:
            for number in versions:
                self._loader.refuse(name, number, error)
        after = self._table.change(name, lambda now: replace(now, labels_error=error.message))
        report(_event(EventKind.LABELS_REFUSED, name, (before, after), reason=error.message))

    def _load_if_wanted(self, name: str, number: int, labels: Labels, report: Report) -> bool:
        """Whether it was loaded just now."""
        before = self._table.get(name)
        if before.serves(number) or not self._policies.wants(name, number, before, labels):
            return False
        if not self._loader.retry_is_due(name, number):
            return False
        with suppress(ThriftscoreError):  # which the version remembers
            self._loader.load(name, number)
        after = self._table.get(name)
        record = after.version(number)
        failed = record.state is VersionState.FAILED
        kind = EventKind.REFUSED if failed else EventKind.LOADED
        report(_event(kind, name, (before, after), version=number, reason=record.reason))
        return not failed

    def _unload_if_unwanted(self, name: str, number: int, labels: Labels, report: Report) -> None:
        before = self._table.get(name)
        if not before.serves(number) or self._policies.wants(name, number, before, labels):
            return
        after = self._table.change(name, lambda model: unloaded(model, {number}))
        report(_event(EventKind.UNLOADED, name, (before, after), version=number))


def _with_unloaded(model: ModelRecord, numbers: set[int]) -> ModelRecord:
    for number in numbers:
        model = model.with_version(number, model.version(number))
    return model


def unloaded(model: ModelRecord, numbers: set[int]) -> ModelRecord:
    """The model without serving these versions; whoever scores with one still has it."""
    for number in numbers:
        record = replace(model.version(number), state=VersionState.UNLOADED, served=None)
        model = model.with_version(number, record)
    return model


def _event(
    kind: EventKind,
    name: str,
    change: tuple[ModelRecord, ModelRecord],
    version: int = 0,
    reason: str = "",
) -> RepositoryEvent:
    before, after = (tuple(statuses(name, model)) for model in change)
    return RepositoryEvent(kind, name, before, after, version, reason)
