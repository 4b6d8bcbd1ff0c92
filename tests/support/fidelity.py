# SPDX-License-Identifier: Apache-2.0
"""Rows on which importers are compared with the framework that trained the model."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thriftscore.importers.native_model import NativeModel
from thriftscore.importers.stages import Chain, Concat, Sum, TreeEnsemble
from thriftscore.model import Model

ROWS_MAX = 2000


def ensembles(chain: Chain) -> Iterator[TreeEnsemble]:
    """Every tree ensemble of a chain, in branches too."""
    for stage in chain:
        if isinstance(stage, TreeEnsemble):
            yield stage
        elif isinstance(stage, Sum | Concat):
            for branch in stage.branches:
                yield from ensembles(branch)


def boundary_rows(native: NativeModel, rows: Any, dtype: Any) -> NDArray[np.float64]:
    """Rows of `dtype` with values exactly at thresholds of trees, and one step beside them."""
    random = np.random.default_rng(5)
    made = [rows]
    for stage in ensembles(native.stages):
        numeric = np.flatnonzero((stage.features >= 0) & (stage.flags & 4 == 0))
        for node in random.permutation(numeric)[: ROWS_MAX // 5]:
            at = dtype(stage.thresholds[node])
            for value in (at, np.nextafter(at, dtype(np.inf)), np.nextafter(at, dtype(-np.inf))):
                row = rows[random.integers(len(rows))].copy()
                row[stage.features[node]] = value
                made.append(row[None])
    return np.concatenate(made).astype(dtype).astype(np.float64)


def unusual_rows(rows: Any, dtype: Any, *, missing: bool, infinite: bool) -> NDArray[np.float64]:
    """Rows with huge and denormal values and zeros of both signs; NaN and infinities if wanted."""
    random = np.random.default_rng(7)
    limits = np.finfo(dtype)
    values = [limits.max / 4, -limits.max / 4, limits.smallest_subnormal, -0.0, 0.0]
    values = [min(max(float(v), -1e25), 1e25) for v in values]
    values += [np.nan] * 3 if missing else []
    values += [np.inf, -np.inf] if infinite else []
    made = np.repeat(rows[:100], 2, axis=0)
    places = random.random(made.shape) < 0.15
    return np.where(places, random.choice(values, made.shape), made).astype(dtype).astype(float)


def same_to_ulps(scores: Any, expected: Any, ulps: int, dtype: Any) -> None:
    """NaN where NaN is expected, else within so many units of the last place of `dtype`."""
    scores, expected = np.asarray(scores, dtype), np.asarray(expected, dtype)
    np.testing.assert_array_equal(np.isnan(scores), np.isnan(expected))
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(scores[~finite], expected[~finite])
    step = np.spacing(np.maximum(np.abs(scores[finite]), np.abs(expected[finite])))
    off = np.abs(scores[finite].astype(float) - expected[finite].astype(float)) / step
    assert off.max(initial=0) <= ulps, f"{off.max()} ulp"


def engine(data: bytes, rows: Any) -> NDArray[np.floating]:
    """The scores that the compiled engine gives, of rows of its own precision."""
    model = Model.load_bytes(data)
    dtype = np.float32 if model.precision == "fp32" else np.float64
    return model.score(np.ascontiguousarray(rows, dtype))
