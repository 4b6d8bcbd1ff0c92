# SPDX-License-Identifier: Apache-2.0
"""Tree ensembles against what people score them with, on one and two threads (pytest-benchmark).

200 LightGBM trees of 31 leaves, and 500 trees of depth 12 from XGBoost and scikit-learn. Every
function of a group computes the same scores from the same rows, which is asserted once. What is
not installed is left out.
"""

from __future__ import annotations

import copy
import importlib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import joblib
import numpy as np
import onnxruntime
import pytest
from in_threads import SIZES, Score, in_threads
from numpy.typing import NDArray
from onnx import ModelProto
from pytest_benchmark.fixture import BenchmarkFixture
from skl2onnx import to_onnx
from sklearn.ensemble import RandomForestRegressor
from threadpoolctl import threadpool_limits

import thriftscore
from thriftscore.importers.importing import ImportOptions, import_model
from thriftscore.repository.publish import publish

OnThreads = Callable[[int], Score]
"""Makes what scores on so many threads."""

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
        "thriftscore": _engine(source, folder),
        "source": lambda threads: lambda rows: booster.predict(rows, num_threads=threads),
    }
    if _installed("onnxmltools"):
        converter = importlib.import_module("onnxmltools")
        graph = converter.convert_lightgbm(booster, initial_types=_tensor_type())
        scorers["onnxruntime"] = _onnxruntime(graph)
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

    scorers = {"thriftscore": _engine(source, folder), "source": on_threads}
    if _installed("onnxmltools"):
        converter = importlib.import_module("onnxmltools")
        graph = converter.convert_xgboost(booster, initial_types=_tensor_type())
        scorers["onnxruntime"] = _onnxruntime(graph)
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
        "thriftscore": _engine(source, folder),
        "source": on_threads,
        "onnxruntime": _onnxruntime(to_onnx(forest, np.zeros((1, FEATURES), np.float32))),
    }


@pytest.fixture(scope="session")
def forest(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, dict[str, OnThreads]]:
    """The name of a forest and the same forest in each library."""
    make = {"lightgbm": _lightgbm, "xgboost": _xgboost, "sklearn": _sklearn}[request.param]
    return request.param, make(tmp_path_factory.mktemp("trees"))


def _tensor_type() -> list[tuple[str, object]]:
    types = importlib.import_module("onnxmltools.convert.common.data_types")
    return [("rows", types.FloatTensorType([None, FEATURES]))]


def _engine(source: Path, folder: Path) -> OnThreads:
    imported = import_model(source, ImportOptions(allow_pickle=True))
    number = publish(folder / "repository", "bench", imported.version)
    model = thriftscore.load(folder / "repository" / "bench" / str(number))
    return lambda threads: in_threads(model.score, threads)


def _onnxruntime(graph: ModelProto) -> OnThreads:
    def on_threads(threads: int) -> Score:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = threads
        session = onnxruntime.InferenceSession(
            graph.SerializeToString(), options, ["CPUExecutionProvider"]
        )
        name = session.get_inputs()[0].name
        return lambda rows: session.run(None, {name: rows})[0]

    return on_threads


def _tl2cgen(source: Path, library: Path) -> OnThreads:
    tl2cgen = importlib.import_module("tl2cgen")
    model = importlib.import_module("treelite").frontend.load_lightgbm_model(source)
    tl2cgen.export_lib(model, toolchain="gcc", libpath=library, params={"parallel_comp": 2})

    def on_threads(threads: int) -> Score:
        predictor = tl2cgen.Predictor(library, nthread=threads)
        return lambda rows: predictor.predict(tl2cgen.DMatrix(rows, dtype="float32"))

    return on_threads


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
    data = np.random.default_rng(11).normal(0, 1, (rows, FEATURES)).astype(np.float32)
    benchmark.group = f"trees of {name}, {rows} rows x {FEATURES}, {threads} threads"
    with threadpool_limits(threads):
        scores = benchmark(scorers[scorer](threads), data)
    expected = scorers["source"](1)(data)
    np.testing.assert_allclose(np.ravel(scores), np.ravel(expected), rtol=1e-4, atol=1e-4)
