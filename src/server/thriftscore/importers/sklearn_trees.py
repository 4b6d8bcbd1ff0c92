# SPDX-License-Identifier: Apache-2.0
"""scikit-learn's trees and ensembles of them, and boosters behind its interface, as stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from thriftscore.errors import ModelRefused
from thriftscore.importers.lightgbm_model import read_lightgbm
from thriftscore.importers.native_model import NativeModel
from thriftscore.importers.sklearn_frame import Fitted, Frame
from thriftscore.importers.sklearn_predictors import (
    Prediction,
    Predictor,
    classification,
)
from thriftscore.importers.stages import (
    Binarize,
    Chain,
    Dense,
    Link,
    LinkFunction,
    TreeEnsemble,
)
from thriftscore.importers.trees import (
    LEAF,
    MISSING_LEFT,
    Combination,
    Tree,
    forest,
    single_precision,
)
from thriftscore.importers.xgboost_model import read_xgboost


def _tree(tree: Fitted, values: np.ndarray) -> Tree:
    """A tree of sklearn.tree with other values."""
    nodes = tree.__getstate__()["nodes"]
    leaf = nodes["left_child"] < 0
    return Tree(
        features=np.where(leaf, LEAF, nodes["feature"]),
        thresholds=nodes["threshold"],
        left=nodes["left_child"],
        right=nodes["right_child"],
        flags=np.where(nodes["missing_go_to_left"], MISSING_LEFT, 0).astype(np.uint8),
        values=values,
    )


def _forest(trees: list[Tree], combination: Combination) -> TreeEnsemble:
    """Trees of sklearn.tree see their rows in single precision."""
    return single_precision(forest(trees, combination))


def _class_shares(estimator: Fitted, tree: Fitted) -> np.ndarray:
    """For each node the share of the second class, or of each class where there are more."""
    if tree.n_outputs != 1:
        raise ModelRefused(f"{type(estimator).__name__} of several targets is not supported")
    values = tree.value[:, 0, :]
    return np.asarray(values[:, 1:] if len(estimator.classes_) == 2 else values)


def _mean(trees: list[Tree]) -> TreeEnsemble:
    base = np.zeros(trees[0].values.shape[1])
    return _forest(trees, Combination(base, aggregate="mean"))


def _members(estimator: Fitted) -> list[Any]:
    return [member.tree_ for member in getattr(estimator, "estimators_", [estimator])]


def _classifier(estimator: Fitted, frame: Frame) -> Prediction:
    trees = [_tree(tree, _class_shares(estimator, tree)) for tree in _members(estimator)]
    return classification(estimator, frame.trees(_mean(trees)))


def _regressor(estimator: Fitted, frame: Frame) -> Prediction:
    trees = [_tree(tree, tree.value[:, :, 0]) for tree in _members(estimator)]
    return Prediction(frame.trees(_mean(trees)))


def _gradient_boosting(estimator: Fitted, frame: Frame) -> Chain:
    initial = estimator.init_
    if not isinstance(initial, str) and not type(initial).__name__.startswith("Dummy"):
        raise ModelRefused(f"an initial {type(initial).__name__} is not supported")
    zeros = np.zeros((1, estimator.n_features_in_), np.float32)
    base = np.asarray(estimator._raw_predict_init(zeros), np.float64)[0]
    trees, outputs = [], []
    for stage in estimator.estimators_:
        for output, member in enumerate(stage):
            values = estimator.learning_rate * member.tree_.value[:, 0, 0]
            trees.append(_tree(member.tree_, values))
            outputs.append(output)
    return frame.trees(_forest(trees, Combination(base, tree_outputs=outputs)))


def _gradient_boosting_classifier(estimator: Fitted, frame: Frame) -> Prediction:
    sums = _gradient_boosting(estimator, frame)
    if estimator.loss == "exponential":
        doubled = Dense(np.full((1, 1), 2.0), np.zeros(1))
        return classification(estimator, (*sums, doubled, Link("sigmoid")))
    link: LinkFunction = "softmax" if len(estimator.classes_) > 2 else "sigmoid"
    return classification(estimator, (*sums, Link(link)))


def _gradient_boosting_regressor(estimator: Fitted, frame: Frame) -> Prediction:
    return Prediction(_gradient_boosting(estimator, frame))


def _isolation_forest(estimator: Fitted, frame: Frame) -> Prediction:
    """decision_function: -2^(-mean path / expected path) - offset (Liu, Ting, Zhou 2008)."""
    trees = []
    paths = zip(
        estimator._decision_path_lengths,
        estimator._average_path_length_per_tree,
        strict=True,
    )
    for member, columns, (depth, rest) in zip(
        estimator.estimators_, estimator.estimators_features_, paths, strict=True
    ):
        tree = _tree(member.tree_, np.asarray(depth + rest - 1.0))
        inner = tree.features != LEAF
        features = np.where(inner, np.asarray(columns)[np.where(inner, tree.features, 0)], LEAF)
        trees.append(replace(tree, features=features))
    expected = _average_path_length(estimator._max_samples)
    depths = _forest(trees, Combination(np.zeros(1), tree_outputs=[0] * len(trees)))
    share = Dense(np.full((1, 1), -np.log(2.0) / (len(trees) * expected)), np.zeros(1))
    score = Dense(np.full((1, 1), -1.0), np.full(1, -float(estimator.offset_)))
    chain = (*frame.trees(depths), share, Link("exp"), score)
    return Prediction(chain, method="decision_function")


def _average_path_length(samples: int) -> float:
    """Of an unsuccessful search in a binary search tree of `samples` nodes."""
    if samples <= 2:
        return max(1.0, samples - 1.0)
    return float(2.0 * (np.log(samples - 1.0) + np.euler_gamma) - 2.0 * (samples - 1.0) / samples)


def _rebased(model: NativeModel, frame: Frame) -> Chain:
    """A booster's stages on the columns of a frame."""
    first, *rest = model.stages
    if isinstance(first, TreeEnsemble):
        return (*frame.trees(first), *rest)
    return (*frame.chain, *model.stages)


