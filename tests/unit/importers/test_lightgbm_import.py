# SPDX-License-Identifier: Apache-2.0
"""LightGBM's own predictions against what the importer makes of its text files."""

from functools import cache
from typing import Any

import lightgbm
import numpy as np
import pytest
from fidelity import boundary_rows, engine, unusual_rows
from sklearn import datasets

from reference_engine import Reference
from thriftscore.errors import ModelRefused
from thriftscore.importers.booster_source import read_lightgbm_file
from thriftscore.importers.native_model import encode

FOREST = {"boosting": "rf", "bagging_fraction": 0.5, "bagging_freq": 1}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "binary": ("breast_cancer", {"objective": "binary"}),
    "a steep sigmoid": ("breast_cancer", {"objective": "binary", "sigmoid": 0.7}),
    "regression": ("diabetes", {}),
    "regression sqrt": ("diabetes", {"reg_sqrt": True}),
    "poisson": ("diabetes", {"objective": "poisson"}),
    "gamma": ("diabetes", {"objective": "gamma"}),
    "tweedie": ("diabetes", {"objective": "tweedie"}),
    "quantile": ("diabetes", {"objective": "quantile"}),
    "cross_entropy": ("breast_cancer", {"objective": "cross_entropy"}),
    "cross_entropy_lambda": ("breast_cancer", {"objective": "cross_entropy_lambda"}),
    "multiclass": ("wine", {"objective": "multiclass", "num_class": 3}),
    "multiclassova": ("iris", {"objective": "multiclassova", "num_class": 3, "sigmoid": 2.0}),
    "dart": ("diabetes", {"boosting": "dart"}),
    "a forest": ("diabetes", FOREST),
    "a forest of classes": ("wine", {"objective": "multiclass", "num_class": 3, **FOREST}),
    "zero is missing": ("diabetes", {"zero_as_missing": True}),
    "nothing is missing": ("diabetes", {"use_missing": False}),
    "digits": ("digits", {"objective": "multiclass", "num_class": 10, "zero_as_missing": True}),
}


def spoiled(rows: Any) -> Any:
    """Rows with missing values and zeros among them."""
    random = np.random.default_rng(1)
    rows = np.where(random.random(rows.shape) < 0.1, np.nan, rows)
    return np.where(random.random(rows.shape) < 0.1, 0.0, rows)


def fit(rows: Any, target: Any, **options: Any) -> Any:
    categorical = options.pop("categorical_feature", "auto")
    data = lightgbm.Dataset(rows, target, categorical_feature=categorical)
    options = {"num_leaves": 15, "verbose": -1, "num_threads": 1, **options}
    return lightgbm.train(options, data, 6)


@cache
def train(name: str) -> tuple[Any, Any]:
    data_set, options = CASES[name]
    rows, target = getattr(datasets, f"load_{data_set}")(return_X_y=True)
    return fit(spoiled(rows), target, **options), spoiled(rows)


@pytest.mark.parametrize("name", CASES)
def test_every_decision_and_every_sum_is_that_of_lightgbm(name: str) -> None:
    booster, rows = train(name)
    source = read_lightgbm_file(booster.model_to_string().encode())
    data = encode(source.native, "fp64", "propagate")
    reference = Reference(data)
    trees = reference.header["stages"][:1]
    for tried in (
        boundary_rows(source.native, rows, np.float64),
        unusual_rows(rows, np.float64, missing=True, infinite=True),
    ):
        raw = booster.predict(tried, raw_score=True).reshape(len(tried), -1)
        np.testing.assert_array_equal(reference.chain(trees, tried), raw)
        scores = reference.evaluate(tried)
        np.testing.assert_allclose(scores, source.answers(tried), rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(engine(data, tried), scores, rtol=1e-12, atol=1e-15)
    single = encode(source.native, "fp32", "propagate")
    tried = boundary_rows(source.native, rows, np.float32)
    expected = source.answers(tried)
    np.testing.assert_allclose(engine(single, tried), expected, rtol=5e-6, atol=1e-7)


def test_categories_go_where_lightgbm_sends_them() -> None:
    rows, target = datasets.load_diabetes(return_X_y=True)
    random = np.random.default_rng(2)
    rows[:, 0], rows[:, 1] = random.integers(0, 70, len(rows)), random.integers(0, 4, len(rows))
    target = target + 80 * (rows[:, 0] % 3 == 0) + 50 * (rows[:, 1] == 2)
    booster = fit(rows, target, categorical_feature=[0, 1], min_data_per_group=5)
    assert "cat_threshold" in booster.model_to_string()
    source = read_lightgbm_file(booster.model_to_string().encode())
    data = encode(source.native, "fp64", "propagate")
    tried = np.concatenate([rows, spoiled(rows)])
    tried[:5, 0] = [-1.0, 1000.0, 2.5, np.nan, 69.999]
    np.testing.assert_array_equal(Reference(data).evaluate(tried), source.answers(tried))
    np.testing.assert_array_equal(engine(data, tried), source.answers(tried))


def test_texts_of_a_data_frame_become_categories() -> None:
    import pandas as pd

    random = np.random.default_rng(3)
    colours = random.choice(["red", "green", "blue"], 300)
    frame = pd.DataFrame({"size": random.standard_normal(300), "colour": pd.Categorical(colours)})
    booster = fit(frame, (colours == "red") * 2.0 + frame["size"], min_data_per_group=5)
    source = read_lightgbm_file(booster.model_to_string().encode())
    assert source.native.categories == {"colour": ("blue", "green", "red")}
    codes = np.column_stack([frame["size"], frame["colour"].cat.codes]).astype(float)
    scores = Reference(encode(source.native, "fp64", "propagate")).evaluate(codes)
    np.testing.assert_array_equal(scores[:, 0], booster.predict(frame))


def test_linear_leaves_are_refused_by_name() -> None:
    rows, target = datasets.load_diabetes(return_X_y=True)
    booster = fit(rows, target, linear_tree=True)
    with pytest.raises(ModelRefused, match="linear_tree"):
        read_lightgbm_file(booster.model_to_string().encode())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("objective=regression", "objective=magic"), "objective magic is not supported"),
        (("num_leaves=", "num_leaves=9"), "a tree of"),
        (("left_child=", "left_child=0 "), "tree"),
        (("\nTree=", "\nBush="), "has no trees"),
        (("split_feature=", "split_feature=x "), "not a LightGBM model"),
    ],
)
def test_damaged_files_are_refused(change: tuple[str, str], reason: str) -> None:
    text = train("regression")[0].model_to_string()
    with pytest.raises(ModelRefused, match=reason):
        read_lightgbm_file(text.replace(*change).encode())
