# SPDX-License-Identifier: Apache-2.0
"""Who answers the requests that name no version, and who scores their rows for comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from thriftscore import _native
from thriftscore.repository.labels import Labels
from thriftscore.repository.loading import ServedModel


@dataclass(frozen=True, slots=True)
class Traffic:
    """Where the requests go that name no version. Immutable; for any number of threads."""

    split: tuple[tuple[ServedModel, int], ...] = ()
    """Versions that are ready and their weights, above 0; empty = the default gets all."""
    shadow: ServedModel | None = None
    """Scores what these requests are answered with as well; None where it is not ready."""
    _weights: _native.Split | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        if self.split:
            weights = _native.Split([weight for _, weight in self.split])
            object.__setattr__(self, "_weights", weights)

    @classmethod
    def of(cls, labels: Labels, ready: Mapping[int, ServedModel]) -> Self:
        """What the labels of a model say, as far as their versions are ready.

        The order is that of the targets' names, so that every server chooses alike.
        """
        weighted = [
            (ready.get(labels.number(target) or 0), weight)
            for target, weight in sorted(labels.split.items())
        ]
        split = tuple((served, weight) for served, weight in weighted if served and weight)
        return cls(split, ready.get(labels.number(labels.shadow) or 0))

    def choose(self, request_id: str | None) -> ServedModel | None:
        """Who answers a request: always the same version for an id; None = the default."""
        if self._weights is None:
            return None
        position = self._weights.pick((request_id or "").encode("utf-8", "surrogatepass"))
        return self.split[position][0]
