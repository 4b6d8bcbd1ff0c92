# SPDX-License-Identifier: Apache-2.0
"""XGBoost models, as https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html says.

XGBoost compares and adds in single precision; so does the stage that its trees become.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from thriftscore.errors import ModelRefused
from thriftscore.importers.native_model import NativeModel, Task
from thriftscore.importers.stages import (
    Binarize,
    Chain,
    Dense,
    Doubles,
    Impute,
    Link,
    LinkFunction,
    Stage,
    TreeEnsemble,
)
from thriftscore.importers.trees import (
    CATEGORICAL,
    LEAF,
    MISSING_LEFT,
    NAN_IS_MISSING,
    STRICT,
    Combination,
    Tree,
    forest,
    single_precision,
)

_LINKS: dict[str, LinkFunction] = {
    **dict.fromkeys(
        [
            *("reg:squarederror", "reg:linear", "reg:squaredlogerror", "reg:pseudohubererror"),
            *("reg:absoluteerror", "reg:quantileerror", "reg:expectileerror", "binary:logitraw"),
            *("rank:pairwise", "rank:ndcg", "rank:map", "binary:hinge"),
        ],
        "identity",
    ),
    **dict.fromkeys(["reg:logistic", "binary:logistic"], "sigmoid"),
    **dict.fromkeys(
        [
            *("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft"),
        ],
        "exp",
    ),
    **dict.fromkeys(["multi:softprob", "multi:softmax"], "softmax"),
}
_ALWAYS_LEFT = 16_777_216
"""Categories from here on, and negative ones, are unknown to XGBoost and go left."""


@dataclass(frozen=True)
class _Learner:
    """The parts of `learner` that every booster needs."""

    objective: str
    link: LinkFunction
    features: int
    outputs: int
    base: Doubles


def read_xgboost(data: str) -> NativeModel:
    """Understand the JSON form of a booster. Raises ModelRefused."""
    try:
        root = json.loads(data)
        return _understand(root["learner"])
    except (KeyError, IndexError, TypeError, ValueError, RecursionError) as error:
        if isinstance(error, ModelRefused):
            raise
        raise ModelRefused(f"not an XGBoost model: {type(error).__name__}: {error}") from error


def _understand(learner: Mapping[str, Any]) -> NativeModel:
    known = _learner(learner)
    booster = learner["gradient_booster"]
    readers = {"gbtree": _gbtree, "dart": _dart, "gblinear": _gblinear}
    if booster["name"] not in readers:
        raise ModelRefused(f"booster {booster['name']} is not supported")
    stages = (*readers[booster["name"]](booster, known), *_answer(known))
    classes, task = _classes(known)
    names = tuple(learner.get("feature_names") or ())
    features = names or tuple(f"f{index}" for index in range(known.features))
    threshold = 0.0 if known.objective == "binary:logitraw" else None
    categories = _categories(booster, features)
    return NativeModel(features, task, stages, classes, categories, threshold)


def _categories(
    booster: Mapping[str, Any], features: tuple[str, ...]
) -> dict[str, tuple[str, ...]]:
    """The categories of a data frame's columns, by whose numbers the trees decide."""
    model = booster.get("gbtree", booster).get("model", {})
    found = {}
    for name, encoded in zip(features, model.get("cats", {}).get("enc", ())):  # noqa: B905
        if not encoded["values"]:
            continue
        if "offsets" in encoded:
            text = bytes(encoded["values"])
            names = [text[begin:end].decode() for begin, end in pairwise(encoded["offsets"])]
        else:
            names = [f"{value:g}" for value in encoded["values"]]
        found[name] = tuple(names)
    return found


def _learner(learner: Mapping[str, Any]) -> _Learner:
    parameters, objective = learner["learner_model_param"], learner["objective"]["name"]
    if objective not in _LINKS:
        raise ModelRefused(f"objective {objective} is not supported")
    outputs = max(int(parameters["num_class"]), int(parameters.get("num_target", 1)), 1)
    written = re.findall(r"[^\[\],\s]+", parameters["base_score"])
    scores = np.asarray([float(text) for text in written], np.float32)
    if len(scores) not in {1, outputs}:
        raise ModelRefused(f"base_score has {len(scores)} values for {outputs} outputs")
    return _Learner(
        objective=objective,
        link=_LINKS[objective],
        features=int(parameters["num_feature"]),
        outputs=outputs,
        base=np.broadcast_to(_margin(objective, scores), (outputs,)).astype(np.float64),
    )


