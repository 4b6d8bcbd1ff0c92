# SPDX-License-Identifier: Apache-2.0
"""`labels.json`: names such as "stable" for versions of a model, and who gets which version.

    {"stable": 3, "canary": 4,
     "$split": {"stable": 95, "canary": 5},
     "$shadow": "candidate",
     "$history": [{"at": "2026-05-01T12:00:00Z", "label": "stable", "before": 2, "after": 3,
                   "change": "set"}]}

A key is a label, or one of the three that no label can be called. Only labels are required.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import from_json, to_json

from thriftscore.errors import InvalidArgument, ModelNotFound, ModelRefused
from thriftscore.repository.files import Directory
from thriftscore.repository.names import VERSION_MAX, is_label, parse_version

LABELS_FILE = "labels.json"
STABLE = "stable"
"""The label that a request without a version gets, where it is set."""
LABELS_MAX = 1_000
HISTORY_MAX = 32
"""Changes that are kept, the newest ones."""

_LABELS_BYTES_MAX = 1 << 20
_SPLIT_MAX = 16
_TEMPORARY_FILE = f".{LABELS_FILE}.new"
_SETTINGS = ("split", "shadow", "history")

VersionNumber = Annotated[int, Field(strict=True, ge=1, le=VERSION_MAX)]
Weight = Annotated[int, Field(strict=True, ge=0, le=1_000_000)]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LabelChange(_Record):
    """One change of a label: from the version `before` (None = it was not set) to `after`."""

    at: datetime
    label: str
    before: VersionNumber | None
    after: VersionNumber | None
    change: Literal["set", "rollback", "remove"]


class Labels(_Record):
    """The content of `labels.json`. Immutable: each change makes a new one."""

    versions: Annotated[dict[str, VersionNumber], Field(max_length=LABELS_MAX)] = {}
    """The version that each label names."""
    split: Annotated[dict[str, Weight], Field(max_length=_SPLIT_MAX)] = {}
    """Weights by which requests without a version are spread over labels or versions."""
    shadow: str = ""
    """The label or version that scores what the default scores, to be compared; "" = none."""
    history: tuple[LabelChange, ...] = ()
    """What happened to the labels, the oldest first."""

    @field_validator("versions")
    @classmethod
    def _check_labels(cls, versions: dict[str, int]) -> dict[str, int]:
        for label, version in versions.items():
            if not is_label(label):
                raise ValueError(f"{label[:140]!a}: {version} is not a label and its version")
        return versions

    @field_validator("split")
    @classmethod
    def _check_split(cls, split: dict[str, int]) -> dict[str, int]:
        for target in split:
            _check_target(target)
        if split and not any(split.values()):
            raise ValueError("expected a weight above 0")
        return split

    @field_validator("shadow")
    @classmethod
    def _check_shadow(cls, shadow: str) -> str:
        return _check_target(shadow) if shadow else shadow

    @property
    def settings(self) -> tuple[dict[str, int], dict[str, int], str]:
        """What is in force: all but the history."""
        return self.versions, self.split, self.shadow

    def number(self, target: str) -> int | None:
        """The version that a number or a label names; None for a label that is not set."""
        return parse_version(target) or self.versions.get(target)

    def numbers(self) -> set[int]:
        """The versions that are needed for all of this to work."""
        targets = (self.number(target) for target in (*self.split, self.shadow))
        return set(self.versions.values()) | {to for to in targets if to is not None}

    def with_label(self, label: str, version: int) -> Self:
        """These labels with `label` naming `version`."""
        return self._changed(label, version, "set")

    def without_label(self, label: str) -> Self:
        """These labels without `label`. Raises ModelNotFound where it is not set."""
        if label not in self.versions:
            raise ModelNotFound(f"there is no label '{label}'")
        return self._changed(label, None, "remove")

    def rolled_back(self, label: str, usable: Container[int]) -> Self:
        """These labels with `label` naming what it named before; done again, what it named earlier.

        Raises ModelNotFound where it named no version before that is `usable`.
        """
        return self._changed(label, self.previous(label, usable), "rollback")

    def previous(self, label: str, usable: Container[int]) -> int:
        """The version to which a rollback would move `label`. Raises ModelNotFound for none."""
        before: list[int | None] = []
        for change in self.history:
            if change.label != label:
                continue
            if change.change == "rollback":
                while before and before.pop() != change.after:
                    pass
            else:
                before.append(change.before)
        versions = [version for version in before if version is not None and version in usable]
        if not versions:
            raise ModelNotFound(f"the label '{label}' has no version to go back to")
        return versions[-1]

    def with_split(self, split: Mapping[str, int]) -> Self:
        """These labels with requests spread by `split`; empty = all go to the default version.

        Raises InvalidArgument for a target or a weight that cannot be.
        """
        return self._with(split=dict(split))

    def with_shadow(self, shadow: str) -> Self:
        """These labels with `shadow` scoring what is scored; "" = none. Raises InvalidArgument."""
        return self._with(shadow=shadow)

    def _with(self, **settings: object) -> Self:
        try:
            return self.model_validate(self.model_dump() | settings)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            place = ": ".join(str(part) for part in first["loc"])
            raise InvalidArgument(
                f"{place}: {ascii(first['input'])[:140]}: {first['msg']}"
            ) from None

    def _changed(
        self, label: str, after: int | None, change: Literal["set", "rollback", "remove"]
    ) -> Self:
        versions = {name: to for name, to in self.versions.items() if name != label}
        before = self.versions.get(label)
        if after is not None:
            versions[label] = after
        if before == after:
            return self
        entry = LabelChange(
            at=datetime.now(UTC), label=label, before=before, after=after, change=change
        )
        history = (*self.history, entry)[-HISTORY_MAX:]
        return self.model_copy(update={"versions": versions, "history": history})

    def encode(self) -> bytes:
        """As the bytes of `labels.json`."""
        content: dict[str, Any] = dict(sorted(self.versions.items()))
        settings = {f"${name}": getattr(self, name) for name in _SETTINGS}
        content |= {key: value for key, value in settings.items() if value}
        return to_json(content, indent=2) + b"\n"

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read `labels.json`. Raises ValueError saying what is wrong."""
        try:
            content = from_json(data)
        except ValueError as error:
            raise ValueError(f"is not JSON: {error}") from error
        if not isinstance(content, dict):
            raise ValueError(f"holds {type(content).__name__}, expected an object")  # noqa: TRY004
        settings = {f"${name}": name for name in _SETTINGS}
        fields = {settings[key]: value for key, value in content.items() if key in settings}
        labels = {key: value for key, value in content.items() if key not in settings}
        try:
            return cls.model_validate({"versions": labels, **fields})
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            received = ascii(first["input"])[:140]
            raise ValueError(f"has {first['loc'][-1]!a}: {received}: {first['msg']}") from error


