# SPDX-License-Identifier: Apache-2.0
"""scikit-learn's own predictions against what the importer makes of its estimators."""

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from fidelity import boundary_rows, engine, same_to_ulps, unusual_rows
from lightgbm import LGBMClassifier
from sklearn import (
    datasets,
    decomposition,
    ensemble,
    impute,
    linear_model,
    preprocessing,
    tree,
)
from sklearn.compose import TransformedTargetRegressor
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC, LinearSVR
from xgboost import XGBClassifier, XGBRegressor

from reference_engine import Reference
from thriftscore.errors import ModelRefused
from thriftscore.importers.sklearn_model import read_sklearn
from thriftscore.importers.source_model import SourceModel, answer

PARTS = {
    "logistic": lambda: linear_model.LogisticRegression(max_iter=200),
    "forest": lambda: ensemble.RandomForestClassifier(8, random_state=1),
    "tree": lambda: tree.DecisionTreeRegressor(max_depth=4),
}


def scaled(*steps: Any) -> Any:
    return make_pipeline(StandardScaler(), *steps)


LINEAR: dict[str, tuple[str, Callable[[], Any]]] = {
    "logistic of two": ("breast_cancer", lambda: scaled(PARTS["logistic"]())),
    "logistic of three": ("wine", lambda: scaled(PARTS["logistic"]())),
    "logistic CV": (
        "iris",
        lambda: linear_model.LogisticRegressionCV(
            Cs=2, cv=2, max_iter=500, l1_ratios=(0.0,), use_legacy_attributes=False
        ),
    ),
    "liblinear": ("breast_cancer", lambda: linear_model.LogisticRegression(solver="liblinear")),
    "linear": ("diabetes", linear_model.LinearRegression),
    "several targets": ("linnerud", linear_model.Ridge),
    "lasso": ("diabetes", lambda: scaled(linear_model.Lasso(0.1))),
    "elastic net": ("diabetes", lambda: scaled(linear_model.ElasticNet(0.1))),
    "huber": ("diabetes", lambda: scaled(linear_model.HuberRegressor())),
    "bayesian": ("diabetes", linear_model.BayesianRidge),
    "SGD": ("diabetes", lambda: scaled(linear_model.SGDRegressor(random_state=1))),
    "SVR": ("diabetes", lambda: scaled(LinearSVR(max_iter=100_000))),
    "poisson": ("diabetes", lambda: scaled(linear_model.PoissonRegressor())),
    "gamma": ("diabetes", lambda: scaled(linear_model.GammaRegressor())),
    "tweedie": ("diabetes", lambda: scaled(linear_model.TweedieRegressor(power=1.5))),
    "normal tweedie": ("diabetes", lambda: linear_model.TweedieRegressor(power=0)),
    "min-max": ("wine", lambda: make_pipeline(preprocessing.MinMaxScaler(), PARTS["logistic"]())),
    "clipped min-max": (
        "diabetes",
        lambda: make_pipeline(preprocessing.MinMaxScaler((-1, 1), clip=True), linear_model.Ridge()),
    ),
    "max-abs": (
        "diabetes",
        lambda: make_pipeline(preprocessing.MaxAbsScaler(), linear_model.Ridge()),
    ),
    "robust": (
        "diabetes",
        lambda: make_pipeline(preprocessing.RobustScaler(), linear_model.Ridge()),
    ),
    "L1 norm": (
        "wine",
        lambda: make_pipeline(preprocessing.Normalizer("l1"), linear_model.Ridge()),
    ),
    "L2 norm": (
        "wine",
        lambda: make_pipeline(preprocessing.Normalizer("l2"), linear_model.Ridge()),
    ),
    "max norm": (
        "wine",
        lambda: make_pipeline(preprocessing.Normalizer("max"), linear_model.Ridge()),
    ),
    "binarizer": (
        "digits",
        lambda: make_pipeline(preprocessing.Binarizer(threshold=7), linear_model.Ridge()),
    ),
    "PCA": ("breast_cancer", lambda: scaled(decomposition.PCA(5), PARTS["logistic"]())),
    "whitened": (
        "breast_cancer",
        lambda: scaled(decomposition.PCA(5, whiten=True), PARTS["logistic"]()),
    ),
    "best features": (
        "breast_cancer",
        lambda: make_pipeline(SelectKBest(k=5), scaled(PARTS["logistic"]())),
    ),
    "variance": ("digits", lambda: make_pipeline(VarianceThreshold(1.0), linear_model.Ridge())),
    "LDA": ("wine", LinearDiscriminantAnalysis),
    "LDA of two": ("breast_cancer", LinearDiscriminantAnalysis),
    "SGD log loss": (
        "wine",
        lambda: scaled(linear_model.SGDClassifier(loss="log_loss", random_state=1)),
    ),
    "SGD huber": (
        "breast_cancer",
        lambda: scaled(linear_model.SGDClassifier(loss="modified_huber", random_state=1)),
    ),
    "SGD hinge": ("wine", lambda: scaled(linear_model.SGDClassifier(random_state=1))),
    "perceptron": ("breast_cancer", lambda: scaled(linear_model.Perceptron())),
    "ridge classes": ("wine", linear_model.RidgeClassifier),
    "SVC": ("breast_cancer", lambda: scaled(LinearSVC())),
    "MLP": ("breast_cancer", lambda: scaled(MLPClassifier((16, 8), max_iter=20, random_state=1))),
    "MLP tanh": (
        "wine",
        lambda: scaled(MLPClassifier((16,), activation="tanh", max_iter=20, random_state=1)),
    ),
    "MLP sigmoid": (
        "diabetes",
        lambda: scaled(
            MLPRegressor(
                hidden_layer_sizes=(16,), activation="logistic", max_iter=20, random_state=1
            )
        ),
    ),
    "scaled target": (
        "diabetes",
        lambda: TransformedTargetRegressor(
            scaled(linear_model.Ridge()), transformer=StandardScaler()
        ),
    ),
    "log target": (
        "diabetes",
        lambda: TransformedTargetRegressor(linear_model.Ridge(), func=np.log, inverse_func=np.exp),
    ),
    "imputer": ("diabetes", lambda: make_pipeline(impute.SimpleImputer(), linear_model.Ridge())),
    "marked imputer": (
        "digits",
        lambda: make_pipeline(impute.SimpleImputer(missing_values=0.0), linear_model.Ridge()),
    ),
    "bagged": ("breast_cancer", lambda: scaled(ensemble.BaggingClassifier(PARTS["logistic"](), 3))),
}

