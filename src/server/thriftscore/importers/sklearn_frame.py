# SPDX-License-Identifier: Apache-2.0
"""What is known of the columns on their way through a scikit-learn pipeline."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from thriftscore.errors import ModelRefused
from thriftscore.importers.stages import (
    Chain,
    Concat,
    Doubles,
    Impute,
    Select,
    Stage,
    TreeEnsemble,
    width,
)
from thriftscore.importers.trees import (
    CATEGORICAL,
    MISSING_LEFT,
    NAN_IS_ZERO,
    ZERO_IS_MISSING,
    on_columns,
    thresholds_before,
)

Monotone = Callable[[Doubles], Doubles]
Fitted: TypeAlias = Any
"""An object of a source framework, which has no types that say what it holds."""
_NO_THRESHOLD = CATEGORICAL | ZERO_IS_MISSING
"""Tests that no threshold before a rising function can stand for."""


class Texts:
    """The texts that stand in a feature, as the numbers that rows have in their place."""

    def __init__(self) -> None:
        self.by_feature: dict[int, list[str]] = {}

    def number(self, value: object, feature: int | None) -> float:
        """What rows have where the data frame had `value`; NaN for a missing one."""
        if isinstance(value, str):
            if feature is None:
                raise ModelRefused(f"the text '{value}' is compared with a computed column")
            known = self.by_feature.setdefault(feature, [])
            if value not in known:
                known.append(value)
            return float(known.index(value))
        if value is None:
            return math.nan
        return float(cast("float", value))


@dataclass(frozen=True)
class Column:
    """One column: the feature whose own values it has, and what rising functions came after."""

    origin: int | None = None
    transforms: tuple[Monotone, ...] = ()


@dataclass(frozen=True)
class Frame:
    """Columns that `chain` computes from the features.

    `unscaled` computes the same columns without the functions at their end that only rise: trees
    take those into their thresholds, where nothing is rounded.
    """

    columns: tuple[Column, ...]
    texts: Texts
    chain: Chain = ()
    unscaled: Chain = ()

    @classmethod
    def of(cls, features: int, texts: Texts) -> Frame:
        """The features themselves."""
        return cls(tuple(Column(index) for index in range(features)), texts)

    @property
    def width(self) -> int:
        """How many columns there are."""
        return len(self.columns)

    def then(self, *stages: Stage, origins: Sequence[int | None] | None = None) -> Frame:
        """These columns after stages that may do anything."""
        chain = (*self.chain, *stages)
        after = width(stages, self.width)
        columns = tuple(Column(origin) for origin in origins or [None] * after)
        return replace(self, columns=columns, chain=chain, unscaled=chain)

    def rising(self, stage: Stage, transforms: Sequence[Monotone]) -> Frame:
        """These columns after a stage that applies one rising function to each."""
        columns = tuple(
            Column(None, (*column.transforms, transform))
            for column, transform in zip(self.columns, transforms, strict=True)
        )
        return replace(self, columns=columns, chain=(*self.chain, stage))

    def imputed(self, stage: Impute) -> Frame:
        """These columns with their missing values filled."""
        return self.then(stage, origins=[column.origin for column in self.columns])

    def selected(self, indices: Sequence[int]) -> Frame:
        """Some of the columns."""
        if list(indices) == list(range(self.width)):
            return self
        stage = Select(np.asarray(indices, np.int64))
        return replace(
            self,
            columns=tuple(self.columns[index] for index in indices),
            chain=_select(self.chain, stage),
            unscaled=_select(self.unscaled, stage),
        )

    def fresh(self) -> Frame:
        """The same columns as if they were the input, for a branch that starts from them."""
        columns = tuple(Column(column.origin) for column in self.columns)
        return replace(self, columns=columns, chain=(), unscaled=())

    def joined(self, branches: Sequence[Frame]) -> Frame:
        """Side by side what branches made of these columns."""
        columns = tuple(column for branch in branches for column in branch.columns)
        return replace(
            self,
            columns=columns,
            chain=(*self.chain, *_concat([branch.chain for branch in branches], self.width)),
            unscaled=(*self.chain, *_concat([branch.unscaled for branch in branches], self.width)),
        )

    def trees(self, stage: TreeEnsemble) -> Chain:
        """Trees on these columns, as a chain from the features."""
        if not any(column.transforms for column in self.columns):
            return _on_selection(self.chain, stage)
        if (stage.flags & _NO_THRESHOLD).any():
            return (*self.chain, stage)
        thresholds, flags = stage.thresholds.copy(), stage.flags.copy()
        for index, column in enumerate(self.columns):
            tested = stage.features == index
            if column.transforms:
                flags[tested] = _missing_as_zero(stage.flags[tested], thresholds[tested])
            for transform in reversed(column.transforms):
                thresholds[tested] = thresholds_before(transform, thresholds[tested])
        return _on_selection(self.unscaled, replace(stage, thresholds=thresholds, flags=flags))


def _missing_as_zero(flags: NDArray[np.uint8], thresholds: Doubles) -> NDArray[np.uint8]:
    """Where a scaled NaN is 0, a NaN goes where a scaled 0 goes."""
    zero = (flags & NAN_IS_ZERO) != 0
    direction = np.where(thresholds >= 0, MISSING_LEFT, 0).astype(np.uint8)
    return np.where(zero, direction, flags).astype(np.uint8)


def _select(chain: Chain, stage: Select) -> Chain:
    """A chain with a selection after it; two selections in a row are one."""
    if chain and isinstance(chain[-1], Select):
        return (*chain[:-1], Select(np.asarray(chain[-1].columns, np.int64)[stage.columns]))
    return (*chain, stage)


def _on_selection(chain: Chain, stage: TreeEnsemble) -> Chain:
    """Trees read the columns that they need, so that a selection before them is not needed."""
    if chain and isinstance(chain[-1], Select):
        return (*chain[:-1], on_columns(stage, np.asarray(chain[-1].columns, np.int64)))
    return (*chain, stage)


def _concat(branches: Sequence[Chain], columns: int) -> Chain:
    if len(branches) == 1:
        return branches[0]
    selections = [_selection(branch, columns) for branch in branches]
    known = [selection for selection in selections if selection is not None]
    if len(known) < len(branches):
        return (Concat(tuple(branches)),)
    indices = np.concatenate(known)
    return () if np.array_equal(indices, np.arange(columns)) else (Select(indices),)


def _selection(branch: Chain, columns: int) -> np.ndarray | None:
    if not branch:
        return np.arange(columns)
    stage = branch[0]
    return np.asarray(stage.columns) if len(branch) == 1 and isinstance(stage, Select) else None
