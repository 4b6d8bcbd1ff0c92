# SPDX-License-Identifier: Apache-2.0
"""scikit-learn's HistGradientBoosting as stages: double thresholds, missing values, categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from thriftscore.errors import ModelRefused
from thriftscore.importers.sklearn_frame import Fitted, Frame
from thriftscore.importers.sklearn_predictors import Prediction, Predictor, classification
from thriftscore.importers.stages import Chain, Link, LinkFunction
from thriftscore.importers.trees import CATEGORICAL, LEAF, MISSING_LEFT, Combination, Tree, forest

_CATEGORIES_MAX = 65_536
_LINKS: dict[str, LinkFunction] = {
    "LogLink": "exp",
    "LogitLink": "sigmoid",
    "MultinomialLogit": "softmax",
}

_Numbers = dict[int, np.ndarray]


class _Columns:
    """The columns that the trees see: categorical ones first, their categories numbered."""

    def __init__(self, estimator: Fitted, frame: Frame) -> None:
        mask = estimator.is_categorical_
        categorical = [] if mask is None else np.flatnonzero(mask).tolist()
        others = [index for index in range(frame.width) if index not in set(categorical)]
        self.sources = np.asarray([*categorical, *others], np.int64)
        self.numbers: _Numbers = {}
        """For a categorical column, what rows have for each category of the trees."""
        encoder: Fitted = getattr(estimator, "_preprocessor", None)
        if categorical and encoder is None:
            raise ModelRefused(f"{type(estimator).__name__} of this version is not supported")
        for column, source in enumerate(categorical):
            values = encoder.named_transformers_["encoder"].categories_[column]
            origin = frame.columns[source].origin
            numbers = [frame.texts.number(value, origin) for value in values]
            self.numbers[column] = _as_codes([n for n in numbers if not np.isnan(n)])


def _as_codes(numbers: Sequence[float]) -> np.ndarray:
    codes = np.asarray(numbers, np.int64)
    if (
        (codes.size and (codes != numbers).any())
        or (codes < 0).any()
        or (codes >= _CATEGORIES_MAX).any()
    ):
        raise ModelRefused(
            f"categories that are numbers must be integers from 0 to {_CATEGORIES_MAX:,}"
        )
    return codes


def _tree(predictor: Fitted, columns: _Columns) -> Tree:
    nodes = predictor.nodes
    leaf = nodes["is_leaf"] != 0
    categorical = (nodes["is_categorical"] != 0) & ~leaf
    missing_left = nodes["missing_go_to_left"] != 0
    sets = []
    for node in np.flatnonzero(categorical):
        words = predictor.raw_left_cat_bitsets[nodes["bitset_idx"][node]]
        numbers = columns.numbers[int(nodes["feature_idx"][node])]
        codes = np.arange(len(numbers))
        goes_left = (words[codes // 32] >> (codes % 32).astype(np.uint32)) & 1 != 0
        # An unknown category goes where a missing one goes: the set has those that do not.
        sets.append(numbers[goes_left != missing_left[node]])
    swapped = categorical & missing_left
    left, right = nodes["left"].astype(np.int64), nodes["right"].astype(np.int64)
    thresholds = np.where(leaf, 0.0, nodes["num_threshold"])
    thresholds[categorical] = np.arange(len(sets))
    flags = np.where(categorical, CATEGORICAL, np.where(missing_left, MISSING_LEFT, 0))
    features = np.where(leaf, 0, nodes["feature_idx"]).astype(np.int64)
    return Tree(
        features=np.where(leaf, LEAF, columns.sources[features]),
        thresholds=thresholds,
        left=np.where(swapped, right, left),
        right=np.where(swapped, left, right),
        flags=flags.astype(np.uint8),
        values=nodes["value"],
        sets=sets,
    )


def _sums(estimator: Fitted, frame: Frame) -> Chain:
    columns = _Columns(estimator, frame)
    trees, outputs = [], []
    for iteration in estimator._predictors:
        for output, predictor in enumerate(iteration):
            trees.append(_tree(predictor, columns))
            outputs.append(output)
    base = np.asarray(estimator._baseline_prediction, np.float64).reshape(-1)
    sums = frame.trees(forest(trees, Combination(base, tree_outputs=outputs)))
    link = type(estimator._loss.link).__name__
    return (*sums, Link(_LINKS[link])) if link in _LINKS else sums


def _classifier(estimator: Fitted, frame: Frame) -> Prediction:
    return classification(estimator, _sums(estimator, frame))


def _regressor(estimator: Fitted, frame: Frame) -> Prediction:
    return Prediction(_sums(estimator, frame))


HISTOGRAM_PREDICTORS: Mapping[str, Predictor] = {
    "HistGradientBoostingClassifier": _classifier,
    "HistGradientBoostingRegressor": _regressor,
}
