# SPDX-License-Identifier: Apache-2.0
"""LightGBM models in their text form, version 3 and 4. LightGBM computes in double."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from thriftscore.errors import ModelRefused
from thriftscore.importers.native_model import NativeModel, Task
from thriftscore.importers.stages import Chain, Dense, Doubles, Link, LinkFunction, Scale
from thriftscore.importers.trees import (
    CATEGORICAL,
    LEAF,
    MISSING_LEFT,
    NAN_IS_ZERO,
    ZERO_IS_MISSING,
    Combination,
    Tree,
    forest,
    thresholds_before,
)

_LINKS: dict[str, LinkFunction] = {
    **dict.fromkeys(
        [
            *("regression", "regression_l1", "regression_l2", "l1", "l2", "huber", "fair"),
            *("quantile", "mape", "lambdarank", "rank_xendcg", "custom", "none"),
        ],
        "identity",
    ),
    **dict.fromkeys(["binary", "multiclassova", "cross_entropy"], "sigmoid"),
    **dict.fromkeys(["poisson", "gamma", "tweedie"], "exp"),
    "cross_entropy_lambda": "softplus",
    "multiclass": "softmax",
}
_MISSING_ZERO, _MISSING_NAN = 1, 2
_ZERO_MAX = float(np.float32(1e-35))
_PANDAS_CATEGORIES = "pandas_categorical:"


@dataclass(frozen=True)
class _Header:
    """The lines before the first tree."""

    values: Mapping[str, str]
    objective: str
    parameters: Mapping[str, str]

    @property
    def outputs(self) -> int:
        """Trees of an iteration, and raw scores of a row."""
        return int(self.values.get("num_tree_per_iteration", "1"))

    @property
    def features(self) -> tuple[str, ...]:
        """Names, in row order."""
        return tuple(self.values["feature_names"].split(" "))


def read_lightgbm(data: str) -> NativeModel:
    """Understand the text of a booster. Raises ModelRefused."""
    try:
        return _understand(data)
    except (KeyError, IndexError, TypeError, ValueError, RecursionError) as error:
        if isinstance(error, ModelRefused):
            raise
        raise ModelRefused(f"not a LightGBM model: {type(error).__name__}: {error}") from error


def _understand(data: str) -> NativeModel:
    body, _, rest = data.partition("\nend of trees")
    first, *blocks = body.split("\nTree=")
    header = _header(first)
    if not blocks:
        raise ModelRefused("the booster has no trees")
    trees = [_tree(_fields(block)) for block in blocks]
    outputs = [index % header.outputs for index in range(len(trees))]
    stages: Chain = (
        forest(trees, Combination(np.zeros(header.outputs), tree_outputs=outputs)),
        *_average(header, len(trees)),
        *_answer(header),
    )
    classes, task = _classes(header)
    return NativeModel(header.features, task, stages, classes, _categories(header, rest))


def _fields(block: str) -> dict[str, str]:
    lines = (line.partition("=") for line in block.splitlines())
    return {name: value for name, _, value in lines}


def _header(text: str) -> _Header:
    values = _fields(text)
    name, *options = values.get("objective", "none").split(" ")
    if name not in _LINKS:
        raise ModelRefused(f"objective {name} is not supported")
    pairs = (option.partition(":") for option in options)
    return _Header(values, name, {key: value for key, _, value in pairs})


def _average(header: _Header, trees: int) -> Chain:
    """Random forests give the mean over iterations."""
    if "average_output" not in header.values:
        return ()
    return (Scale(np.zeros(header.outputs), np.full(header.outputs, trees / header.outputs)),)


def _answer(header: _Header) -> Chain:
    if header.objective.startswith("regression") and "sqrt" in header.parameters:
        return (Link("square_signed"),)
    link = _LINKS[header.objective]
    steepness = float(header.parameters.get("sigmoid", "1"))
    links: Chain = (Link(link),) if link != "identity" else ()
    if link == "sigmoid" and steepness != 1.0:
        return (Dense(np.eye(header.outputs) * steepness, np.zeros(header.outputs)), *links)
    return links


def _classes(header: _Header) -> tuple[tuple[str, ...], Task]:
    if header.objective == "binary":
        return ("0", "1"), "binary_classification"
    if header.objective.startswith("multiclass"):
        return tuple(str(index) for index in range(header.outputs)), "multiclass_classification"
    return (), "regression"


def _categories(header: _Header, rest: str) -> dict[str, tuple[str, ...]]:
    """Names of the categories where the booster was trained on text columns of a data frame."""
    line = next((line for line in rest.splitlines() if line.startswith(_PANDAS_CATEGORIES)), None)
    found = json.loads(line.removeprefix(_PANDAS_CATEGORIES)) if line is not None else None
    if not found:
        return {}
    # Ranges are "[0:1]" for numbers, "0:2:1" for categories and "none" for what is never used.
    infos = header.values["feature_infos"].split(" ")
    pairs = zip(header.features, infos, strict=True)
    names = [name for name, info in pairs if not info.startswith(("[", "none"))]
    texts = [values for values in found if all(isinstance(value, str) for value in values)]
    if len(texts) != len(found) or len(names) != len(found):
        raise ModelRefused(
            "categories of a pandas column that are not texts, or of a feature that no tree uses,"
            " are not supported; train on their codes"
        )
    return {name: tuple(values) for name, values in zip(names, texts, strict=True)}


def _numbers(fields: Mapping[str, str], name: str) -> Doubles:
    text = fields.get(name, "")
    return np.asarray(text.split(" ") if text else [], np.float64)


def _tree(fields: Mapping[str, str]) -> Tree:
    """Inner nodes first, then the leaves; a child below 0 is the leaf of its complement."""
    if int(fields.get("is_linear", "0")):
        raise ModelRefused("trees with linear leaves (linear_tree) are not supported")
    leaves = int(fields["num_leaves"])
    values = _numbers(fields, "leaf_value")
    inner = leaves - 1
    decisions = _integers(fields, "decision_type")
    if len(values) != leaves or len(decisions) != inner:
        raise ModelRefused(f"a tree of {leaves} leaves has {len(values)} leaf values")
    categorical = (decisions & 1) != 0
    thresholds = _numbers(fields, "threshold")
    tiny = (np.abs(thresholds) <= _ZERO_MAX) & ~categorical
    thresholds[tiny] = thresholds_before(_without_tiny, thresholds[tiny])
    nowhere = np.zeros(leaves, np.int64)
    return Tree(
        features=np.concatenate([_integers(fields, "split_feature"), nowhere + LEAF]),
        thresholds=np.concatenate([thresholds, np.zeros(leaves)]),
        left=np.concatenate([_children(fields, "left_child", inner), nowhere]),
        right=np.concatenate([_children(fields, "right_child", inner), nowhere]),
        flags=np.concatenate([_flags(decisions), nowhere]).astype(np.uint8),
        values=np.concatenate([np.zeros(inner), values]),
        sets=_category_sets(fields) if categorical.any() else (),
    )


def _without_tiny(values: Doubles) -> Doubles:
    """What LightGBM keeps of a row: values next to zero count as zero."""
    return np.where(np.abs(values) <= _ZERO_MAX, 0.0, values)


def _integers(fields: Mapping[str, str], name: str) -> np.ndarray:
    return _numbers(fields, name).astype(np.int64)


def _children(fields: Mapping[str, str], name: str, inner: int) -> np.ndarray:
    children = _integers(fields, name)
    return np.where(children < 0, inner + ~children, children)


def _flags(decisions: np.ndarray) -> np.ndarray:
    """A NaN is missing where the type says so, 0 elsewhere, and goes right at a category test."""
    missing = (decisions >> 2) & 3
    flags = np.where(decisions & 2, MISSING_LEFT, 0)
    flags |= np.where(missing == _MISSING_ZERO, ZERO_IS_MISSING, 0)
    flags |= np.where((missing != _MISSING_ZERO) & (missing != _MISSING_NAN), NAN_IS_ZERO, 0)
    return np.where(decisions & 1, CATEGORICAL, flags)


def _category_sets(fields: Mapping[str, str]) -> Sequence[np.ndarray]:
    bounds = _integers(fields, "cat_boundaries")
    words = _integers(fields, "cat_threshold")
    sets = []
    for begin, end in pairwise(bounds):
        bits = (words[begin:end, None] >> np.arange(32)) & 1
        sets.append(np.flatnonzero(bits.reshape(-1)))
    return sets
