# SPDX-License-Identifier: Apache-2.0
"""The embedded engine against NumPy, ONNX Runtime and scikit-learn (pytest-benchmark).

Every function of a group computes the same scores from the same rows, which is asserted once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from in_threads import SIZES, Score, in_threads
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import thriftscore
from thriftscore.importers.importing import ImportOptions, import_model
from thriftscore.repository.publish import publish

Rows = NDArray[np.float32]
OnThreads = Callable[[int], Score]
"""Makes what scores on so many threads."""

FEATURES = 32
SPLIT_BY_ROWS = ("thriftscore", "numpy", "sklearn")
SCORERS = ("thriftscore", "numpy", "onnxruntime", "sklearn")


@pytest.fixture(scope="session", params=[2, 10], ids=["binary", "10 classes"])
def pipeline(request: pytest.FixtureRequest) -> Pipeline:
    """Scaler and logistic regression, fitted on seeded rows."""
    random = np.random.default_rng(7)
    rows = random.normal(3, 2, (2_000, FEATURES))
    weights = random.normal(0, 1, (FEATURES, request.param))
    labels = (rows @ weights + random.normal(0, 1, (2_000, request.param))).argmax(axis=1)
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(rows, labels)


@pytest.fixture(scope="session")
def scorers(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> dict[str, OnThreads]:
    """The same model in each library, from float32 rows to probabilities."""
    folder = tmp_path_factory.mktemp("bench")
    source = folder / "model.onnx"
    options = {id(pipeline): {"zipmap": False}}
    graph = to_onnx(pipeline, np.zeros((1, FEATURES), np.float32), options=options)
    source.write_bytes(graph.SerializeToString())
    return {
        "thriftscore": partial(in_threads, _engine(source, folder / "repository")),
        "numpy": partial(in_threads, _numpy(pipeline)),
        "onnxruntime": partial(_onnxruntime, source),
        "sklearn": partial(in_threads, pipeline.predict_proba),
    }


def _engine(source: Path, repository: Path) -> Score:
    imported = import_model(source, ImportOptions())
    number = publish(repository, "bench", imported.version)
    return thriftscore.load(repository / "bench" / str(number)).score


def _numpy(pipeline: Pipeline) -> Score:
    scaler, model = pipeline[0], pipeline[-1]
    mean, scale = scaler.mean_.astype(np.float32), scaler.scale_.astype(np.float32)
    weights, bias = model.coef_.T.astype(np.float32), model.intercept_.astype(np.float32)

    def score(rows: Rows) -> NDArray[np.floating]:
        margins = (rows - mean) / scale @ weights + bias
        if margins.shape[1] == 1:
            return 1 / (1 + np.exp(-margins))
        exponentials = np.exp(margins - margins.max(axis=1, keepdims=True))
        return exponentials / exponentials.sum(axis=1, keepdims=True)

    return score


def _onnxruntime(source: Path, threads: int) -> Score:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(source), options, ["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda rows: session.run(["probabilities"], {name: rows})[0]


@pytest.mark.parametrize("scorer", SCORERS)
@pytest.mark.parametrize("size", SIZES, ids="{0[0]} rows, {0[1]} threads".format)
def test_score(
    benchmark: BenchmarkFixture,
    scorers: dict[str, OnThreads],
    scorer: str,
    size: tuple[int, int],
) -> None:
    rows, threads = size
    data = np.random.default_rng(11).normal(3, 2, (rows, FEATURES)).astype(np.float32)
    expected = scorers["sklearn"](1)(data)
    benchmark.group = (
        f"score, {rows} rows x {FEATURES}, {expected.shape[1]} classes, {threads} threads"
    )
    with threadpool_limits(1 if scorer in SPLIT_BY_ROWS else threads):
        scores = benchmark(scorers[scorer](threads), data)
    expected = expected[:, 1:] if scores.shape[1] == 1 else expected
    np.testing.assert_allclose(scores, expected, atol=1e-5)


@pytest.mark.parametrize("how", ["thriftscore", "numpy"])
def test_normalize(
    benchmark: BenchmarkFixture, tmp_path: Path, pipeline: Pipeline, how: str
) -> None:
    benchmark.group = f"normalise, 10,000 rows x {FEATURES}"
    graph = to_onnx(pipeline, np.zeros((1, FEATURES), np.float32))
    (tmp_path / "model.onnx").write_bytes(graph.SerializeToString())
    imported = import_model(tmp_path / "model.onnx", ImportOptions())
    number = publish(tmp_path / "repository", "bench", imported.version)
    model = thriftscore.load(tmp_path / "repository" / "bench" / str(number))
    mean, scale = (np.asarray(v, np.float32) for v in (pipeline[0].mean_, pipeline[0].scale_))
    data = np.random.default_rng(11).normal(3, 2, (10_000, FEATURES)).astype(np.float32)
    normalize = model.normalize if how == "thriftscore" else lambda rows: (rows - mean) / scale
    with threadpool_limits(1):
        values = benchmark(normalize, data)
    np.testing.assert_allclose(values, (data - mean) / scale, rtol=1e-5, atol=1e-5)