TREES: dict[str, tuple[str, Callable[[], Any]]] = {
    "tree": ("breast_cancer", lambda: tree.DecisionTreeClassifier(max_depth=5)),
    "tree of numbers": ("diabetes", lambda: scaled(tree.DecisionTreeRegressor(max_depth=6))),
    "tree of several targets": ("linnerud", lambda: tree.DecisionTreeRegressor(max_depth=4)),
    "forest": ("wine", lambda: scaled(PARTS["forest"]())),
    "forest of two": (
        "breast_cancer",
        lambda: make_pipeline(preprocessing.MinMaxScaler(), PARTS["forest"]()),
    ),
    "forest of numbers": ("diabetes", lambda: ensemble.RandomForestRegressor(8, random_state=1)),
    "extra trees": ("digits", lambda: ensemble.ExtraTreesClassifier(8, random_state=1)),
    "extra trees of numbers": ("diabetes", lambda: ensemble.ExtraTreesRegressor(8, random_state=1)),
    "boosting": ("breast_cancer", lambda: ensemble.GradientBoostingClassifier(n_estimators=8)),
    "boosting of three": (
        "iris",
        lambda: make_pipeline(
            preprocessing.RobustScaler(), ensemble.GradientBoostingClassifier(n_estimators=8)
        ),
    ),
    "exponential boosting": (
        "breast_cancer",
        lambda: ensemble.GradientBoostingClassifier(n_estimators=8, loss="exponential"),
    ),
    "boosting of numbers": ("diabetes", lambda: ensemble.GradientBoostingRegressor(n_estimators=8)),
    "histograms": (
        "breast_cancer",
        lambda: scaled(ensemble.HistGradientBoostingClassifier(max_iter=8)),
    ),
    "histograms of three": ("wine", lambda: ensemble.HistGradientBoostingClassifier(max_iter=8)),
    "histograms of counts": (
        "diabetes",
        lambda: ensemble.HistGradientBoostingRegressor(loss="poisson", max_iter=8),
    ),
    "isolation": (
        "breast_cancer",
        lambda: ensemble.IsolationForest(n_estimators=20, max_features=0.5),
    ),
    "bagged trees": (
        "diabetes",
        lambda: ensemble.BaggingRegressor(PARTS["tree"](), 5, max_features=0.5),
    ),
    "vote": (
        "breast_cancer",
        lambda: scaled(
            ensemble.VotingClassifier(
                [("a", PARTS["logistic"]()), ("b", PARTS["forest"]())],
                voting="soft",
                weights=[2, 1],
            )
        ),
    ),
    "vote of numbers": (
        "diabetes",
        lambda: ensemble.VotingRegressor([("a", linear_model.Ridge()), ("b", PARTS["tree"]())]),
    ),
    "scaled LightGBM": (
        "breast_cancer",
        lambda: scaled(LGBMClassifier(n_estimators=8, verbose=-1, n_jobs=1)),
    ),
    "scaled XGBoost": ("breast_cancer", lambda: scaled(XGBClassifier(n_estimators=8, n_jobs=1))),
    "XGBoost of three": ("wine", lambda: XGBClassifier(n_estimators=8, n_jobs=1)),
    "min-max XGBoost": (
        "diabetes",
        lambda: make_pipeline(preprocessing.MinMaxScaler(), XGBRegressor(n_estimators=8, n_jobs=1)),
    ),
}


