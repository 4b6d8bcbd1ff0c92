# SPDX-License-Identifier: Apache-2.0
"""Weights as people have them in NumPy archives and JSON."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reference_engine import Reference
from thriftscore.errors import ModelRefused
from thriftscore.importers.plain_weights import read_json, read_npz
from thriftscore.importers.source_model import answer

RANDOM = np.random.default_rng(1)
WEIGHTS: dict[str, Any] = {
    "weights": RANDOM.standard_normal((3, 4)),
    "bias": RANDOM.standard_normal(3),
    "mean": RANDOM.standard_normal(4),
    "scale": RANDOM.uniform(0.5, 2.0, 4),
}
LINKS = ["identity", "sigmoid", "softmax", "exp", "tanh", "softplus", "relu", "reciprocal"]


@pytest.mark.parametrize("link", [*LINKS, "square_signed", "cloglog", "probit"])
def test_archives_and_json_mean_the_same(tmp_path: Path, link: str) -> None:
    np.savez(tmp_path / "model.npz", link=link, **WEIGHTS)
    source = read_npz((tmp_path / "model.npz").read_bytes())
    text = json.dumps({"link": link} | {key: value.tolist() for key, value in WEIGHTS.items()})
    rows = RANDOM.standard_normal((50, 4))
    for read in (source, read_json(text.encode())):
        scores = Reference(answer(read, "fp64", None, None).model).evaluate(rows)
        np.testing.assert_allclose(scores, read.answers(rows), rtol=1e-12, atol=1e-14)
    assert source.native.task == (
        "multiclass_classification" if link == "softmax" else "regression"
    )


def test_one_row_of_weights_with_a_sigmoid_is_a_classifier() -> None:
    source = read_json(b'{"weights": [1, -2], "link": "sigmoid", "features": ["a", "b"]}')
    assert (source.native.task, source.native.classes) == ("binary_classification", ("0", "1"))
    assert source.native.features == ("a", "b")
    expected = 1 / (1 + np.exp(3.0))
    np.testing.assert_allclose(source.answers(np.array([[1.0, 2.0]])), [[expected]])


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({}, "found no 'weights'"),
        ({"weights": [1], "wieghts": 1}, "found 'wieghts'"),
        ({"weights": [[1], [1, 2]]}, "weights is not an array"),
        ({"weights": ["a"]}, "expected numbers"),
        ({"weights": [1e999]}, "is not finite"),
        ({"weights": []}, "expected numbers"),
        ({"weights": [1, 2], "bias": [1, 2]}, "bias has 2 values, expected 1"),
        ({"weights": [1, 2], "scale": [1, 0]}, "scale has a 0"),
        ({"weights": [1, 2], "link": "magic"}, "link 'magic' of 1 outputs"),
        ({"weights": [1, 2], "link": "softmax"}, "link 'softmax' of 1 outputs"),
        ({"weights": [1, 2], "features": ["a"]}, "1 names for 2 features"),
        ({"weights": [1, 2], "classes": ["a"]}, "1 classes for 1 outputs"),
    ],
)
def test_what_does_not_fit_is_refused(document: Any, reason: str) -> None:
    with pytest.raises(ModelRefused) as raised:
        read_json(json.dumps(document).encode())
    assert reason in str(raised.value)


def test_archives_are_never_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "model.npz", weights=np.array([{}], object))
    with pytest.raises(ModelRefused, match=r"not a numeric \.npz file"):
        read_npz((tmp_path / "model.npz").read_bytes())
