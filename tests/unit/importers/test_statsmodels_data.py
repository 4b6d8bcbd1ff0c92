# SPDX-License-Identifier: Apache-2.0
"""Models of the econometric data that statsmodels brings along, from five families of libraries.

statsmodels itself is the reference for the plain weights of its own models.
"""

import warnings
from functools import cache
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
import statsmodels.api as sm
import xgboost
from fidelity import boundary_rows, engine
from sklearn import ensemble, linear_model
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from reference_engine import Reference
from thriftscore.importers.booster_source import read_lightgbm_file, read_xgboost_file
from thriftscore.importers.native_model import encode
from thriftscore.importers.plain_weights import read_npz
from thriftscore.importers.sklearn_model import read_sklearn
from thriftscore.importers.source_model import SourceModel, answer

# A set of statsmodels: visits to doctors, extramarital affairs, ways to travel, party membership.
TARGETS = {"randhie": "mdvis", "fair": "affairs", "modechoice": "choice", "anes96": "PID"}
ROWS_MAX = 3000


@cache
def load(name: str) -> tuple[Any, Any]:
    """All columns but the target, as float32 has them, and the target."""
    frame = getattr(sm.datasets, name).load_pandas().data[:ROWS_MAX].astype(float)
    rows = frame.drop(columns=TARGETS[name]).to_numpy()
    return rows.astype(np.float32).astype(float), frame[TARGETS[name]].to_numpy()


def agrees(scores: Any, expected: Any, tolerance: float) -> None:
    difference = np.abs(scores - expected.reshape(scores.shape))
    assert (difference / np.maximum(1.0, np.abs(expected.reshape(scores.shape)))).max() <= tolerance


SKLEARN = {
    "poisson": ("randhie", linear_model.PoissonRegressor()),
    "forest of counts": ("randhie", ensemble.RandomForestRegressor(10, max_depth=9, n_jobs=1)),
    "histograms": ("randhie", ensemble.HistGradientBoostingRegressor(loss="poisson", max_iter=20)),
    "logistic of two": ("modechoice", linear_model.LogisticRegression()),
    "boosting": ("modechoice", ensemble.GradientBoostingClassifier(n_estimators=20)),
    "logistic of seven": ("anes96", linear_model.LogisticRegression()),
    "extra trees": ("anes96", ensemble.ExtraTreesClassifier(10, n_jobs=1)),
    "ridge": ("fair", linear_model.Ridge()),
}


@pytest.mark.parametrize("name", SKLEARN)
def test_scikit_learn(name: str) -> None:
    data_set, estimator = SKLEARN[name]
    rows, target = load(data_set)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not converged
        source = read_sklearn(make_pipeline(StandardScaler(), estimator).fit(rows, target))
    expected = source.answers(rows)
    for precision, tolerance in (("fp64", 1e-12), ("fp32", 1e-6)):
        data = answer(source, precision, None, None).model
        agrees(engine(data, rows), expected, tolerance)
        agrees(Reference(data).evaluate(rows), expected, tolerance)


BOOSTED: dict[str, tuple[str, str, str]] = {
    "counts": ("randhie", "count:poisson", "poisson"),
    "numbers": ("fair", "reg:squarederror", "regression"),
    "two": ("modechoice", "binary:logistic", "binary"),
    "seven": ("anes96", "multi:softprob", "multiclass"),
}


def exact_decisions(source: SourceModel, rows: Any, dtype: Any, tolerance: float) -> None:
    precision = "fp32" if dtype == np.float32 else "fp64"
    data = encode(source.native, precision, "propagate")
    tried = boundary_rows(source.native, rows, dtype)
    agrees(engine(data, tried), source.answers(tried), tolerance)


@pytest.mark.parametrize("name", BOOSTED)
def test_boosters(name: str) -> None:
    data_set, xgboost_objective, lightgbm_objective = BOOSTED[name]
    rows, target = load(data_set)
    count = {"num_class": 7} if name == "seven" else {}
    options: dict[str, Any] = {"objective": xgboost_objective, "nthread": 1, **count}
    first = xgboost.train(options, xgboost.DMatrix(rows, target), 20)
    exact_decisions(read_xgboost_file(bytes(first.save_raw("ubj"))), rows, np.float32, 2e-6)
    options = {"objective": lightgbm_objective, "verbose": -1, "num_threads": 1, **count}
    second = lightgbm.train(options, lightgbm.Dataset(rows, target), 20)
    exact_decisions(read_lightgbm_file(second.model_to_string().encode()), rows, np.float64, 1e-12)


def family(name: str) -> tuple[Any, str]:
    """A model of statsmodels, not yet fitted, and the link that its prediction ends with."""
    rows, target = load({"OLS": "fair", "Poisson": "randhie"}.get(name, "modechoice"))
    rows = sm.add_constant((rows - rows.mean(axis=0)) / rows.std(axis=0), prepend=False)
    link = {"OLS": "identity", "Poisson": "exp", "Logit": "sigmoid", "Probit": "probit"}[name]
    return getattr(sm, name)(target, rows), link


@pytest.mark.parametrize("name", ["OLS", "Poisson", "Logit", "Probit"])
def test_plain_weights_of_statsmodels_own_models(tmp_path: Path, name: str) -> None:
    model, link = family(name)
    fitted = model.fit() if name == "OLS" else model.fit(disp=False)
    np.savez(tmp_path / "m.npz", weights=fitted.params[:-1], bias=fitted.params[-1:], link=link)
    source = read_npz((tmp_path / "m.npz").read_bytes())
    rows = model.exog[:, :-1]
    for precision, tolerance in (("fp64", 1e-12), ("fp32", 1e-6)):
        data = answer(source, precision, None, None).model
        agrees(engine(data, rows), fitted.predict(), tolerance)
