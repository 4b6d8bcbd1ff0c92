# SPDX-License-Identifier: Apache-2.0
"""`score_named` of a model that takes features of any name."""

from collections.abc import Callable
from pathlib import Path

import joblib
import numpy as np
import pytest
from server_process import ServerProcess
from sklearn.feature_extraction import FeatureHasher
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

from thriftscore.importers.importing import ImportOptions, import_model
from thriftscore.repository import publish

RANDOM = np.random.default_rng(3)
WORDS = [f"word{index}" for index in range(40)]
TEXTS = [dict.fromkeys(RANDOM.choice(WORDS, 6, replace=False).tolist(), 1.0) for _ in range(200)]


def test_names_of_any_kind_are_scored_as_by_the_source(
    tmp_path: Path, start_server: Callable[..., ServerProcess]
) -> None:
    estimator = make_pipeline(FeatureHasher(64), Ridge()).fit(TEXTS, RANDOM.standard_normal(200))
    joblib.dump(estimator, tmp_path / "words.joblib")
    options = ImportOptions(allow_pickle=True, precision="fp64")
    version = import_model(tmp_path / "words.joblib", options).version
    publish(tmp_path / "repository", "words", version)
    with start_server(repository=tmp_path / "repository").client() as calls:
        for text in [*TEXTS[:20], {}, {"never seen": -2.5, "größer": 1.0}]:
            (score,) = calls.score_named("words", text)
            assert score == pytest.approx(estimator.predict([text])[0], rel=1e-12, abs=1e-14)
