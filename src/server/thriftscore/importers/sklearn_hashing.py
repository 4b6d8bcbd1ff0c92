# SPDX-License-Identifier: Apache-2.0
"""Pipelines that begin by hashing the names of features to columns."""

from __future__ import annotations

from sklearn.feature_extraction import FeatureHasher
from sklearn.pipeline import Pipeline

from thriftscore.errors import ModelRefused
from thriftscore.importers.native_model import Hashing
from thriftscore.importers.sklearn_frame import Fitted

_COLUMNS_MAX = 65_536


def without_hasher(estimator: Fitted) -> tuple[Fitted, Hashing | None]:
    """What comes behind a FeatureHasher, and its signs; any other estimator as it is.

    Raises ModelRefused for one with more columns than a model may have.
    """
    if type(estimator) is not Pipeline or type(estimator.steps[0][1]) is not FeatureHasher:
        return estimator, None
    hasher = estimator.steps[0][1]
    if hasher.n_features > _COLUMNS_MAX:
        raise ModelRefused(
            f"FeatureHasher has {hasher.n_features:,} columns, expected at most {_COLUMNS_MAX:,}:"
            " train with a smaller n_features"
        )
    rest = estimator[1:]
    return rest, "alternate" if hasher.alternate_sign else "positive"
