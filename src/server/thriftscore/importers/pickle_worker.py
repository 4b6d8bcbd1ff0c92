# SPDX-License-Identifier: Apache-2.0
"""Unpickles a scikit-learn model, in a process of its own: unpickling runs any code.

    python -I -m thriftscore.importers.pickle_worker DIRECTORY PRECISION

DIRECTORY holds `source` (the pickle) and may hold `rows.npy` (rows to compare on). Written there:
`model.onnx`, `answers.safetensors` (the rows and the estimator's own answers) and `facts.json`; or
`error.json` where the model is refused. The parent trusts none of them.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import sklearn.base
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

from thriftscore.errors import ModelRefused, ThriftscoreError
from thriftscore.importers.linear_model import Doubles
from thriftscore.importers.onnx_graph import read_onnx
from thriftscore.importers.sample import Sample, check_sample, seeded_rows
from thriftscore.repository.golden import Golden

_WARNINGS_MAX = 20


def main(directory: Path, precision: str) -> None:
    """Convert `directory / "source"`; a refusal is written down, not raised."""
    try:
        _convert(directory, precision)
    except ThriftscoreError as error:
        (directory / "error.json").write_text(json.dumps({"error": error.message}))


def _convert(directory: Path, precision: str) -> None:
    estimator, notes = _load(directory / "source")
    columns = getattr(estimator, "n_features_in_", None)
    if not isinstance(estimator, sklearn.base.BaseEstimator) or not isinstance(columns, int):
        kind = f"{type(estimator).__module__}.{type(estimator).__qualname__}"
        raise ModelRefused(f"the pickle holds {kind}, expected a fitted scikit-learn estimator")
    method = _method(estimator)
    names = [str(name) for name in getattr(estimator, "feature_names_in_", [])]
    data, single = _to_onnx(estimator, columns)
    model = read_onnx(data)
    rows = _rows(directory / "rows.npy", model.linear.features)
    if rows is None:
        rows = seeded_rows(model.linear)
    if precision == "fp32" or single:
        rows = rows.astype(np.float32).astype(np.float64)
    scores = _answers(estimator, method, rows)
    (directory / "model.onnx").write_bytes(data)
    (directory / "answers.safetensors").write_bytes(Golden(rows, scores).encode())
    facts = {"features": names, "method": method, "warnings": notes[:_WARNINGS_MAX]}
    (directory / "facts.json").write_text(json.dumps(facts))


def _load(path: Path) -> tuple[Any, list[str]]:
    """The object in the pickle, and what the libraries warned of while it was made."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            estimator = joblib.load(path)
        except Exception as error:  # whatever the pickled code raises
            raise ModelRefused(f"the pickle cannot be loaded: {_first_line(error)}") from error
    return estimator, [str(warning.message) for warning in caught]


def _to_onnx(estimator: sklearn.base.BaseEstimator, columns: int) -> tuple[bytes, bool]:
    """The ONNX form in double; in single where a converter lacks double (the flag says so)."""
    classifier = sklearn.base.is_classifier(estimator)
    options = {id(estimator): {"zipmap": False}} if classifier else None
    failure: Exception | None = None
    for single, tensor in ((False, DoubleTensorType), (True, FloatTensorType)):
        inputs = [("X", tensor([None, columns]))]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # deprecations inside the converters
                model = convert_sklearn(estimator, initial_types=inputs, options=options)
            return model.SerializeToString(), single
        except Exception as error:  # the converters raise many kinds
            failure = failure or error
    raise ModelRefused(
        f"{type(estimator).__name__} cannot be converted: {_first_line(failure)}"
    ) from failure


def _rows(path: Path, features: tuple[str, ...]) -> Doubles | None:
    if not path.exists():
        return None
    rows = np.load(path, allow_pickle=False)
    check_sample(Sample(rows), features, named=False)
    return np.asarray(rows, np.float64)


def _method(estimator: sklearn.base.BaseEstimator) -> str:
    """The method that gives what thriftscore calls scores."""
    method = "predict_proba" if sklearn.base.is_classifier(estimator) else "predict"
    if not hasattr(estimator, method):
        raise ModelRefused(f"{type(estimator).__name__} has no {method}")
    return method


def _answers(estimator: sklearn.base.BaseEstimator, method: str, rows: Doubles) -> Doubles:
    """The estimator's own scores: for two classes the probability of the second."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # rows without feature names are what is meant
        try:
            scores = np.asarray(getattr(estimator, method)(rows), np.float64)
        except Exception as error:  # whatever the estimator raises
            raise ModelRefused(f"{method} of the source failed: {_first_line(error)}") from error
    scores = scores.reshape(len(rows), -1)
    return scores[:, 1:] if method == "predict_proba" and scores.shape[1] == 2 else scores


def _first_line(error: Exception | None) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0]}" if text else repr(error)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
