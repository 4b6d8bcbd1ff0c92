# SPDX-License-Identifier: Apache-2.0
"""Which versions of a model are loaded without being asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from thriftscore.errors import InvalidArgument
from thriftscore.repository.labels import Labels
from thriftscore.repository.names import parse_version
from thriftscore.repository.snapshot import ModelRecord

POLICY_SYNTAX = "'all', 'latest N', or version numbers such as '3, 7'"
_LATEST = re.compile("latest ([1-9][0-9]{0,5})")


@dataclass(frozen=True, slots=True)
class VersionPolicy:
    """All versions, the latest ones that can be served, or those that are listed."""

    latest: int | None = None
    """How many of the newest versions; None = no such bound."""
    numbers: frozenset[int] | None = None
    """The versions that are listed; None = no list."""

    @classmethod
    def parse(cls, text: str) -> VersionPolicy:
        """Read 'all', 'latest N' or '3, 7'. Raises InvalidArgument."""
        words = " ".join(text.split())
        if words == "all":
            return cls()
        if match := _LATEST.fullmatch(words):
            return cls(latest=int(match[1]))
        numbers = [parse_version(number.strip()) for number in words.split(",")]
        known = frozenset(number for number in numbers if number is not None)
        if len(known) < len(numbers):
            raise InvalidArgument(f"version policy {text[:140]!a}: expected {POLICY_SYNTAX}")
        return cls(numbers=known)

    def picks(self, number: int, model: ModelRecord) -> bool:
        """Whether a version is to be served, from what is served at present.

        A version is among the latest N while fewer than N newer ones are served: one that cannot
        be loaded takes no other's place.
        """
        if self.numbers is not None:
            return number in self.numbers
        if self.latest is None:
            return True
        newer = (other for other in model.versions if other > number and model.serves(other))
        return sum(1 for _ in newer) < self.latest


@dataclass(frozen=True)
class Policies:
    """A policy for each model, and one for the models that have none of their own."""

    default: VersionPolicy = VersionPolicy()
    by_model: Mapping[str, VersionPolicy] = field(default_factory=dict)

    def of(self, name: str) -> VersionPolicy:
        """The policy of a model."""
        return self.by_model.get(name, self.default)

    def wants(self, name: str, number: int, model: ModelRecord, published: Labels) -> bool:
        """Whether a version of the model `name` is to be served.

        What an administrator asked for goes first; then what `published`, the labels on disk, or
        those in force name; then the policy.
        """
        wish = model.version(number).wish
        if wish or model.held:
            return wish == "load"
        if number in published.numbers() or number in model.labels.numbers():
            return True
        return self.of(name).picks(number, model)


ALL_VERSIONS = Policies()
