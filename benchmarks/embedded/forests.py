# SPDX-License-Identifier: Apache-2.0
"""Tree ensembles in every library that scores them: 200 LightGBM trees of 31 leaves, and 500 trees
of depth 12 from XGBoost and scikit-learn.

Every scorer of a forest computes the same scores from the same rows. What is not installed is left
out.
"""

from __future__ import annotations

import copy
import importlib
from importlib.util import find_spec
from pathlib import Path

import joblib
import numpy as np
from embedded.scorers import OnThreads, Score, engine, onnx_runtime
from numpy.typing import NDArray
from skl2onnx import to_onnx
from sklearn.ensemble import RandomForestRegressor

FEATURES = 50
# What scores the models of each library, if it is installed: a scorer and the modules it needs.
SCORERS: dict[str, dict[str, tuple[str, ...]]] = {
    "lightgbm": {
        "thriftscore": (),
        "source": (),
        "onnxruntime": ("onnxmltools",),
        "lleaves": ("lleaves",),
        "tl2cgen": ("tl2cgen", "treelite"),
    },
    "xgboost": {"thriftscore": (), "source": (), "onnxruntime": ("onnxmltools",)},
    "sklearn": {"thriftscore": (), "source": (), "onnxruntime": ()},
}


def _installed(*modules: str) -> bool:
    return all(find_spec(module) is not None for module in modules)


CASES = [
    (library, scorer)
    for library, scorers in SCORERS.items()
    for scorer, modules in scorers.items()
    if _installed(library, *modules)
]
"""Which library's forest is scored by what, of those that are installed."""


def forest_scorers(library: str, folder: Path) -> dict[str, OnThreads]:
    """What scores a forest of `library` on so many threads; `folder` is for its files."""
    make = {"lightgbm": _lightgbm, "xgboost": _xgboost, "sklearn": _sklearn}[library]
    return make(folder)


def forest_rows(rows: int) -> NDArray[np.float32]:
    """Seeded rows to score."""
    return np.random.default_rng(11).normal(0, 1, (rows, FEATURES)).astype(np.float32)


def _training_rows() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    random = np.random.default_rng(7)
    rows = random.normal(0, 1, (10_000, FEATURES))
    weights = random.normal(0, 1, FEATURES)
    return rows, np.sin(rows @ weights / 4) + rows[:, 0] * rows[:, 1]


def _lightgbm(folder: Path) -> dict[str, OnThreads]:
    lightgbm = importlib.import_module("lightgbm")
    parameters = {"num_leaves": 31, "verbose": -1, "num_threads": 2}
    booster = lightgbm.train(parameters, lightgbm.Dataset(*_training_rows()), 200)
    source = folder / "model.txt"
    booster.save_model(source)
    scorers = {
        "thriftscore": engine(source, folder),
        "source": lambda threads: lambda rows: booster.predict(rows, num_threads=threads),
    }
    if _installed("onnxmltools"):
        converter = importlib.import_module("onnxmltools")
        graph = converter.convert_lightgbm(booster, initial_types=_tensor_type())
        scorers["onnxruntime"] = onnx_runtime(graph)
    if _installed("lleaves"):
        compiled = importlib.import_module("lleaves").Model(model_file=str(source))
        compiled.compile()
        scorers["lleaves"] = lambda threads: lambda rows: compiled.predict(rows, n_jobs=threads)
    if _installed("tl2cgen", "treelite"):
        scorers["tl2cgen"] = _tl2cgen(source, folder / "trees.so")
    return scorers


def _xgboost(folder: Path) -> dict[str, OnThreads]:
    xgboost = importlib.import_module("xgboost")
    parameters = {"max_depth": 12, "nthread": 2, "eta": 0.05, "tree_method": "hist", "max_bin": 64}
    booster = xgboost.train(parameters, xgboost.DMatrix(*_training_rows()), 500)
    source = folder / "model.json"
    booster.save_model(source)

    def on_threads(threads: int) -> Score:
        mine = booster.copy()
        mine.set_param({"nthread": threads})
        return mine.inplace_predict

    scorers = {"thriftscore": engine(source, folder), "source": on_threads}
    if _installed("onnxmltools"):
        converter = importlib.import_module("onnxmltools")
        graph = converter.convert_xgboost(booster, initial_types=_tensor_type())
        scorers["onnxruntime"] = onnx_runtime(graph)
    return scorers


def _sklearn(folder: Path) -> dict[str, OnThreads]:
    forest = RandomForestRegressor(500, max_depth=12, max_features=0.2, n_jobs=2, random_state=7)
    forest.fit(*_training_rows())
    source = folder / "model.joblib"
    joblib.dump(forest, source)

    def on_threads(threads: int) -> Score:
        mine = copy.copy(forest)
        mine.n_jobs = threads
        return mine.predict

    return {
        "thriftscore": engine(source, folder),
        "source": on_threads,
        "onnxruntime": onnx_runtime(to_onnx(forest, np.zeros((1, FEATURES), np.float32))),
    }


def _tensor_type() -> list[tuple[str, object]]:
    types = importlib.import_module("onnxmltools.convert.common.data_types")
    return [("rows", types.FloatTensorType([None, FEATURES]))]


def _tl2cgen(source: Path, library: Path) -> OnThreads:
    tl2cgen = importlib.import_module("tl2cgen")
    model = importlib.import_module("treelite").frontend.load_lightgbm_model(source)
    tl2cgen.export_lib(model, toolchain="gcc", libpath=library, params={"parallel_comp": 2})

    def on_threads(threads: int) -> Score:
        predictor = tl2cgen.Predictor(library, nthread=threads)
        return lambda rows: predictor.predict(tl2cgen.DMatrix(rows, dtype="float32"))

    return on_threads
