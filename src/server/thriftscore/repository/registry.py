# SPDX-License-Identifier: Apache-2.0
"""The registry: which versions are served, and why the others are not.

Readers take no lock: all they see is one immutable snapshot that writers replace as a whole, so a
request sees exactly one version.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from thriftscore.errors import (
    ConfigurationError,
    ModelNotFound,
    ModelNotReady,
    ModelRefused,
    ThriftscoreError,
    Unavailable,
)
from thriftscore.repository.files import Directory
from thriftscore.repository.label_store import LabelStore
from thriftscore.repository.labels import Labels, read_labels
from thriftscore.repository.loading import ServedModel, published_models, published_versions
from thriftscore.repository.model_table import ModelTable
from thriftscore.repository.names import check_label, check_model_name
from thriftscore.repository.policy import ALL_VERSIONS, Policies
from thriftscore.repository.refresh import Refresher, Report, unloaded
from thriftscore.repository.snapshot import (
    ModelRecord,
    VersionState,
    VersionStatus,
    choose,
    statuses,
    why_not,
)
from thriftscore.repository.traffic import Traffic
from thriftscore.repository.version_loader import VersionLoader, open_repository


class Registry:
    """The models of one repository directory. Safe to use from any number of threads."""

    def __init__(self, root: Path | str, policies: Policies = ALL_VERSIONS) -> None:
        """`root` is looked at by `load_all` and later calls, not here."""
        self.root = Path(root)
        self._table = ModelTable()
        self._loader = VersionLoader(self.root, self._table)
        self._labels = LabelStore(self.root, self._table)
        self._policies = policies
        self._refresher = Refresher(self.root, self._table, self._loader, self._labels, policies)
        self._needed: frozenset[str] | None = None

    # -- for requests: no lock, no input or output -------------------------------------------

    def resolve(self, name: str, version: str = "") -> ServedModel:
        """The model that answers a request for `version`: a number, a label, or "" (the default).

        The default is the version labelled "stable" where that label is set, else the newest that
        is ready.

        Raises InvalidArgument for a name or version that cannot exist, ModelNotFound for one that
        does not, and ModelNotReady for one that is not loaded.
        """
        model = self._table.models.get(name)
        served = model.targets.get(version) if model is not None else None
        if served is None:
            raise why_not(name, version, model)
        return served

    def route(self, name: str, version: str, request_id: str | None) -> ServedModel:
        """`resolve` for a request that is to be computed: one without a version may be split.

        The same `request_id` always gets the same version, as long as the split stays the same.
        """
        model = self._table.models.get(name) if not version else None
        chosen = model.traffic.choose(request_id) if model is not None else None
        return chosen or self.resolve(name, version)

    def shadow(self, name: str) -> ServedModel | None:
        """The version that scores what requests without a version are answered with, if any."""
        model = self._table.models.get(name)
        return model.traffic.shadow if model is not None else None

    def served(self, name: str = "") -> list[ServedModel]:
        """The versions that are being served, of one model or of all, by name and then number."""
        models = self._table.models
        return [
            record.served
            for model_name in ([name] if name else sorted(models))
            for _, record in sorted(models.get(model_name, ModelRecord()).versions.items())
            if record.served is not None
        ]

    def targets(self) -> Mapping[str, Mapping[str, ServedModel]]:
        """For each model, what serves each version that a request may name."""
        return {name: model.targets for name, model in self._table.models.items()}

    def traffic(self) -> Mapping[str, Traffic]:
        """For each model, who answers the requests that name no version."""
        return {name: model.traffic for name, model in self._table.models.items()}

    def ready(self) -> bool:
        """True once `load_all` is through and every model that it found has its default version,
        save those whose versions were all unloaded on request."""
        if self._needed is None:
            return False
        known = (self._table.models.get(name) for name in self._needed)
        return all("" in one.targets or one.unloaded_on_request for one in known if one is not None)

    def observe(self, observer: Callable[[Registry], None] | None) -> None:
        """Calls `observer` now and after each change of `targets` or `traffic`, before it is
        acknowledged.

        There is one observer at a time; None ends the observation. It must not call a writer.
        """
        self._table.observe(None if observer is None else lambda: observer(self))

    # -- for administration ------------------------------------------------------------------

    def index(self, name: str = "", *, ready_only: bool = False) -> list[VersionStatus]:
        """Every version, served or on disk, by model name and then number.

        Raises ModelNotFound where `name` is given and there is no such model.
        """
        models = self._with_disk(self._table.models)
        if name:
            check_model_name(name)
            if name not in models:
                raise ModelNotFound(f"there is no model '{name}'")
            models = {name: models[name]}
        return [
            status
            for model_name in sorted(models)
            for status in statuses(model_name, models[model_name])
            if not ready_only or status.state is VersionState.AVAILABLE
        ]

    def labels(self, name: str) -> Labels:
        """The labels that are in force for a model that is known; none for another."""
        return self._table.get(name).labels

    def versions(self, name: str) -> list[VersionStatus]:
        """The versions of a model that are known, by number; unlike `index`, reads no disk."""
        return statuses(name, self._table.get(name))

    def load_all(self, report: Report = lambda _: None) -> list[VersionStatus]:
        """`refresh` for the first time, after which `ready` may be true. Returns the index.

        Raises ConfigurationError where the repository cannot be read at all.
        """
        try:
            self.refresh(report)
        except Unavailable as error:
            raise ConfigurationError(error.message) from error
        self._needed = frozenset(self._table.models)
        return self.index()

    def refresh(
        self, report: Report = lambda _: None, names: Collection[str] | None = None
    ) -> None:
        """Load the versions that the policy, the labels and the administrators want; unload others.

        Of the models of these names only, or of all.

        One that fails stops no other and changes nothing that is served; it is tried again when
        its files have changed, and else at growing intervals. `report` is told what was done.

        Raises Unavailable where the repository cannot be read.
        """
        self._refresher.refresh(report, names)

    def failing(self) -> set[str]:
        """The models of which a version, or the labels, could not be loaded."""
        return {
            name
            for name, model in self._table.models.items()
            if model.labels_error or any(v.failure is not None for v in model.versions.values())
        }

    def load(self, name: str, version: str = "") -> list[VersionStatus]:
        """Load (or check and load again) a version; "" is the newest. Returns what was touched.

        What is served stays as it is unless every check passes. A version that the policy would
        not load stays loaded until it is unloaded.

        Raises ModelNotFound, ModelRefused with the failed check, or Unavailable where the
        repository cannot be read.
        """
        check_model_name(name)
        number = self._choose(name, version)
        with self._loader.loading(name):
            self._table.change(name, lambda model: self._wished(name, number, model))
            self._take_labels(name)  # a first version must not be the default by accident
            self._loader.load(name, number)
            self._take_labels(name)
        return self._touched(name, {number})

    def unload(self, name: str, version: str = "") -> list[VersionStatus]:
        """Stop serving a version, or all of a model's with ""; requests in flight finish on it.

        Neither is loaded again until `load` asks for it. Raises ModelNotFound or ModelNotReady
        where there is nothing to unload.
        """
        if version or name not in self._table.models:
            numbers = {self.resolve(name, version).version}
        else:
            model = self._table.get(name)
            numbers = {number for number in model.versions if model.serves(number)}
        self._table.change(name, lambda model: _unwished(model, numbers, whole=not version))
        return self._touched(name, numbers)

    def set_label(self, name: str, label: str, version: int) -> list[VersionStatus]:
        """Point a label at a version that is served, here and on disk.

        Returns the version and the one the label named before. Raises InvalidArgument,
        ModelNotFound or ModelNotReady, and Unavailable where the disk refuses.
        """
        check_label(label)
        try:
            self.resolve(name, str(version))
        except ModelNotReady as error:
            raise ModelNotReady(f"{error.message}; load it before a label names it") from None
        return self._change_labels(name, label, lambda labels: labels.with_label(label, version))

    def remove_label(self, name: str, label: str) -> list[VersionStatus]:
        """Remove a label, here and on disk; its version stays. Returns that version.

        Raises InvalidArgument, ModelNotFound, and Unavailable where the disk refuses.
        """
        check_label(label)
        return self._change_labels(name, label, lambda labels: labels.without_label(label))

    def rollback_label(self, name: str, label: str) -> list[VersionStatus]:
        """Point a label at the version it named before, which is loaded where it is not.

        Returns both versions. Raises InvalidArgument, ModelNotFound where it named nothing before,
        what `load` raises, and Unavailable where the disk refuses.
        """
        check_model_name(name)
        check_label(label)
        usable = self._usable_versions(name)
        try:
            version = self.labels_on_disk(name).previous(label, usable)
        except ModelNotFound as error:
            raise ModelNotFound(f"model '{name}': {error.message}") from None
        if not self._table.get(name).serves(version):
            self.load(name, str(version))

        def roll_back(labels: Labels) -> Labels:
            if labels.previous(label, usable) != version:  # somebody else changed it meanwhile
                raise Unavailable(f"the label '{label}' of '{name}' was changed at the same time")
            return labels.rolled_back(label, usable)

        return self._change_labels(name, label, roll_back)

    def labels_on_disk(self, name: str) -> Labels:
        """What `labels.json` says. Raises ModelNotFound, ModelRefused and Unavailable."""
        try:
            with self._open_root() as root, root.open(name) as directory:
                return read_labels(directory)
        except FileNotFoundError:
            raise ModelNotFound(f"there is no model '{name}'") from None

    def repository_error(self) -> str:
        """Why the repository cannot be read at present; empty where it can."""
        try:
            with self._open_root() as root:
                published_models(root)
        except (ThriftscoreError, OSError) as error:
            return str(error)
        return ""

    def exposed(self) -> list[tuple[Path, str]]:
        """The directories of the repository in which others could put another model, and why."""
        try:
            with self._open_root() as root:
                found = [(root.path, root.exposure)]
                for name in published_models(root):
                    with suppress(ModelRefused, OSError), root.open(name) as model:
                        found.append((model.path, model.exposure))
        except (ThriftscoreError, OSError):
            return []
        return [(path, why) for path, why in found if why]

    # -- parts of the above ------------------------------------------------------------------

    def _choose(self, name: str, version: str) -> int:
        try:
            with self._open_root() as root, root.open(name) as directory:
                return choose(name, version, read_labels(directory), published_versions(directory))
        except FileNotFoundError:
            raise ModelNotFound(f"there is no model '{name}'") from None

    def _usable_versions(self, name: str) -> set[int]:
        """Those that are served or could be."""
        served = {served.version for served in self.served(name)}
        try:
            with self._open_root() as root, root.open(name) as directory:
                return served | set(published_versions(directory))
        except FileNotFoundError:
            raise ModelNotFound(f"there is no model '{name}'") from None

    def _wished(self, name: str, number: int, model: ModelRecord) -> ModelRecord:
        """The model with an administrator's wish for a version, which only counts where needed."""
        picked = self._policies.of(name).picks(number, model)
        record = replace(model.version(number), wish="" if picked else "load", failure=None)
        return replace(model.with_version(number, record), held=False)

    def _take_labels(self, name: str) -> None:
        try:
            self._labels.take(name)
        except FileNotFoundError:
            raise ModelNotFound(f"there is no model '{name}'") from None

    def _change_labels(
        self, name: str, label: str, change: Callable[[Labels], Labels]
    ) -> list[VersionStatus]:
        check_model_name(name)
        touched = {self.labels(name).versions.get(label, 0)}
        self._labels.change(name, change)
        return self._touched(name, touched | {self.labels(name).versions.get(label, 0)})

    # -- reading the disk --------------------------------------------------------------------

    def _open_root(self) -> Directory:
        return open_repository(self.root)

    def _with_disk(self, models: Mapping[str, ModelRecord]) -> Mapping[str, ModelRecord]:
        """`models` and the versions on disk that nobody loaded yet."""
        merged = dict(models)
        try:
            with self._open_root() as root:
                for name in published_models(root):
                    with root.open(name) as directory:
                        model = merged.get(name, ModelRecord())
                        for number in published_versions(directory):
                            model = model.with_version(number, model.version(number))
                    merged[name] = model
        except (ThriftscoreError, OSError):
            return models  # what is served stays listed while the disk is away
        return {name: model for name, model in merged.items() if model.versions}

    def _touched(self, name: str, numbers: set[int]) -> list[VersionStatus]:
        return [status for status in self.versions(name) if status.version in numbers]


def _unwished(model: ModelRecord, numbers: set[int], *, whole: bool) -> ModelRecord:
    model = unloaded(model, numbers)
    for number in numbers:
        model = model.with_version(number, replace(model.version(number), wish="unload"))
    return replace(model, held=whole or model.held)
