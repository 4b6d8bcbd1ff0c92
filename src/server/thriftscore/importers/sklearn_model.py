# SPDX-License-Identifier: Apache-2.0
"""A fitted scikit-learn estimator as a native model.

Runs only in the process in which the estimator was unpickled.
"""

from __future__ import annotations

import warnings
from importlib.util import find_spec

import numpy as np
import sklearn.base

from thriftscore.errors import ModelRefused
from thriftscore.importers import sklearn_histogram, sklearn_trees
from thriftscore.importers.native_model import NativeModel
from thriftscore.importers.sklearn_frame import Fitted, Frame, Texts
from thriftscore.importers.sklearn_hashing import without_hasher
from thriftscore.importers.sklearn_predictors import PREDICTORS, Prediction, predict
from thriftscore.importers.sklearn_preprocessing import text_features
from thriftscore.importers.source_model import SourceModel
from thriftscore.importers.stages import Doubles

PREDICTORS.update(sklearn_trees.TREE_PREDICTORS)
PREDICTORS.update(sklearn_histogram.HISTOGRAM_PREDICTORS)

_LIBRARIES = {"sklearn": "scikit-learn", "xgboost": "xgboost", "lightgbm": "lightgbm"}


def read_sklearn(estimator: Fitted) -> SourceModel:
    """Understand a fitted estimator, all of whose parts have native stages. Raises ModelRefused."""
    estimator, hashing = without_hasher(estimator)
    columns = getattr(estimator, "n_features_in_", None)
    if not isinstance(estimator, sklearn.base.BaseEstimator) or not isinstance(columns, int):
        kind = f"{type(estimator).__module__}.{type(estimator).__qualname__}"
        unfitted = (
            ", which is not fitted" if isinstance(estimator, sklearn.base.BaseEstimator) else ""
        )
        raise ModelRefused(
            f"the file holds {kind}{unfitted}, expected a fitted scikit-learn estimator"
        )
    named = _names(estimator)
    features = named or tuple(f"f{index}" for index in range(columns))
    prediction, frame = _predict(estimator, columns)
    native = NativeModel(
        features=features,
        task=prediction.task,
        stages=prediction.chain,
        classes=tuple(str(label) for label in prediction.classes),
        categories=text_features(features, frame),
        hashing=hashing,
        label_threshold=prediction.threshold,
    )
    reader = _Asked(estimator, prediction, features if named else (), frame.texts)
    return SourceModel(
        native=native,
        answers=reader.answers,
        computes_in="fp64",
        format="sklearn",
        reference=f"scikit-learn {prediction.method}",
        libraries=_libraries(estimator),
        named=bool(named),
    )


def _predict(estimator: Fitted, columns: int) -> tuple[Prediction, Frame]:
    """Twice: the first pass finds all texts, so that the second numbers them in their order."""
    found = Frame.of(columns, Texts())
    predict(estimator, found)
    frame = Frame.of(columns, Texts())
    for feature, texts in found.texts.by_feature.items():
        frame.texts.by_feature[feature] = sorted(texts)
    return predict(estimator, frame), frame


def _names(estimator: Fitted) -> tuple[str, ...]:
    try:
        return tuple(str(name) for name in getattr(estimator, "feature_names_in_", ()))
    except AttributeError:  # a pipeline asks its first step, which may have none
        return ()


def _libraries(estimator: Fitted) -> tuple[str, ...]:
    parts = [estimator]
    if hasattr(estimator, "steps"):
        parts += [step for _, step in estimator.steps]
    modules = {type(part).__module__.partition(".")[0] for part in parts}
    return tuple(sorted({"scikit-learn"} | {_LIBRARIES[m] for m in modules if m in _LIBRARIES}))


class _Asked:
    """The estimator, asked in the form that it knows."""

    def __init__(
        self, estimator: Fitted, prediction: Prediction, names: tuple[str, ...], texts: Texts
    ) -> None:
        self._estimator = estimator
        self._prediction = prediction
        self._names = names
        self._texts = texts.by_feature

    def answers(self, rows: Doubles) -> Doubles:
        """Its own scores: for two classes those of the second."""
        method = self._prediction.method
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # rows without feature names are what is meant
            try:
                answers = getattr(self._estimator, method)(self._as_trained(rows))
                scores = np.asarray(answers, np.float64)
            except Exception as error:  # whatever the estimator raises
                raise ModelRefused(f"{method} of the source failed: {first_line(error)}") from error
        scores = scores.reshape(len(rows), -1)
        return scores[:, 1:] if method == "predict_proba" and scores.shape[1] == 2 else scores

    def _as_trained(self, rows: Doubles) -> object:
        """A data frame where the estimator knows names, with texts in the place of numbers."""
        if self._names and find_spec("pandas") is not None:
            return self._data_frame(rows)
        if not self._texts:
            return rows
        cells = rows.astype(object)
        for feature in self._texts:
            cells[:, feature] = self._text(feature, rows[:, feature])
        return cells

    def _data_frame(self, rows: Doubles) -> object:
        import pandas as pd  # noqa: PLC0415 - only where the model was trained on names

        return pd.DataFrame(
            {
                name: self._text(index, rows[:, index]) if index in self._texts else rows[:, index]
                for index, name in enumerate(self._names)
            }
        )

    def _text(self, feature: int, values: Doubles) -> np.ndarray:
        texts = self._texts[feature]
        cells = np.full(len(values), np.nan, object)
        for row in np.flatnonzero(~np.isnan(values)):
            cells[row] = texts[int(values[row])]
        return cells


def first_line(error: Exception) -> str:
    """An exception in one line."""
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0]}" if text else repr(error)
