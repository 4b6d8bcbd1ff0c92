# SPDX-License-Identifier: Apache-2.0
"""Models for unit tests: their files, and what float64 NumPy makes of them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import save

from thriftscore import _native

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray


@dataclass
class Blueprint:
    """A scale, a dense stage and a link, as they were drawn; a test may change them."""

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    link: str = "identity"
    precision: str = "fp32"
    missing_values: str = "refuse"
    has_normalizer: bool = True
    changes: dict[str, Any] = field(default_factory=dict)
    """Keys of the stage graph to be replaced."""

    @property
    def dtype(self) -> type[np.float32] | type[np.float64]:
        return np.float32 if self.precision == "fp32" else np.float64

    def graph(self) -> dict[str, Any]:
        outputs, columns = self.weights.shape
        task, classes = "regression", 0
        if self.link in {"sigmoid", "softmax"}:
            task = "binary_classification" if outputs == 1 else "multiclass_classification"
            classes = max(outputs, 2)
        return {
            "format_version": 1,
            "precision": self.precision,
            "task": task,
            "features": [f"feature {c}" for c in range(columns)],
            "classes": [f"class {c}" for c in range(classes)],
            "missing_values": self.missing_values,
            **({"normalizer": 0} if self.has_normalizer else {}),
            "stages": [
                {"op": "scale", "mean": "mean", "scale": "scale"},
                {"op": "dense", "weights": "weights", "bias": "bias", "activation": "identity"},
                {"op": "link", "function": self.link},
            ],
        } | self.changes

    def file(self) -> bytes:
        names = ("mean", "scale", "weights", "bias")
        tensors = {name: np.ascontiguousarray(getattr(self, name)) for name in names}
        return bytes(save(tensors, {"thriftscore": json.dumps(self.graph())}))

    def margins(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        """The scores before the link, in float64."""
        normalized = (rows.astype(np.float64) - self.mean) / self.scale
        return np.asarray(normalized @ self.weights.T + self.bias)

    def scores(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        """The scores in float64."""
        margins = self.margins(rows)
        if self.link == "sigmoid":
            return np.asarray(1 / (1 + np.exp(-margins)))
        if self.link == "exp":
            return np.asarray(np.exp(margins))
        if self.link == "softmax":
            powers = np.exp(margins - margins.max(axis=1, keepdims=True))
            return np.asarray(powers / powers.sum(axis=1, keepdims=True))
        return margins


@pytest.fixture(scope="session")
def blueprint() -> Callable[..., Blueprint]:
    """Makes a blueprint: blueprint(columns, outputs, seed=0, **fields)."""

    def make(columns: int, outputs: int, seed: int = 0, **fields: Any) -> Blueprint:
        random = np.random.default_rng(seed)
        return Blueprint(
            mean=random.normal(size=columns),
            scale=random.uniform(0.5, 2, columns),
            weights=random.normal(size=(outputs, columns)),
            bias=random.normal(size=outputs),
            **fields,
        )

    return make


@pytest.fixture(params=_native.simd_targets())
def simd_target(request: pytest.FixtureRequest) -> Iterator[str]:
    """Runs a test once for every SIMD target of this machine."""
    before = _native.simd_target()
    _native.select_simd_target(request.param)
    yield request.param
    _native.select_simd_target(before)
