# SPDX-License-Identifier: Apache-2.0
"""The registry: which versions are served, and why the others are not.

Readers take no lock: all they see is one immutable snapshot that writers replace as a whole, so a
request sees exactly one version. Writers (load, unload, labels) run one at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from thriftscore.errors import (
    ConfigurationError,
    Internal,
    ModelNotFound,
    ModelRefused,
    ThriftscoreError,
    Unavailable,
)
from thriftscore.repository.files import Directory
from thriftscore.repository.labels import change_labels, read_labels
from thriftscore.repository.loading import (
    ServedModel,
    load_version,
    published_models,
    published_versions,
)
from thriftscore.repository.names import check_label, check_model_name
from thriftscore.repository.snapshot import (
    ModelRecord,
    VersionRecord,
    VersionState,
    VersionStatus,
    choose,
    statuses,
    why_not,
)


class Registry:
    """The models of one repository directory. Safe to use from any number of threads."""

    def __init__(self, root: Path | str) -> None:
        """`root` is looked at by `load_all` and later calls, not here."""
        self.root = Path(root)
        self._models: Mapping[str, ModelRecord] = {}
        self._writing = threading.Lock()
        self._loaded = False
        self._observer: Callable[[Registry], None] | None = None

    # -- for requests: no lock, no input or output -------------------------------------------

    def resolve(self, name: str, version: str = "") -> ServedModel:
        """The model that answers a request for `version`: a number, a label, or "" (the default).

        The default is the version labelled "stable" where that label is set, else the newest that
        is ready.

        Raises InvalidArgument for a name or version that cannot exist, ModelNotFound for one that
        does not, and ModelNotReady for one that is not loaded.
        """
        model = self._models.get(name)
        served = model.targets.get(version) if model is not None else None
        if served is None:
            raise why_not(name, version, model)
        return served

    def served(self, name: str = "") -> list[ServedModel]:
        """The versions that are being served, of one model or of all, by name and then number."""
        models = self._models
        return [
            record.served
            for model_name in ([name] if name else sorted(models))
            for _, record in sorted(models.get(model_name, ModelRecord()).versions.items())
            if record.served is not None
        ]

    def targets(self) -> Mapping[str, Mapping[str, ServedModel]]:
        """For each model, what serves each version that a request may name."""
        return {name: model.targets for name, model in self._models.items()}

    def ready(self) -> bool:
        """True once `load_all` is through and every model has its default version, save those
        whose versions were all unloaded on request."""
        unloaded = {VersionState.UNLOADED, VersionState.UNLOADING}
        return self._loaded and all(
            "" in model.targets or all(v.state in unloaded for v in model.versions.values())
            for model in self._models.values()
        )

    def observe(self, observer: Callable[[Registry], None] | None) -> None:
        """Calls `observer` now and after each change of `targets`, before it is acknowledged.

        There is one observer at a time; None ends the observation. It must not call a writer.
        """
        with self._writing:
            self._observer = observer
            if observer is not None:
                observer(self)

    # -- for administration ------------------------------------------------------------------

    def index(self, name: str = "", *, ready_only: bool = False) -> list[VersionStatus]:
        """Every version, served or on disk, by model name and then number.

        Raises ModelNotFound where `name` is given and there is no such model.
        """
        models = self._with_disk(self._models)
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

    def labels(self, name: str) -> dict[str, int]:
        """The labels of a model that is known, and the version each names."""
        model = self._models.get(name)
        return dict(model.labels) if model is not None else {}

    def load_all(self) -> list[VersionStatus]:
        """Load every version of every model. One that fails does not stop the others.

        Returns the index. Raises ConfigurationError where the repository cannot be read at all.
        """
        with self._writing:
            try:
                with Directory.open_root(self.root) as root:
                    for name in published_models(root):
                        self._load_model(root, name)
            except OSError as error:
                reason = error.strerror or type(error).__name__
                raise ConfigurationError(
                    f"repository directory '{self.root}' cannot be read: {reason}"
                ) from error
            self._loaded = True
        return self.index()

    def load(self, name: str, version: str = "") -> list[VersionStatus]:
        """Load (or check and load again) a version; "" is the newest. Returns what was touched.

        What is served stays as it is unless every check passes.

        Raises ModelNotFound, ModelRefused with the failed check, or Unavailable where the
        repository cannot be read.
        """
        check_model_name(name)
        with self._writing, self._open_root() as root:
            try:
                with root.open(name) as directory:
                    labels, versions = read_labels(directory), published_versions(directory)
            except FileNotFoundError:
                raise ModelNotFound(f"there is no model '{name}'") from None
            number = choose(name, version, labels, versions)
            if name not in self._models:  # a first version must not be the default by accident
                self._take_labels(name, labels)
            self._load_version(root, name, number)
            self._take_labels(name, labels)
        return self._touched(name, {number})

    def unload(self, name: str, version: str = "") -> list[VersionStatus]:
        """Stop serving a version, or all of a model's with ""; requests in flight finish on it.

        Raises ModelNotFound or ModelNotReady where there is nothing to unload.
        """
        with self._writing:
            model = self._models.get(name)
            if version or model is None:
                numbers = {self.resolve(name, version).version}
                model = self._models[name]
            else:
                numbers = {number for number in model.versions if model.serves(number)}
            for number in numbers:
                digest = model.versions[number].digest
                model = model.with_version(
                    number, VersionRecord(VersionState.UNLOADED, digest=digest)
                )
            self._replace(name, model)
        return self._touched(name, numbers)

    def set_label(self, name: str, label: str, version: int) -> list[VersionStatus]:
        """Point a label at a version that is served, here and on disk.

        Returns the version and the one the label named before. Raises InvalidArgument,
        ModelNotFound or ModelNotReady, and Unavailable where the disk refuses.
        """
        check_label(label)
        with self._writing:
            self.resolve(name, str(version))
            before = self._model(name).labels.get(label, version)
            self._change_labels(name, lambda labels: {**labels, label: version})
        return self._touched(name, {version, before})

    def remove_label(self, name: str, label: str) -> list[VersionStatus]:
        """Remove a label, here and on disk; its version stays. Returns that version.

        Raises InvalidArgument, ModelNotFound, and Unavailable where the disk refuses.
        """
        check_model_name(name)
        check_label(label)
        removed: set[int] = set()

        def remove(labels: dict[str, int]) -> dict[str, int]:
            if label not in labels:
                raise ModelNotFound(f"model '{name}' has no label '{label}'")
            removed.add(labels.pop(label))
            return labels

        with self._writing:
            self._change_labels(name, remove)
        return self._touched(name, removed)

    # -- writers, all with the lock held -----------------------------------------------------

    def _load_model(self, root: Directory, name: str) -> None:
        """Load all versions of a model; failures are kept as the state of the version."""
        try:
            with root.open(name) as directory:
                versions, refused = published_versions(directory), None
                try:
                    labels = read_labels(directory)
                except ModelRefused as error:
                    labels, refused = {}, error
        except (ModelRefused, FileNotFoundError):
            return  # replaced or removed since it was listed
        if refused is None:  # before the versions: none may be the default by accident
            self._take_labels(name, labels)
        for number in versions:
            try:
                if refused is not None:
                    raise refused
                self._load_version(root, name, number)
            except ThriftscoreError as error:
                self._fail(name, number, error)
        if refused is None:  # and after: labels whose versions were not ready yet
            self._take_labels(name, labels)

    def _load_version(self, root: Directory, name: str, number: int) -> None:
        if not self._model(name).serves(number):
            loading = VersionRecord(VersionState.LOADING)
            self._replace(name, self._model(name).with_version(number, loading))
        try:
            served = load_version(root, name, number)
        except ThriftscoreError as error:
            self._fail(name, number, error)
            raise
        except Exception as error:
            defect = Internal(f"loading version {number} of '{name}' failed: {error!r}")
            self._fail(name, number, defect)
            raise defect from error
        available = VersionRecord(VersionState.AVAILABLE, digest=served.digest, served=served)
        self._replace(name, self._model(name).with_version(number, available))

    def _fail(self, name: str, number: int, error: ThriftscoreError) -> None:
        """Keep the reason, unless an earlier load of the version is being served."""
        if not self._model(name).serves(number):
            failed = VersionRecord(VersionState.FAILED, reason=error.message)
            self._replace(name, self._model(name).with_version(number, failed))

    def _change_labels(self, name: str, change: Callable[[dict[str, int]], dict[str, int]]) -> None:
        try:
            with self._open_root() as root, root.open(name) as directory:
                labels = change_labels(directory, change)
        except FileNotFoundError:
            raise ModelNotFound(f"there is no model '{name}' in '{self.root}'") from None
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise Unavailable(f"the labels of '{name}' cannot be written: {reason}") from error
        if name in self._models:
            self._take_labels(name, labels)

    def _take_labels(self, name: str, labels: Mapping[str, int]) -> None:
        self._replace(name, self._model(name).with_labels(labels))

    def _model(self, name: str) -> ModelRecord:
        return self._models.get(name) or ModelRecord()

    def _replace(self, name: str, model: ModelRecord) -> None:
        before = self._model(name).targets
        self._models = {**self._models, name: model}
        if self._observer is not None and model.targets != before:
            self._observer(self)

    # -- reading the disk --------------------------------------------------------------------

    def _open_root(self) -> Directory:
        try:
            return Directory.open_root(self.root)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise Unavailable(f"repository '{self.root}' cannot be read: {reason}") from error

    def _with_disk(self, models: Mapping[str, ModelRecord]) -> Mapping[str, ModelRecord]:
        """`models` and the versions on disk that nobody loaded yet."""
        merged = dict(models)
        try:
            with self._open_root() as root:
                for name in published_models(root):
                    with root.open(name) as directory:
                        model = merged.get(name, ModelRecord())
                        for number in published_versions(directory):
                            if number not in model.versions:
                                unloaded = VersionRecord(VersionState.UNLOADED)
                                model = model.with_version(number, unloaded)
                    merged[name] = model
        except (ThriftscoreError, OSError):
            return models  # what is served stays listed while the disk is away
        return {name: model for name, model in merged.items() if model.versions}

    def _touched(self, name: str, numbers: set[int]) -> list[VersionStatus]:
        return [s for s in statuses(name, self._model(name)) if s.version in numbers]
