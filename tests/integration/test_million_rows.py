# SPDX-License-Identifier: Apache-2.0
"""A million rows through each client's batch call are, in order, what the embedded engine says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from client_programs import LANGUAGES, probe
from server_process import ServerProcess, native_only

import thriftscore
from thriftscore.importers.native_model import NativeModel, encode
from thriftscore.importers.stages import Dense, Link, Scale
from thriftscore.repository import NewVersion, publish

ROWS, COLUMNS, CLASSES = 1_000_000, 4, 3
TIMEOUT_MS = 60_000


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier whose every step rounds, so that another order of operations would show."""
    random = np.random.default_rng(seed=41)
    stages = (
        Scale(random.normal(size=COLUMNS), random.uniform(0.5, 2.0, size=COLUMNS)),
        Dense(random.normal(size=(CLASSES, COLUMNS)), random.normal(size=CLASSES)),
        Link("softmax"),
    )
    features = tuple(f"x{column}" for column in range(COLUMNS))
    classes = tuple(f"class{number}" for number in range(CLASSES))
    model = NativeModel(features, "multiclass_classification", stages, classes)
    directory = tmp_path_factory.mktemp("batch") / "repository"
    publish(directory, "sum", NewVersion(encode(model, "fp32", "refuse")))
    return directory


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("batch") / "rows"
    np.random.default_rng(seed=42).normal(size=(ROWS, COLUMNS)).astype("<f4").tofile(file)
    return file


@native_only
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_million_rows_in_order(
    start_server: Callable[..., ServerProcess],
    repository: Path,
    rows: Path,
    tmp_path: Path,
    language: str,
) -> None:
    servers = [start_server(repository) for _ in range(2)]
    options = {"batch_input": rows, "columns": COLUMNS, "batch_output": tmp_path / "scores"}
    endpoints = ["{}:{}".format(*server.address) for server in servers]
    done = probe(language, endpoints, **options, timeout_ms=TIMEOUT_MS).summary
    assert (done["rows"], done["columns"], done["model_version"]) == (ROWS, CLASSES, "1")
    scores = np.fromfile(tmp_path / "scores", "<f8").reshape(ROWS, CLASSES)
    features = np.fromfile(rows, "<f4").reshape(ROWS, COLUMNS)
    expected = thriftscore.load(repository / "sum" / "1").score(features)
    assert expected.dtype == np.float32
    assert scores.tobytes() == expected.astype("<f8").tobytes()
    shares = [rows_scored(server) for server in servers]
    assert sum(shares) >= ROWS
    assert min(shares) > 0, "one server did it all"


def rows_scored(server: ServerProcess) -> int:
    with server.client() as calls:
        (statistics,) = calls.model_statistics("sum", "").model_stats
    return int(statistics.inference_count)
