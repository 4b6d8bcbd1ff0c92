# SPDX-License-Identifier: Apache-2.0
"""`thriftscore import` of a file of each format, made by the library whose format it is."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import lightgbm
import numpy as np
import pytest
import skops.io
import xgboost
from command_line import run
from sklearn import datasets
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import thriftscore

ROWS, TARGET = datasets.load_breast_cancer(return_X_y=True)


def boosted() -> Any:
    options = {"objective": "binary:logistic", "max_depth": 3, "nthread": 1}
    return xgboost.train(options, xgboost.DMatrix(ROWS, TARGET), 5)


def write_lightgbm(path: Path) -> Any:
    data = lightgbm.Dataset(ROWS, TARGET)
    options = {"objective": "binary", "verbose": -1, "num_threads": 1}
    booster = lightgbm.train(options, data, 5)
    booster.save_model(path)
    return booster.predict(ROWS)


def write_xgboost(path: Path) -> Any:
    booster = boosted()
    booster.save_model(path)
    return booster.predict(xgboost.DMatrix(ROWS))


def fitted(estimator: Any) -> Any:
    return estimator.fit(ROWS, TARGET)


def write_forest(path: Path) -> Any:
    forest = fitted(make_pipeline(StandardScaler(), RandomForestClassifier(5)))
    joblib.dump(forest, path)
    return forest.predict_proba(ROWS)[:, 1]


def write_skops(path: Path) -> Any:
    logistic = fitted(make_pipeline(StandardScaler(), LogisticRegression()))
    skops.io.dump(logistic, path)
    return logistic.predict_proba(ROWS)[:, 1]


def write_skops_of_trees(path: Path) -> Any:
    trees = fitted(HistGradientBoostingClassifier(max_iter=5))
    skops.io.dump(trees, path)
    return trees.predict_proba(ROWS)[:, 1]


def write_npz(path: Path) -> Any:
    weights = np.random.default_rng(1).standard_normal(30) / 30
    np.savez(path, weights=weights, mean=ROWS.mean(axis=0), scale=ROWS.std(axis=0), link="sigmoid")
    return 1 / (1 + np.exp(-((ROWS - ROWS.mean(axis=0)) / ROWS.std(axis=0)) @ weights))


FORMATS: dict[str, tuple[str, Callable[[Path], Any], list[str]]] = {
    "xgboost json": ("model.json", write_xgboost, []),
    "xgboost ubj": ("model.ubj", write_xgboost, []),
    "lightgbm": ("model.txt", write_lightgbm, []),
    "joblib": ("model.joblib", write_forest, ["--allow-pickle"]),
    "skops": ("model.skops", write_skops, []),
    "skops of trees": ("model.skops", write_skops_of_trees, ["--allow-pickle"]),
    "npz": ("model.npz", write_npz, []),
}


def import_(source: Path, *options: str) -> subprocess.CompletedProcess[str]:
    target = ["--name", "m", "--repository", str(source.parent / "repository"), "--json"]
    return run("import", source, *target, *options)


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_of_every_format_is_imported_and_answers_as_its_source(
    tmp_path: Path, name: str
) -> None:
    file, write, options = FORMATS[name]
    expected = write(tmp_path / file)
    done = import_(tmp_path / file, "--precision", "fp64", *options)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["task"] == "binary_classification"
    assert report["report"]["label_disagreements"] == 0
    assert report["report"]["max_ulp_difference"] >= 0
    model = thriftscore.load(tmp_path / "repository" / "m" / "1")
    tolerance = 1e-6 if "xgboost" in name else 1e-12
    np.testing.assert_allclose(model.score(ROWS)[:, 0], expected, rtol=tolerance, atol=1e-12)


def test_what_has_no_stages_is_refused_in_one_line(tmp_path: Path) -> None:
    joblib.dump(fitted(KNeighborsClassifier()), tmp_path / "model.joblib")
    done = import_(tmp_path / "model.joblib", "--allow-pickle")
    assert done.returncode != 0
    assert done.stderr == "error: the estimator KNeighborsClassifier is not supported\n"


def test_types_that_skops_does_not_trust_need_the_users_word(tmp_path: Path) -> None:
    skops.io.dump(Strange().fit(ROWS, TARGET), tmp_path / "model.skops")
    done = import_(tmp_path / "model.skops")
    assert done.returncode != 0
    assert "has types that skops does not trust: " in done.stderr
    assert done.stderr.count("\n") == 1


class Strange(LinearRegression):
    """Not of scikit-learn."""