def _margin(objective: str, scores: np.ndarray) -> np.ndarray:
    """What the sum starts from, in single precision as XGBoost computes it."""
    if _LINKS[objective] == "sigmoid":
        return -_log(np.float32(1) / scores - np.float32(1))
    return _log(scores) if _LINKS[objective] == "exp" else scores


def _log(values: np.ndarray) -> np.ndarray:
    """Rounded once, as that of the C library and unlike NumPy's float32 logarithm."""
    return np.log(values.astype(np.float64)).astype(np.float32)


def _answer(known: _Learner) -> Chain:
    if known.objective == "binary:hinge":
        return (Binarize(np.zeros(known.outputs)),)
    return (Link(known.link),) if known.link != "identity" else ()


def _classes(known: _Learner) -> tuple[tuple[str, ...], Task]:
    if known.objective.startswith("binary:") and known.outputs == 1:
        return ("0", "1"), "binary_classification"
    if known.objective.startswith("multi:"):
        return tuple(str(index) for index in range(known.outputs)), "multiclass_classification"
    return (), "regression"


def _gbtree(booster: Mapping[str, Any], known: _Learner) -> tuple[Stage, ...]:
    return (_trees(booster["model"], known, None),)


def _dart(booster: Mapping[str, Any], known: _Learner) -> tuple[Stage, ...]:
    weights = np.asarray(booster["weight_drop"], np.float32)
    return (_trees(booster["gbtree"]["model"], known, weights),)


def _gblinear(booster: Mapping[str, Any], known: _Learner) -> tuple[Stage, ...]:
    values = np.asarray(booster["model"]["weights"], np.float32).astype(np.float64)
    if values.size != (known.features + 1) * known.outputs:
        raise ModelRefused(f"gblinear has {values.size} weights for {known.features} features")
    table = values.reshape(known.features + 1, known.outputs)
    missing = Impute(np.zeros(known.features))  # a missing feature adds nothing
    # Only the first base score counts: that is what gblinear computes, whatever it stores.
    return missing, Dense(table[:-1].T, table[-1] + known.base[0])


def _trees(model: Mapping[str, Any], known: _Learner, weights: np.ndarray | None) -> TreeEnsemble:
    trees = []
    for index, tree in enumerate(model["trees"]):
        if int(tree["tree_param"]["size_leaf_vector"]) > 1:
            raise ModelRefused("trees with vector leaves (multi_output_tree) are not supported")
        trees.append(_tree(tree, None if weights is None else weights[index]))
    if not trees:
        raise ModelRefused("the booster has no trees")
    outputs = [int(group) for group in model["tree_info"]]
    combination = Combination(known.base, accumulate="fp32", tree_outputs=outputs)
    return single_precision(forest(trees, combination))


def _tree(tree: Mapping[str, Any], weight: np.float32 | None) -> Tree:
    left = np.asarray(tree["left_children"], np.int64)
    right = np.asarray(tree["right_children"], np.int64)
    conditions = np.asarray(tree["split_conditions"], np.float32)
    missing_left = np.asarray(tree["default_left"], np.int64) != 0
    leaf = left < 0
    kinds = np.asarray(tree.get("split_type") or np.zeros(len(left)), np.int64)
    categorical = (kinds != 0) & ~leaf
    thresholds = conditions.astype(np.float64)
    sets = _category_sets(tree) if categorical.any() else {}
    thresholds[categorical] = np.arange(int(categorical.sum()))
    # XGBoost sends the listed categories right, the native stage sends them left.
    flags = np.where(missing_left ^ categorical, MISSING_LEFT, 0)
    flags |= np.where(categorical, CATEGORICAL | NAN_IS_MISSING, STRICT)
    values = conditions if weight is None else conditions * weight
    return Tree(
        features=np.where(leaf, LEAF, np.asarray(tree["split_indices"], np.int64)),
        thresholds=thresholds,
        left=np.where(categorical, right, left),
        right=np.where(categorical, left, right),
        flags=flags.astype(np.uint8),
        values=values.astype(np.float32),
        sets=[sets[node] for node in np.flatnonzero(categorical).tolist()],
    )


def _category_sets(tree: Mapping[str, Any]) -> dict[int, np.ndarray]:
    """By node, the categories that go right."""
    categories = np.asarray(tree["categories"], np.int64)
    if categories.size and not 0 <= categories.min() <= categories.max() < _ALWAYS_LEFT:
        raise ModelRefused("a category lies outside 0 to 2^24")
    pieces = zip(
        tree["categories_nodes"],
        tree["categories_segments"],
        tree["categories_sizes"],
        strict=True,
    )
    return {
        int(node): categories[int(begin) : int(begin) + int(size)] for node, begin, size in pieces
    }
