# SPDX-License-Identifier: Apache-2.0
"""XGBoost's own predictions against what the importer makes of its files."""

import json
import warnings
from functools import cache
from typing import Any

import numpy as np
import pytest
import xgboost
from fidelity import boundary_rows, engine, same_to_ulps, unusual_rows
from sklearn import datasets

from reference_engine import Reference
from thriftscore.errors import ModelRefused
from thriftscore.importers.booster_source import read_xgboost_file
from thriftscore.importers.native_model import encode

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "binary:logistic": ("breast_cancer", {"objective": "binary:logistic"}),
    "a base score": ("breast_cancer", {"objective": "binary:logistic", "base_score": 0.3}),
    "binary:logitraw": ("breast_cancer", {"objective": "binary:logitraw"}),
    "binary:hinge": ("breast_cancer", {"objective": "binary:hinge"}),
    "reg:squarederror": ("diabetes", {}),
    "reg:absoluteerror": ("diabetes", {"objective": "reg:absoluteerror"}),
    "reg:gamma": ("diabetes", {"objective": "reg:gamma"}),
    "reg:tweedie": ("diabetes", {"objective": "reg:tweedie"}),
    "count:poisson": ("diabetes", {"objective": "count:poisson"}),
    "survival:cox": ("diabetes", {"objective": "survival:cox"}),
    "quantiles": ("diabetes", {"objective": "reg:quantileerror", "quantile_alpha": [0.1, 0.9]}),
    "multi:softprob": ("wine", {"objective": "multi:softprob", "num_class": 3}),
    "multi:softmax": ("iris", {"objective": "multi:softmax", "num_class": 3}),
    "several targets": ("linnerud", {}),
    "dart": ("diabetes", {"booster": "dart", "rate_drop": 0.3, "seed": 3}),
    "a forest": ("diabetes", {"num_parallel_tree": 5, "subsample": 0.5}),
    "deep trees": ("digits", {"objective": "multi:softprob", "num_class": 10, "max_depth": 9}),
}


def with_missing(rows: Any) -> Any:
    return np.where(np.random.default_rng(1).random(rows.shape) < 0.1, np.nan, rows)


@cache
def train(name: str) -> tuple[Any, Any]:
    data_set, parameters = CASES[name]
    rows, target = getattr(datasets, f"load_{data_set}")(return_X_y=True)
    rows = with_missing(rows).astype(np.float32)
    options = {"max_depth": 4, "nthread": 1, **parameters}
    return xgboost.train(options, xgboost.DMatrix(rows, target), 8), rows


def sums(data: bytes, rows: Any) -> Any:
    """What the stages before the link make of rows, by the reference."""
    reference = Reference(data, np.float32)
    last = {"link", "binarize"}
    stages = [stage for stage in reference.header["stages"] if stage["op"] not in last]
    with np.errstate(all="ignore"):
        return reference.chain(stages, rows.astype(np.float32))


