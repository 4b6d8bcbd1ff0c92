# SPDX-License-Identifier: Apache-2.0
"""The embedded engine against NumPy, ONNX Runtime and scikit-learn (pytest-benchmark)."""

from __future__ import annotations

from pathlib import Path

import joblib
import numpy as np
import pytest
from embedded.dense import FEATURES, KINDS, SCORERS, dense_rows, dense_scorers, fitted
from embedded.scorers import OnThreads, imported_model
from embedded.threads import SIZES
from pytest_benchmark.fixture import BenchmarkFixture
from threadpoolctl import threadpool_limits

SPLIT_BY_ROWS = ("thriftscore", "numpy", "sklearn")


@pytest.fixture(scope="session", params=KINDS)
def model(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, dict[str, OnThreads]]:
    """The kind of a model and the same model in each library."""
    return request.param, dense_scorers(request.param, tmp_path_factory.mktemp("dense"))


@pytest.mark.parametrize("scorer", SCORERS)
@pytest.mark.parametrize("size", SIZES, ids="{0[0]} rows, {0[1]} threads".format)
def test_score(
    benchmark: BenchmarkFixture,
    model: tuple[str, dict[str, OnThreads]],
    scorer: str,
    size: tuple[int, int],
) -> None:
    kind, scorers = model
    rows, threads = size
    data = dense_rows(rows)
    benchmark.group = f"score, {rows} rows x {FEATURES}, {kind}, {threads} threads"
    with threadpool_limits(1 if scorer in SPLIT_BY_ROWS else threads):
        scores = benchmark(scorers[scorer](threads), data)
    expected = scorers["sklearn"](1)(data)
    expected = expected[:, 1:] if scores.shape[1] == 1 else expected
    np.testing.assert_allclose(scores, expected, atol=1e-5)


@pytest.mark.parametrize("how", ["thriftscore", "numpy"])
def test_normalize(benchmark: BenchmarkFixture, tmp_path: Path, how: str) -> None:
    benchmark.group = f"normalise, 10,000 rows x {FEATURES}"
    pipeline = fitted("binary")
    joblib.dump(pipeline, tmp_path / "model.joblib")
    model = imported_model(tmp_path / "model.joblib", tmp_path)
    mean, scale = (np.asarray(v, np.float32) for v in (pipeline[0].mean_, pipeline[0].scale_))
    data = dense_rows(10_000)
    normalize = model.normalize if how == "thriftscore" else lambda rows: (rows - mean) / scale
    with threadpool_limits(1):
        values = benchmark(normalize, data)
    np.testing.assert_allclose(values, (data - mean) / scale, rtol=1e-5, atol=1e-5)
