# SPDX-License-Identifier: Apache-2.0
"""Pipelines trained on the data sets that come with scikit-learn."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

with warnings.catch_warnings():  # deprecations inside the libraries, not of their users
    warnings.simplefilter("ignore")
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
    from sklearn import datasets, linear_model
    from sklearn.base import is_classifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler


@dataclass(frozen=True)
class Trained:
    """A fitted estimator, the rows it was fitted on, and its scores of rows by its own hand."""

    estimator: Any
    rows: NDArray[np.float64]

    def scores(self, rows: NDArray[np.floating]) -> NDArray[np.float64]:
        if not is_classifier(self.estimator):
            return np.asarray(self.estimator.predict(rows), np.float64).reshape(-1, 1)
        probabilities = np.asarray(self.estimator.predict_proba(rows), np.float64)
        return probabilities[:, 1:] if probabilities.shape[1] == 2 else probabilities

    def onnx(self, *, double: bool, zipmap: bool | str = False) -> bytes:
        kind = DoubleTensorType if double else FloatTensorType
        options = {id(self.estimator): {"zipmap": zipmap}} if is_classifier(self.estimator) else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as above
            model = convert_sklearn(
                self.estimator,
                initial_types=[("X", kind([None, self.rows.shape[1]]))],
                options=options,
            )
        return bytes(model.SerializeToString())


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Small models train faster without threads that wait for one another."""
    with threadpool_limits(1):
        yield


def _logistic() -> Any:
    return linear_model.LogisticRegression(max_iter=10_000)


RECIPES: dict[str, tuple[str, Callable[[], Any]]] = {
    "breast_cancer": ("breast_cancer", lambda: make_pipeline(StandardScaler(), _logistic())),
    "breast_cancer_plain": (
        "breast_cancer",
        lambda: linear_model.LogisticRegression(solver="liblinear"),
    ),
    "wine": ("wine", lambda: make_pipeline(StandardScaler(), _logistic())),
    "iris_plain": ("iris", _logistic),
    "digits": ("digits", lambda: make_pipeline(StandardScaler(), _logistic())),
    "diabetes": (
        "diabetes",
        lambda: make_pipeline(StandardScaler(), linear_model.LinearRegression()),
    ),
    "diabetes_ridge": ("diabetes", lambda: make_pipeline(StandardScaler(), linear_model.Ridge())),
    "diabetes_plain": ("diabetes", linear_model.Ridge),
    "diabetes_poisson": (
        "diabetes",
        lambda: make_pipeline(StandardScaler(), linear_model.PoissonRegressor()),
    ),
}


@cache
def train(name: str) -> Trained:
    data_set, make = RECIPES[name]
    rows, target = getattr(datasets, f"load_{data_set}")(return_X_y=True)
    return Trained(make().fit(rows, target), np.ascontiguousarray(rows))


@pytest.fixture
def trained(request: pytest.FixtureRequest) -> Trained:
    """The pipeline that the test is parametrised with."""
    return train(request.param)


@pytest.fixture(scope="session")
def breast_cancer() -> Trained:
    return train("breast_cancer")
