# SPDX-License-Identifier: Apache-2.0
"""Tree ensembles against what people score them with, on one and two threads (pytest-benchmark)."""

from __future__ import annotations

import numpy as np
import pytest
from embedded.forests import CASES, FEATURES, forest_rows, forest_scorers
from embedded.scorers import OnThreads
from embedded.threads import SIZES
from pytest_benchmark.fixture import BenchmarkFixture
from threadpoolctl import threadpool_limits


@pytest.fixture(scope="session")
def forest(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, dict[str, OnThreads]]:
    """The name of a forest and the same forest in each library."""
    return request.param, forest_scorers(request.param, tmp_path_factory.mktemp("trees"))


@pytest.mark.parametrize("size", SIZES, ids="{0[0]} rows, {0[1]} threads".format)
@pytest.mark.parametrize(("forest", "scorer"), CASES, indirect=["forest"])
def test_score(
    benchmark: BenchmarkFixture,
    forest: tuple[str, dict[str, OnThreads]],
    scorer: str,
    size: tuple[int, int],
) -> None:
    name, scorers = forest
    rows, threads = size
    data = forest_rows(rows)
    benchmark.group = f"trees of {name}, {rows} rows x {FEATURES}, {threads} threads"
    with threadpool_limits(threads):
        scores = benchmark(scorers[scorer](threads), data)
    expected = scorers["source"](1)(data)
    np.testing.assert_allclose(np.ravel(scores), np.ravel(expected), rtol=1e-4, atol=1e-4)