@cache
def train(name: str) -> tuple[SourceModel, Any]:
    data_set, make = {**LINEAR, **TREES}[name]
    rows, target = getattr(datasets, f"load_{data_set}")(return_X_y=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not converged, and deprecations between libraries
        return read_sklearn(make().fit(rows, target)), rows


def typical(expected: Any) -> Any:
    """What differences are relative to: see `golden.differences`."""
    return np.maximum(np.maximum(1.0, np.abs(expected)), np.median(np.abs(expected), axis=0))


# Features or targets far from their mean, left unscaled: terms a thousand times the score cancel,
# and with them the digits that float32 weights have.
CANCELLING = {"LDA of two", "SGD huber", "liblinear", "ridge classes", "log target"}


@pytest.mark.parametrize("name", LINEAR)
def test_linear_and_dense_models_agree_in_double_and_in_single(name: str) -> None:
    source, rows = train(name)
    single = 1e-5 if name in CANCELLING else 1e-6
    for precision, dtype, tolerance in (("fp64", np.float64, 1e-12), ("fp32", np.float32, single)):
        answered = answer(source, precision, None, None)
        seeded = answered.golden.features
        for tried in (seeded, rows.astype(dtype).astype(float)):
            expected = source.answers(tried)
            for scores in (
                Reference(answered.model, dtype).evaluate(tried),
                engine(answered.model, tried),
            ):
                assert scores.shape == expected.shape
                np.testing.assert_array_equal(np.isnan(scores), np.isnan(expected))
                assert np.nanmax(np.abs(scores - expected) / typical(expected)) <= tolerance


@pytest.mark.parametrize("name", TREES)
def test_trees_decide_as_scikit_learn_does(name: str) -> None:
    source, rows = train(name)
    for precision, dtype in (("fp64", np.float64), ("fp32", np.float32)):
        answered = answer(source, precision, None, None)
        reference = Reference(answered.model)
        missing = reference.header["missing_values"] == "propagate"
        rounded = rows.astype(dtype).astype(float)
        for tried in (
            answered.golden.features,
            boundary_rows(source.native, rounded, dtype),
            unusual_rows(rounded, dtype, missing=missing, infinite=False),
        ):
            expected = source.answers(tried)
            scores, native = reference.evaluate(tried), engine(answered.model, tried)
            limit = 1e-5 if precision == "fp32" else 1e-6 if "XGBoost" in name else 1e-12
            assert (np.abs(native - expected) / typical(expected)).max() <= limit
            if name == "isolation":  # its offset cancels most of the score
                np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-14)
                continue
            single = "XGBoost" in name
            same_to_ulps(scores, expected, 4, np.float32 if single else float)


def mixed_frame() -> tuple[Any, Any]:
    """Numbers and texts, some of them missing."""
    import pandas as pd

    random, count = np.random.default_rng(4), 300
    frame = pd.DataFrame(
        {
            "age": random.normal(40, 10, count),
            "colour": random.choice(["red", "green", "blue"], count).astype(object),
            "size": random.choice(["s", "m", "l"], count).astype(object),
            "income": random.normal(1e4, 3e3, count),
        }
    )
    target = ((frame["colour"] == "red") ^ (frame["income"] > 1e4)).astype(int)
    frame.loc[::7, "age"] = np.nan
    frame.loc[::11, "colour"] = np.nan
    return frame, target


def columns(**encoder: Any) -> Any:
    from sklearn.compose import ColumnTransformer

    numeric = make_pipeline(impute.SimpleImputer(), StandardScaler())
    texts = make_pipeline(
        impute.SimpleImputer(strategy="most_frequent"), preprocessing.OneHotEncoder(**encoder)
    )
    return ColumnTransformer(
        [
            ("numbers", numeric, ["age", "income"]),
            ("texts", texts, ["colour"]),
            ("order", preprocessing.OrdinalEncoder(), ["size"]),
        ]
    )


