# SPDX-License-Identifier: Apache-2.0
"""Sparse rows of a model with 60,000 features, three of which have a weight."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from server_process import ServerProcess

from thriftscore._generated.ttypes import ScoringError, SparseScoreRequest
from thriftscore.importers.native_model import NativeModel, encode
from thriftscore.importers.stages import SparseLinear
from thriftscore.repository import NewVersion, publish

COLUMNS, ROWS = 60_000, 2_000
WEIGHTS = {3: 0.5, 40_000: -2.0, 59_999: 0.25}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    stage = SparseLinear(
        np.array([0, len(WEIGHTS)]),
        np.array(list(WEIGHTS)),
        np.array(list(WEIGHTS.values())),
        np.ones(1),
    )
    model = NativeModel(tuple(f"x{number}" for number in range(COLUMNS)), "regression", (stage,))
    publish(tmp_path / "repository", "text", NewVersion(encode(model, "fp64", "refuse")))
    return tmp_path / "repository"


def test_rows_that_stay_sparse_may_have_any_width(
    repository: Path, start_server: Callable[..., ServerProcess], io_mode: str
) -> None:
    columns = np.resize([3, 5, 40_000, 59_999], ROWS)
    values = np.random.default_rng(5).standard_normal(ROWS).astype("<f4")
    request = SparseScoreRequest(
        "text",
        indptr=np.arange(ROWS + 1, dtype="<i8").tobytes(),
        indices=columns.astype("<i4").tobytes(),
        values=values.tobytes(),
    )
    with start_server(repository=repository).client() as calls:
        if io_mode == "python":  # makes every row dense
            with pytest.raises(ScoringError, match="limit is 67108864: ask for fewer rows"):
                calls.score_sparse(request)
            return
        scores = np.frombuffer(calls.score_sparse(request).scores, "<f8")
    weights = np.array([WEIGHTS.get(int(column), 0.0) for column in columns])
    np.testing.assert_allclose(scores, 1.0 + weights * values, rtol=1e-12)
