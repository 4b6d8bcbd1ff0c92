# SPDX-License-Identifier: Apache-2.0
"""Rows to compare a native model with its source on, where the user gave none.

They are always the same for the same model, and lie where it decides: around its scalers' means,
exactly at thresholds of its trees, on its categories.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from thriftscore.importers.native_model import NativeModel
from thriftscore.importers.stages import (
    Binarize,
    Chain,
    Clip,
    Concat,
    Dense,
    Doubles,
    Impute,
    OneHot,
    Scale,
    Select,
    Stage,
    Sum,
    TreeEnsemble,
)
from thriftscore.importers.trees import CATEGORICAL

_ROWS = 256
_SEED = 20_240_229
_MISSING_SHARE = 0.05


@dataclass
class _Feature:
    """What is known of where a feature's values lie."""

    mean: float = 0.0
    spread: float = 1.0
    known: bool = False
    special: list[float] = field(default_factory=list)
    categories: set[float] = field(default_factory=set)


@dataclass(frozen=True)
class _Column:
    """A column that is mean + scale * a feature, the other way round."""

    feature: _Feature
    mean: float = 0.0
    scale: float = 1.0


_Columns = Sequence[_Column | None]


def seeded_rows(model: NativeModel, *, missing: bool = False) -> Doubles:
    """Rows of (256, features); some values are NaN where `missing` values are wanted."""
    features = [_Feature() for _ in model.features]
    _walk(model.stages, [_Column(feature) for feature in features])
    for name, texts in model.categories.items():
        feature = features[model.features.index(name)]
        feature.categories = {float(index) for index in range(len(texts))}
    random = np.random.default_rng(_SEED)
    rows = random.standard_normal((_ROWS, len(features)))
    rows[0] = 0.0
    rows[-_ROWS // 8 :] *= 3.0
    for index, feature in enumerate(features):
        rows[:, index] = _values(feature, rows[:, index], random)
    if missing:
        rows[random.random(rows.shape) < _MISSING_SHARE] = np.nan
    return rows


def _values(feature: _Feature, normal: Doubles, random: np.random.Generator) -> Doubles:
    if feature.categories:
        return random.choice(sorted(feature.categories), _ROWS)
    special = np.asarray(feature.special)
    special = special[np.isfinite(special)]
    if not feature.known and len(special):
        feature.mean, feature.spread = float(np.median(special)), float(special.std())
    values = np.asarray(feature.mean + (feature.spread or 1.0) * normal)
    if len(special):
        chosen = random.random(_ROWS) < 0.5
        values = np.where(chosen, random.choice(special, _ROWS), values)
    return values


def _walk(chain: Chain, columns: _Columns) -> _Columns:
    for stage in chain:
        columns = _look(stage, columns)
    return columns


def _look(  # noqa: C901 - one case for each stage
    stage: Stage, columns: _Columns
) -> _Columns:
    """Learn from one stage; returns the columns after it, None where they are something else."""
    match stage:
        case Scale():
            return [
                _scaled(c, *values)
                for c, *values in zip(columns, stage.mean, stage.scale, strict=True)
            ]
        case Select():
            return [columns[index] for index in stage.columns]
        case Concat():
            return [column for branch in stage.branches for column in _walk(branch, columns)]
        case Sum():
            for branch in stage.branches:
                _walk(branch, columns)
        case TreeEnsemble():
            _look_at_trees(stage, columns)
        case OneHot():
            for index, column in enumerate(columns):
                if column is not None:
                    begin, end = stage.offsets[index : index + 2]
                    values = stage.categories[begin:end]
                    column.feature.categories |= set(values[np.isfinite(values)].tolist())
        case Dense():
            _look_at_weights(stage, columns)
        case Binarize():
            _add(columns, stage.thresholds)
        case Clip():
            _add(columns, stage.low)
            _add(columns, stage.high)
            return columns
        case Impute():
            if stage.missing is not None:
                _add(columns, np.full(len(columns), stage.missing))
            return columns
    return [None] * stage.width(len(columns))


def _scaled(column: _Column | None, mean: float, scale: float) -> _Column | None:
    if column is None:
        return None
    mean, scale = column.mean + column.scale * mean, column.scale * scale
    if not column.feature.known:
        column.feature.mean, column.feature.spread = mean, scale
        column.feature.known = True
    return _Column(column.feature, mean, scale)


def _add(columns: _Columns, values: Doubles) -> None:
    for column, value in zip(columns, values, strict=True):
        if column is not None:
            column.feature.special.append(column.mean + column.scale * float(value))


def _look_at_trees(stage: TreeEnsemble, columns: _Columns) -> None:
    for feature in np.unique(stage.features[stage.features >= 0]):
        column = columns[feature]
        if column is None:
            continue
        used = stage.features == feature
        categorical = (stage.flags & CATEGORICAL) != 0
        thresholds = stage.thresholds[used & ~categorical]
        column.feature.special.extend((column.mean + column.scale * thresholds).tolist())
        if (used & categorical).any():
            column.feature.categories |= set(_members(stage, used & categorical))


def _members(stage: TreeEnsemble, nodes: np.ndarray) -> Sequence[float]:
    """Every category up to the largest that is listed, and one more that is not."""
    assert stage.category_offsets is not None
    sets = stage.thresholds[nodes].astype(np.int64)
    words = stage.category_offsets[sets + 1] - stage.category_offsets[sets]
    return [float(number) for number in range(32 * int(words.max()) + 1)]


def _look_at_weights(stage: Dense, columns: _Columns) -> None:
    """Where there is no scaler, a large weight says that the feature is small."""
    largest = np.maximum(1.0, np.abs(stage.weights).max(axis=0))
    for column, weight in zip(columns, largest, strict=True):
        if column is not None and not column.feature.known:
            column.feature.spread = min(column.feature.spread, 1.0 / float(weight))