MIXED: dict[str, Callable[[], Any]] = {
    "logistic": lambda: make_pipeline(columns(handle_unknown="ignore"), PARTS["logistic"]()),
    "forest": lambda: make_pipeline(columns(drop="first"), PARTS["forest"]()),
    "histograms": lambda: make_pipeline(
        columns(handle_unknown="ignore", sparse_output=False),
        ensemble.HistGradientBoostingClassifier(max_iter=8),
    ),
}


def codes(frame: Any, source: SourceModel) -> Any:
    """The frame as rows have it: texts as the index of their names."""
    rows = np.empty(frame.shape)
    for index, name in enumerate(frame.columns):
        names = source.native.categories.get(name)
        rows[:, index] = [
            value if names is None or value != value else names.index(value)
            for value in frame[name]
        ]
    return rows


@pytest.mark.parametrize("name", MIXED)
def test_columns_of_texts_become_categories(name: str) -> None:
    frame, target = mixed_frame()
    estimator = MIXED[name]().fit(frame, target)
    source = read_sklearn(estimator)
    assert source.native.features == ("age", "colour", "size", "income")
    assert source.native.categories == {"colour": ("blue", "green", "red"), "size": ("l", "m", "s")}
    rows = codes(frame, source)
    data = answer(source, "fp64", None, None).model
    for scores in (Reference(data).evaluate(rows), engine(data, rows)):
        np.testing.assert_allclose(scores[:, 0], estimator.predict_proba(frame)[:, 1], rtol=1e-12)


def test_an_unknown_category_is_nothing_or_nan_as_the_encoder_says() -> None:
    frame, target = mixed_frame()
    for encoder in ({"handle_unknown": "ignore"}, {"handle_unknown": "error"}):
        estimator = make_pipeline(columns(**encoder), PARTS["logistic"]()).fit(frame, target)
        source = read_sklearn(estimator)
        unknown = codes(frame, source)[:20]
        unknown[:, 1] = 7
        scores = Reference(answer(source, "fp64", None, None).model).evaluate(unknown)
        if encoder["handle_unknown"] == "error":
            assert np.isnan(scores).all()
            continue
        strange = frame[:20].assign(colour="purple")
        expected = estimator.predict_proba(strange)[:, 1]
        np.testing.assert_allclose(scores[:, 0], expected, rtol=1e-12)


def test_histogram_boosting_takes_categories_itself() -> None:
    frame, target = mixed_frame()
    typed = frame.astype({"colour": "category", "size": "category"})
    estimator = ensemble.HistGradientBoostingClassifier(
        max_iter=20, categorical_features="from_dtype", min_samples_leaf=5
    ).fit(typed, target)
    source = read_sklearn(estimator)
    rows = codes(frame, source)
    data = answer(source, "fp64", None, None).model
    for scores in (Reference(data).evaluate(rows), engine(data, rows)):
        np.testing.assert_allclose(scores[:, 0], estimator.predict_proba(typed)[:, 1], rtol=1e-13)


@pytest.mark.parametrize(
    ("estimator", "reason"),
    [
        (KNeighborsClassifier(), "the estimator KNeighborsClassifier is not supported"),
        (SVC(), "the estimator SVC is not supported"),
        (
            make_pipeline(
                preprocessing.QuantileTransformer(n_quantiles=10), linear_model.LogisticRegression()
            ),
            "the transformer QuantileTransformer is not supported",
        ),
        (
            make_pipeline(preprocessing.FunctionTransformer(np.abs), linear_model.Perceptron()),
            "FunctionTransformer is supported without a function only",
        ),
        (
            ensemble.VotingClassifier([("a", linear_model.Perceptron())], voting="hard"),
            "VotingClassifier(voting='hard') has no scores",
        ),
        (
            ensemble.AdaBoostClassifier(n_estimators=2),
            "the estimator AdaBoostClassifier is not supported",
        ),
        (ensemble.StackingClassifier([("a", PARTS["logistic"]())]), "StackingClassifier"),
    ],
)
def test_what_has_no_stages_is_refused_by_name(estimator: Any, reason: str) -> None:
    rows, target = datasets.load_iris(return_X_y=True)
    with pytest.raises(ModelRefused) as raised:
        read_sklearn(estimator.fit(rows, target))
    assert reason in str(raised.value)


def test_a_class_of_somebody_else_is_refused_even_where_it_derives_from_a_known_one() -> None:
    class Odd(linear_model.LinearRegression):
        def predict(self, rows: Any) -> Any:
            return super().predict(rows) + 1

    with pytest.raises(ModelRefused, match="Odd is not supported"):
        read_sklearn(Odd().fit([[0.0], [1.0]], [0.0, 1.0]))