def _booster_prediction(estimator: Fitted, model: NativeModel, frame: Frame) -> Prediction:
    if len(model.features) != frame.width:
        raise ModelRefused(f"a booster of {len(model.features)} features gets {frame.width}")
    chain = _rebased(model, frame)
    if not hasattr(estimator, "classes_"):
        return Prediction(chain)
    if not isinstance(chain[-1], Link | Binarize):
        raise ModelRefused(f"{type(estimator).__name__} without probabilities is not supported")
    return classification(estimator, chain)


def _xgboost(estimator: Fitted, frame: Frame) -> Prediction:
    booster = estimator.get_booster()
    best = getattr(estimator, "best_iteration", None)  # set where training stopped early
    if best is not None:
        booster = booster[: best + 1]
    return _booster_prediction(
        estimator, read_xgboost(bytes(booster.save_raw("json")).decode()), _filled(estimator, frame)
    )


def _filled(estimator: Fitted, frame: Frame) -> Frame:
    """XGBoost may have been told of a number that stands for a missing value."""
    missing = float(estimator.missing)
    if np.isnan(missing):
        return frame
    raise ModelRefused(f"{type(estimator).__name__}(missing={missing:g}) is not supported")


def _lightgbm(estimator: Fitted, frame: Frame) -> Prediction:
    return _booster_prediction(
        estimator, read_lightgbm(estimator.booster_.model_to_string()), frame
    )


TREE_PREDICTORS: Mapping[str, Predictor] = {
    **dict.fromkeys(
        [
            *("DecisionTreeClassifier", "ExtraTreeClassifier"),
            *("ExtraTreesClassifier", "RandomForestClassifier"),
        ],
        _classifier,
    ),
    **dict.fromkeys(
        [
            *("DecisionTreeRegressor", "ExtraTreeRegressor"),
            *("ExtraTreesRegressor", "RandomForestRegressor"),
        ],
        _regressor,
    ),
    "GradientBoostingClassifier": _gradient_boosting_classifier,
    "GradientBoostingRegressor": _gradient_boosting_regressor,
    "IsolationForest": _isolation_forest,
    **dict.fromkeys(
        ["XGBClassifier", "XGBRFClassifier", "XGBRegressor", "XGBRFRegressor", "XGBRanker"],
        _xgboost,
    ),
    **dict.fromkeys(["LGBMClassifier", "LGBMRegressor", "LGBMRanker"], _lightgbm),
}
