# SPDX-License-Identifier: Apache-2.0
"""What the registry knows of a model, as immutable values that are replaced as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Literal

from thriftscore.errors import InvalidArgument, ModelNotFound, ModelNotReady, ThriftscoreError
from thriftscore.repository.labels import STABLE, Labels
from thriftscore.repository.loading import ServedModel
from thriftscore.repository.names import check_model_name, is_label, parse_version
from thriftscore.repository.traffic import Traffic


class VersionState(Enum):
    """Where a version stands; names and values are those of the contract."""

    UNLOADED = 1
    LOADING = 2
    AVAILABLE = 3
    UNLOADING = 4
    FAILED = 5


@dataclass(frozen=True, slots=True)
class VersionStatus:
    """One version of the repository, as the contract describes it."""

    model_name: str
    version: int
    state: VersionState
    reason: str = ""
    digest: str = ""
    labels: tuple[str, ...] = ()
    is_default: bool = False


@dataclass(frozen=True, slots=True)
class LoadFailure:
    """When to try again to load a version."""

    attempts: int
    """Loads that failed one after the other."""
    retry_at_s: float
    """In time.monotonic()."""
    signature: object
    """What the files looked like; others are worth another try at once."""


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """What is known of a version; `served` is set exactly where the state is AVAILABLE."""

    state: VersionState
    reason: str = ""
    digest: str = ""
    served: ServedModel | None = None
    wish: Literal["load", "unload", ""] = ""
    """What an administrator asked for, which goes before the policy."""
    failure: LoadFailure | None = None
    """The last load of a version that is not served, where it failed."""


@dataclass(frozen=True)
class ModelRecord:
    """All that is known of a model. `targets` has what a request may name: "3", "stable", ""."""

    versions: Mapping[int, VersionRecord] = field(default_factory=dict)
    labels: Labels = field(default_factory=Labels)
    labels_error: str = ""
    """Why the labels on disk cannot be read; those read last stay in force."""
    held: bool = False
    """Whether an administrator unloaded the model: no version is loaded until one is asked for."""
    targets: Mapping[str, ServedModel] = field(init=False)
    traffic: Traffic = field(init=False)

    def __post_init__(self) -> None:
        served = {number: version.served for number, version in self.versions.items()}
        ready = {number: model for number, model in served.items() if model is not None}
        targets = {str(number): model for number, model in ready.items()}
        named = self.labels.versions
        targets |= {label: ready[to] for label, to in named.items() if to in ready}
        default = named.get(STABLE, max(ready, default=0))
        if default in ready:
            targets[""] = ready[default]
        object.__setattr__(self, "targets", targets)
        object.__setattr__(self, "traffic", Traffic.of(self.labels, ready))

    @property
    def unloaded_on_request(self) -> bool:
        """Whether it serves nothing because an administrator wants it so."""
        versions = self.versions.values()
        asked = any(version.wish == "unload" for version in versions)
        none = all(version.state is VersionState.UNLOADED for version in versions)
        return self.held or (asked and none)

    def serves(self, version: int) -> bool:
        """Whether the version is AVAILABLE."""
        return str(version) in self.targets

    def version(self, number: int) -> VersionRecord:
        """What is known of a version; UNLOADED where nothing is."""
        return self.versions.get(number, VersionRecord(VersionState.UNLOADED))

    def with_version(self, number: int, version: VersionRecord) -> ModelRecord:
        """This model with one version replaced or added."""
        return replace(self, versions={**self.versions, number: version})

    def without_versions(self, gone: set[int]) -> ModelRecord:
        """This model without some versions; one that is served stays."""
        kept = {n: v for n, v in self.versions.items() if n not in gone or self.serves(n)}
        return replace(self, versions=kept)

    def with_labels(self, labels: Labels) -> ModelRecord:
        """Take over labels from disk, save those that would replace what works by what does not.

        Where labels that could not be read kept versions from loading, these may try again.
        """
        if labels == self.labels and not self.labels_error:
            return self
        newer = self._with_wishes_of(labels)
        in_force = dict(labels.versions)
        for label, version in labels.versions.items():
            works_now = label in self.targets or (label == STABLE and "" in self.targets)
            if self.serves(version) or not works_now:
                continue
            if label in self.labels.versions:
                in_force[label] = self.labels.versions[label]
            else:  # the newest version was the default, and it still is
                del in_force[label]
        taken = labels.model_copy(update={"versions": in_force})
        return replace(self, versions=newer, labels=taken, labels_error="")

    def _with_wishes_of(self, labels: Labels) -> dict[int, VersionRecord]:
        """The versions; one that a label now names is no longer one that was to be unloaded."""
        versions = dict(self.versions)
        for label, number in labels.versions.items():
            moved = self.labels.versions.get(label) != number
            if moved and number in versions and versions[number].wish == "unload":
                versions[number] = replace(versions[number], wish="")
        if self.labels_error:
            versions = {n: replace(version, failure=None) for n, version in versions.items()}
        return versions


def statuses(name: str, model: ModelRecord) -> list[VersionStatus]:
    """The versions of a model by number."""
    default, labels = model.targets.get(""), model.labels.versions
    return [
        VersionStatus(
            model_name=name,
            version=number,
            state=version.state,
            reason=version.reason or _why_unloaded(model, version),
            digest=version.digest,
            labels=tuple(sorted(label for label, to in labels.items() if to == number)),
            is_default=default is not None and default.version == number,
        )
        for number, version in sorted(model.versions.items())
    ]


def _why_unloaded(model: ModelRecord, version: VersionRecord) -> str:
    if version.state is not VersionState.UNLOADED:
        return ""
    if version.wish == "unload" or model.held:
        return "unloaded on request"
    return "not picked by the version policy, or not loaded yet"


def choose(name: str, version: str, labels: Labels, versions: list[int]) -> int:
    """The number of the version that `version` names among those on disk; "" is the newest."""
    if not version:
        if not versions:
            raise ModelNotFound(f"model '{name}' has no version")
        return versions[-1]
    number = labels.number(version)
    if number is None or number not in versions:
        raise _no_such_version(name, version)
    return number


def why_not(name: str, version: str, model: ModelRecord | None) -> ThriftscoreError:
    """The error for a request that no served version answers."""
    check_model_name(name)
    if model is None:
        return ModelNotFound(f"there is no model '{name}'")
    wanted = version or (STABLE if STABLE in model.labels.versions else "")
    if not wanted:
        return ModelNotReady(f"model '{name}' has no version that is ready")
    number = model.labels.number(wanted)
    known = model.versions.get(number) if number is not None else None
    if known is None:
        return _no_such_version(name, wanted)
    shown = wanted if wanted == str(number) else f"{number} (label '{wanted}')"
    why = known.reason or _why_unloaded(model, known)
    reason = f": {why}" if why else ""
    return ModelNotReady(f"model '{name}' version {shown} is {known.state.name}{reason}")


def _no_such_version(name: str, version: str) -> ThriftscoreError:
    if parse_version(version) or is_label(version):
        return ModelNotFound(f"model '{name}' has no version or label '{version}'")
    return InvalidArgument(
        f"version {version[:140]!a} of model '{name}' is neither a number (1, 2, 3, ...)"
        " nor a label"
    )