@pytest.mark.parametrize("name", CASES)
def test_every_decision_and_every_sum_is_that_of_xgboost(name: str) -> None:
    booster, rows = train(name)
    source = read_xgboost_file(bytes(booster.save_raw("ubj")))
    data = encode(source.native, "fp32", "propagate")
    for tried in (
        boundary_rows(source.native, rows.astype(float), np.float32),
        unusual_rows(rows, np.float32, missing=True, infinite=False),
    ):
        matrix = xgboost.DMatrix(tried)
        margins = booster.predict(matrix, output_margin=True).reshape(len(tried), -1)
        np.testing.assert_array_equal(sums(data, tried), margins)
        scores = Reference(data, np.float32).evaluate(tried)
        np.testing.assert_allclose(scores, source.answers(tried), rtol=2e-6, atol=1e-7)
        np.testing.assert_allclose(engine(data, tried), source.answers(tried), rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("name", ["reg:squarederror", "multi:softprob"])
def test_rows_in_double_are_decided_as_after_rounding_to_single(name: str) -> None:
    booster, rows = train(name)
    source = read_xgboost_file(bytes(booster.save_raw("json")))
    data = encode(source.native, "fp64", "propagate")
    tried = boundary_rows(source.native, rows.astype(float), np.float64)
    expected = booster.predict(xgboost.DMatrix(tried), output_margin=True)
    np.testing.assert_allclose(engine(data, tried), source.answers(tried), rtol=2e-6)
    reference = Reference(data)
    stages = [stage for stage in reference.header["stages"] if stage["op"] != "link"]
    same_to_ulps(reference.chain(stages, tried), expected.reshape(len(tried), -1), 0, np.float32)


@pytest.mark.parametrize(("classes", "target"), [(2, "binary:logistic"), (3, "multi:softprob")])
def test_linear_boosters_skip_missing_values(classes: int, target: str) -> None:
    rows, labels = datasets.load_wine(return_X_y=True)
    rows, labels = with_missing(rows), np.minimum(labels, classes - 1)
    options = {"booster": "gblinear", "objective": target, "nthread": 1}
    options |= {"num_class": classes} if classes > 2 else {}
    booster = xgboost.train(options, xgboost.DMatrix(rows, labels), 5)
    source = read_xgboost_file(bytes(booster.save_raw("json")))
    data = encode(source.native, "fp64", "propagate")
    for scores in (Reference(data).evaluate(rows), engine(data, rows)):
        np.testing.assert_allclose(scores, source.answers(rows), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("one_hot_max", [1, 100])
def test_categories_go_where_xgboost_sends_them(one_hot_max: int) -> None:
    random = np.random.default_rng(2)
    rows = random.integers(0, 40, (400, 3)).astype(float)
    rows[:, 2] = random.standard_normal(400)
    target = (rows[:, 0] % 3 == 0) * 5.0 + (rows[:, 1] > 20) * rows[:, 2]
    rows = with_missing(rows)
    kinds = ["c", "c", "q"]
    options = {"max_cat_to_onehot": one_hot_max, "tree_method": "hist", "nthread": 1}
    matrix = xgboost.DMatrix(rows, target, feature_types=kinds, enable_categorical=True)
    booster = xgboost.train(options, matrix, 10)
    source = read_xgboost_file(bytes(booster.save_raw("json")))
    tried = np.concatenate([rows, rows + np.array([100, 0, 0]), rows * np.array([0, np.nan, 1])])
    data = encode(source.native, "fp32", "propagate")
    scores = Reference(data, np.float32).evaluate(tried)
    np.testing.assert_array_equal(engine(data, tried), scores)
    expected = booster.predict(xgboost.DMatrix(tried, feature_types=kinds, enable_categorical=True))
    np.testing.assert_array_equal(scores[:, 0], expected)


def test_texts_of_a_data_frame_become_categories() -> None:
    import pandas as pd

    random = np.random.default_rng(3)
    colours = random.choice(["red", "green", "blue"], 300)
    frame = pd.DataFrame({"size": random.standard_normal(300), "colour": pd.Categorical(colours)})
    target = (colours == "red") * 2.0 + frame["size"]
    matrix = xgboost.DMatrix(frame, target, enable_categorical=True)
    booster = xgboost.train({"nthread": 1}, matrix, 5)
    source = read_xgboost_file(bytes(booster.save_raw("ubj")))
    assert source.native.categories == {"colour": ("blue", "green", "red")}
    codes = np.column_stack([frame["size"], frame["colour"].cat.codes]).astype(np.float32)
    data = encode(source.native, "fp32", "propagate")
    np.testing.assert_array_equal(engine(data, codes)[:, 0], booster.predict(matrix))
    np.testing.assert_array_equal(
        source.answers(codes.astype(float))[:, 0], booster.predict(matrix)
    )


def changed(**changes: Any) -> bytes:
    booster, _ = train("reg:squarederror")
    document = json.loads(bytes(booster.save_raw("json")))
    document["learner"].update(changes)
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"learner": {}}', "XGBoost cannot read the file"),
        (b"{L\0\0\0\0\0\0\0\x07learner", "XGBoost cannot read the file"),
        (changed(objective={"name": "reg:magic"}), "XGBoost cannot read the file"),
    ],
)
def test_what_is_no_booster_is_refused_in_one_line(data: bytes, reason: str) -> None:
    with pytest.raises(ModelRefused, match=reason) as raised:
        read_xgboost_file(data)
    assert "\n" not in str(raised.value)


def test_vector_leaves_are_refused_by_name() -> None:
    rows, targets = datasets.load_linnerud(return_X_y=True)
    options = {"multi_strategy": "multi_output_tree", "tree_method": "hist"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        booster = xgboost.train(options, xgboost.DMatrix(rows, targets), 2)
    with pytest.raises(ModelRefused, match="multi_output_tree"):
        read_xgboost_file(bytes(booster.save_raw("json")))


def test_the_old_form_of_base_score_is_read() -> None:
    booster, rows = train("a base score")
    document = json.loads(bytes(booster.save_raw("json")))
    parameters = document["learner"]["learner_model_param"]
    parameters["base_score"] = parameters["base_score"].strip("[]")
    source = read_xgboost_file(json.dumps(document).encode())
    data = encode(source.native, "fp32", "propagate")
    expected = booster.predict(xgboost.DMatrix(rows), output_margin=True)
    np.testing.assert_array_equal(sums(data, rows)[:, 0], expected)


def test_names_of_features_are_kept() -> None:
    rows, target = datasets.load_iris(return_X_y=True)
    names = ["a", "b", "c", "d"]
    booster = xgboost.train({}, xgboost.DMatrix(rows, target, feature_names=names), 1)
    source = read_xgboost_file(bytes(booster.save_raw("ubj")))
    assert source.native.features == tuple(names)
    assert np.isfinite(source.answers(rows)).all()
