# SPDX-License-Identifier: Apache-2.0
"""A linear model as importers hand it over, and its native file (cpp/model/FORMAT.md)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Precision = Literal["fp32", "fp64"]
MissingValues = Literal["refuse", "propagate"]
Task = Literal["regression", "binary_classification", "multiclass_classification"]
Link = Literal["identity", "sigmoid", "softmax", "exp"]


@dataclass(frozen=True)
class Scale:
    """(x - mean) / scale by column; both of shape (columns,), scale without zeros."""

    mean: Doubles
    scale: Doubles


@dataclass(frozen=True)
class Dense:
    """weights @ x + bias; weights (outputs, columns), bias (outputs,)."""

    weights: Doubles
    bias: Doubles


@dataclass(frozen=True)
class LinearModel:
    """link(dense(normalizer(x))); without a dense stage the normalised row is the answer."""

    features: tuple[str, ...]
    task: Task
    normalizer: Scale | None
    dense: Dense | None
    link: Link
    classes: tuple[str, ...] = ()


def encode(model: LinearModel, precision: Precision, missing_values: MissingValues) -> bytes:
    """As the bytes of `model.safetensors`. Weights are kept in double whatever the precision."""
    tensors: dict[str, Doubles] = {}
    stages: list[dict[str, str]] = []
    if model.normalizer is not None:
        tensors["normalizer.mean"] = model.normalizer.mean
        tensors["normalizer.scale"] = model.normalizer.scale
        stages.append({"op": "scale", "mean": "normalizer.mean", "scale": "normalizer.scale"})
    if model.dense is not None:
        tensors["dense.weights"] = model.dense.weights
        tensors["dense.bias"] = model.dense.bias
        dense = {"op": "dense", "weights": "dense.weights", "bias": "dense.bias"}
        stages.append({**dense, "activation": "identity"})
    stages.append({"op": "link", "function": model.link})
    header: dict[str, Any] = {
        "format_version": 1,
        "precision": precision,
        "task": model.task,
        "features": model.features,
        "classes": model.classes,
        "missing_values": missing_values,
        "stages": stages,
    }
    if model.normalizer is not None:
        header["normalizer"] = 0
    contiguous = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
    return safetensors.numpy.save(contiguous, metadata={"thriftscore": json.dumps(header)})
