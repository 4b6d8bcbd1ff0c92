# SPDX-License-Identifier: Apache-2.0
"""Models whose features have any name, hashed to columns as scikit-learn's FeatureHasher does."""

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction import FeatureHasher
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline

from thriftscore.errors import InvalidArgument, ModelRefused
from thriftscore.importers.native_model import NativeModel, encode
from thriftscore.importers.sklearn_model import read_sklearn
from thriftscore.importers.source_model import answer
from thriftscore.importers.stages import Dense
from thriftscore.model import Model

COLUMNS = 50
NAMES = st.text(st.characters(codec="utf-8"), max_size=20)
VALUES = st.floats(-1e6, 1e6)


def hashed(signs: Any, columns: int = COLUMNS) -> Model:
    """The sum of the columns, each times its number."""
    features = tuple(f"f{index}" for index in range(columns))
    stages = (Dense(np.arange(1.0, columns + 1)[None], np.zeros(1)),)
    native = NativeModel(features, "regression", stages, hashing=signs)
    return Model.load_bytes(encode(native, "fp64", "refuse"))


MODELS = {signs: hashed(signs) for signs in ("alternate", "positive")}


@given(st.dictionaries(NAMES, VALUES, max_size=12), st.sampled_from(sorted(MODELS)))
def test_names_go_where_the_feature_hasher_sends_them(features: Any, signs: str) -> None:
    hasher = FeatureHasher(COLUMNS, alternate_sign=signs == "alternate")
    row = MODELS[signs].hashed_row(features)
    assert (row.shape, row.dtype) == ((COLUMNS,), np.float64)
    expected = hasher.transform([features]).toarray()[0]
    np.testing.assert_allclose(row, expected, rtol=1e-15, atol=1e-9)


def affairs() -> tuple[list[dict[str, float]], Any]:
    """A survey, its numbers and its answers as features with names."""
    frame = sm.datasets.fair.load_pandas().data[::4]
    numbers = ["rate_marriage", "age", "yrs_married"]
    choices = ["occupation", "occupation_husb", "educ"]
    rows = [
        {name: float(row[name]) for name in numbers}
        | {f"{name}={row[name]:g}": 1.0 for name in choices}
        for _, row in frame.iterrows()
    ]
    return rows, (frame["affairs"] > 0).to_numpy()


def test_a_pipeline_with_a_hasher_is_imported() -> None:
    rows, target = affairs()
    estimator = make_pipeline(FeatureHasher(256), LogisticRegression(max_iter=2000))
    estimator.fit(rows, target)
    source = read_sklearn(estimator)
    assert (source.native.hashing, len(source.native.features)) == ("alternate", 256)
    model = Model.load_bytes(answer(source, "fp64", None, None).model)
    assert model.hashes_names
    scores = [model.score(model.hashed_row(row))[0] for row in rows]
    np.testing.assert_allclose(scores, estimator.predict_proba(rows)[:, 1], rtol=1e-12)


def test_a_hasher_with_more_columns_than_a_model_may_have_is_refused() -> None:
    rows, target = affairs()
    estimator = make_pipeline(FeatureHasher(2**20), Ridge()).fit(rows[:50], target[:50])
    with pytest.raises(ModelRefused, match="FeatureHasher has 1,048,576 columns, expected at most"):
        read_sklearn(estimator)


def test_only_models_that_hash_take_any_name() -> None:
    model = hashed(None)
    assert not model.hashes_names
    with pytest.raises(InvalidArgument, match="the model does not hash names"):
        model.hashed_row({"a": 1.0})
