# SPDX-License-Identifier: Apache-2.0
"""Golden rows: features and the source framework's own answers, replayed at every load."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from thriftscore.errors import ModelRefused
from thriftscore.repository.manifest import GOLDEN_FILE


@dataclass(frozen=True)
class Golden:
    """Features (rows, columns) and scores (rows, outputs), both float64 and finite or NaN."""

    features: NDArray[np.float64]
    scores: NDArray[np.float64]

    def encode(self) -> bytes:
        """As the bytes of `golden.safetensors`."""
        tensors = {"features": self.features, "scores": self.scores}
        return safetensors.numpy.save(
            {name: np.ascontiguousarray(value, np.float64) for name, value in tensors.items()}
        )

    @classmethod
    def decode(cls, data: bytes) -> Golden:
        """Read `golden.safetensors`. Raises ModelRefused."""
        try:
            tensors = safetensors.numpy.load(data)
        except (safetensors.SafetensorError, ValueError, KeyError) as error:
            raise ModelRefused(f"{GOLDEN_FILE}: {error}") from error
        if sorted(tensors) != ["features", "scores"]:
            raise ModelRefused(
                f"{GOLDEN_FILE}: expected the tensors features and scores,"
                f" received {', '.join(sorted(tensors)) or 'none'}"
            )
        for name, value in tensors.items():
            if value.dtype != np.float64 or value.ndim != 2 or value.size == 0:
                raise ModelRefused(
                    f"{GOLDEN_FILE}: {name} is {value.dtype} of shape {value.shape},"
                    " expected float64 of rank 2 with at least one row"
                )
        golden = cls(tensors["features"], tensors["scores"])
        if len(golden.features) != len(golden.scores):
            raise ModelRefused(
                f"{GOLDEN_FILE}: {len(golden.features)} rows of features"
                f" and {len(golden.scores)} of scores"
            )
        return golden


@dataclass(frozen=True)
class Differences:
    """How far scores are from the golden ones; infinite where one is NaN and the other is not."""

    max_absolute: float
    max_relative: float
    """Largest |a - b| / max(1, |b|, m): b is the golden score, m the median |b| of its column.

    The median is there for regressions: where large terms cancel to a small score, the error is
    that of the terms.
    """


def differences(scores: NDArray[np.floating], golden: NDArray[np.float64]) -> Differences:
    """Compare scores with golden ones of the same shape. Raises ModelRefused on another shape."""
    if scores.shape != golden.shape:
        raise ModelRefused(
            f"the model answers with shape {scores.shape}, the golden scores have {golden.shape}"
        )
    with np.errstate(invalid="ignore", over="ignore"):
        absolute = np.abs(scores.astype(np.float64) - golden)
        typical = np.maximum(1.0, np.median(np.nan_to_num(np.abs(golden)), axis=0))
        relative = absolute / np.maximum(typical, np.abs(golden))
    same = (scores == golden) | (np.isnan(scores) & np.isnan(golden))
    return Differences(_largest(absolute, same), _largest(relative, same))


def _largest(values: NDArray[np.float64], same: NDArray[np.bool_]) -> float:
    known = np.where(same, 0.0, np.where(np.isnan(values), np.inf, values))
    return float(known.max(initial=0.0))
