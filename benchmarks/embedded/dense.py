# SPDX-License-Identifier: Apache-2.0
"""Logistic regression and a small neural network behind a scaler, in the engine, NumPy, ONNX
Runtime and scikit-learn.

Every scorer of a model computes the same probabilities from the same float32 rows.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import joblib
import numpy as np
from embedded.scorers import OnThreads, Rows, Score, engine, onnx_runtime
from embedded.threads import in_threads
from numpy.typing import NDArray
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

FEATURES = 32
KINDS = ("binary", "10 classes", "MLP 64-64")
SCORERS = ("thriftscore", "numpy", "onnxruntime", "sklearn")


def dense_rows(rows: int) -> Rows:
    """Seeded rows to score."""
    return np.random.default_rng(11).normal(3, 2, (rows, FEATURES)).astype(np.float32)


def fitted(kind: str) -> Pipeline:
    """A scaler and a model of this kind, fitted on seeded rows."""
    classes = 10 if kind == "10 classes" else 2
    random = np.random.default_rng(7)
    rows = random.normal(3, 2, (2_000, FEATURES))
    weights = random.normal(0, 1, (FEATURES, classes))
    labels = (rows @ weights + random.normal(0, 1, (2_000, classes))).argmax(axis=1)
    network = MLPClassifier((64, 64), "logistic", max_iter=500, random_state=7)
    model = network if kind.startswith("MLP") else LogisticRegression(max_iter=500)
    return make_pipeline(StandardScaler(), model).fit(rows, labels)


def dense_scorers(kind: str, folder: Path) -> dict[str, OnThreads]:
    """What scores the model of this kind on so many threads; `folder` is for its files."""
    pipeline = fitted(kind)
    source = folder / "model.joblib"
    joblib.dump(pipeline, source)
    options = {id(pipeline): {"zipmap": False}}
    graph = to_onnx(pipeline, np.zeros((1, FEATURES), np.float32), options=options)
    by_hand = _network(pipeline) if kind.startswith("MLP") else _regression(pipeline)
    return {
        "thriftscore": engine(source, folder),
        "numpy": partial(in_threads, by_hand),
        "onnxruntime": onnx_runtime(graph, "probabilities"),
        "sklearn": partial(in_threads, pipeline.predict_proba),
    }


def _regression(pipeline: Pipeline) -> Score:
    """The formula in float32; of two classes the second."""
    scaler, model = pipeline[0], pipeline[-1]
    mean, scale = scaler.mean_.astype(np.float32), scaler.scale_.astype(np.float32)
    weights, bias = model.coef_.T.astype(np.float32), model.intercept_.astype(np.float32)

    def score(rows: Rows) -> NDArray[np.floating]:
        margins = (rows - mean) / scale @ weights + bias
        if margins.shape[1] == 1:
            return _sigmoid(margins)
        exponentials = np.exp(margins - margins.max(axis=1, keepdims=True))
        return exponentials / exponentials.sum(axis=1, keepdims=True)

    return score


def _network(pipeline: Pipeline) -> Score:
    """The formula in float32; the second of two classes."""
    scaler, model = pipeline[0], pipeline[-1]
    mean, scale = scaler.mean_.astype(np.float32), scaler.scale_.astype(np.float32)
    layers = [
        (weights.astype(np.float32), bias.astype(np.float32))
        for weights, bias in zip(model.coefs_, model.intercepts_, strict=True)
    ]

    def score(rows: Rows) -> NDArray[np.floating]:
        values = (rows - mean) / scale
        for weights, bias in layers:
            values = _sigmoid(values @ weights + bias)
        return values

    return score


def _sigmoid(margins: NDArray[np.floating]) -> NDArray[np.floating]:
    return 1 / (1 + np.exp(-margins))
