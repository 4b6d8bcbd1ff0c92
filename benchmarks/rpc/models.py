# SPDX-License-Identifier: Apache-2.0
"""The models that are served: fitted on seeded rows, imported as any user's would be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import lightgbm
import numpy as np
from peers.registry import MODEL_NAME
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import thriftscore
from thriftscore.importers.importing import ImportOptions, import_model
from thriftscore.repository import publish

SEED = 7
ROWS = 2_000


@dataclass(frozen=True)
class ServedModel:
    """One model, published as version 1 of `m` in a repository of its own."""

    kind: str
    repository: Path
    estimator: Path | None
    """The same model as scikit-learn has it, in joblib; None where it is another library's."""

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Of the published model."""
        return tuple(thriftscore.load(self.version_directory).feature_names)

    @property
    def version_directory(self) -> Path:
        """Where the only version is."""
        return self.repository / MODEL_NAME / "1"


def _rows(features: int) -> tuple[Any, Any]:
    random = np.random.default_rng(SEED)
    rows = random.normal(0, 1, (ROWS, features)).astype(np.float32)
    margin = rows @ random.normal(0, 1, features) + random.normal(0, 1, ROWS)
    return rows, (margin > 0).astype(int)


def _linear(features: int) -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(*_rows(features))


def _mlp(features: int) -> Any:
    layers = MLPClassifier((64, 64), max_iter=400, random_state=SEED)
    return make_pipeline(StandardScaler(), layers).fit(*_rows(features))


def _trees(features: int, folder: Path) -> Path:
    parameters = {"num_leaves": 31, "objective": "binary", "verbose": -1, "num_threads": 1}
    source = folder / "trees.txt"
    lightgbm.train(parameters, lightgbm.Dataset(*_rows(features)), 200).save_model(source)
    return source


FEATURES = {"linear_8": 8, "linear_32": 32, "linear_256": 256, "mlp": 32, "trees": 50}


def served_model(kind: str, folder: Path) -> ServedModel:
    """Fits and publishes a model of this kind below `folder`, unless that was done before."""
    home, features = folder / kind, FEATURES[kind]
    estimator = None if kind == "trees" else home / "estimator.joblib"
    model = ServedModel(kind, home / "repository", estimator)
    if not (model.version_directory / "manifest.json").exists():
        home.mkdir(parents=True, exist_ok=True)
        if estimator is None:
            source = _trees(features, home)
        else:
            source = estimator
            joblib.dump(_mlp(features) if kind == "mlp" else _linear(features), source)
        imported = import_model(source, ImportOptions(allow_pickle=estimator is not None))
        publish(model.repository, MODEL_NAME, imported.version)
    return model