@contextmanager
def locked(model: Directory) -> Iterator[None]:
    """Hold the lock of a model's directory: one writer at a time, freed when its holder dies."""
    fcntl.flock(model.descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(model.descriptor, fcntl.LOCK_UN)


def read_labels(model: Directory) -> Labels:
    """The labels of a model; none where the file is absent. Raises ModelRefused."""
    try:
        data = model.read(LABELS_FILE, _LABELS_BYTES_MAX)
    except FileNotFoundError:
        return Labels()
    try:
        return Labels.decode(data)
    except ValueError as error:
        raise ModelRefused(f"'{model.path / LABELS_FILE}' {error}") from error


def change_labels(model: Directory, change: Callable[[Labels], Labels]) -> Labels:
    """Replace the labels of a model by `change` of them, atomically; return the new ones.

    Raises ModelRefused where the present ones cannot be read, OSError where writing fails.
    """
    with locked(model):
        before = read_labels(model)
        labels = change(before)
        if labels == before:
            return labels
        model.remove(_TEMPORARY_FILE)  # of a writer that died
        model.write(_TEMPORARY_FILE, labels.encode())
        model.rename(_TEMPORARY_FILE, LABELS_FILE)
    return labels


def _check_target(target: str) -> str:
    if not is_label(target) and parse_version(target) is None:
        raise ValueError(f"{target[:140]!a} is neither a version nor a label")
    return target
