# SPDX-License-Identifier: Apache-2.0
"""A model as importers hand it over, and its native file (cpp/model/FORMAT.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import numpy as np
import safetensors.numpy

from thriftscore.importers.stages import Chain, Scale, Stage

Precision = Literal["fp32", "fp64"]
MissingValues = Literal["refuse", "propagate"]
Task = Literal["regression", "binary_classification", "multiclass_classification"]
Hashing = Literal["positive", "alternate"]
LabelRule = Literal["none", "threshold", "argmax"]


@dataclass(frozen=True, eq=False)
class NativeModel:
    """Stages, and what their answer means."""

    features: tuple[str, ...]
    task: Task
    stages: Chain
    classes: tuple[str, ...] = ()
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """For features that are the index of one of these names."""
    label_threshold: float | None = None
    """For two classes: the second where the score is above; None = 0.5."""
    hashing: Hashing | None = None
    """Features of any name are hashed to columns, with these signs; None = `features` alone."""

    @property
    def outputs(self) -> int:
        """Scores of a row."""
        columns = len(self.features)
        for stage in self.stages:
            columns = stage.width(columns)
        return columns


def encode(model: NativeModel, precision: Precision, missing_values: MissingValues) -> bytes:
    """As the bytes of `model.safetensors`. Values are kept as they are whatever the precision."""
    tensors: dict[str, np.ndarray] = {}
    header: dict[str, Any] = {
        "format_version": 1,
        "precision": precision,
        "task": model.task,
        "features": model.features,
        "classes": model.classes,
        "missing_values": missing_values,
        "stages": [_encode_stage(stage, str(i), tensors) for i, stage in enumerate(model.stages)],
    }
    if model.stages and isinstance(model.stages[0], Scale):
        header["normalizer"] = 0
    if model.categories:
        header["categories"] = model.categories
    if model.hashing is not None:
        header["hashing"] = {"function": "murmur3_32", "signs": model.hashing}
    if model.label_threshold is not None:
        header |= {"label": "threshold", "label_threshold": model.label_threshold}
    return safetensors.numpy.save(tensors, metadata={"thriftscore": json.dumps(header)})


def _encode_stage(stage: Stage, path: str, tensors: dict[str, np.ndarray]) -> dict[str, Any]:
    """The stage as JSON; its arrays go to `tensors` under names that begin with `path`."""
    values: dict[str, Any] = {"op": stage.op}
    for key in fields(stage):
        value = getattr(stage, key.name)
        if isinstance(value, np.ndarray):
            name = f"{path}.{key.name}"
            tensors[name] = np.ascontiguousarray(value)
            values[key.name] = name
        elif key.name == "branches":
            values["branches"] = [
                [_encode_stage(inner, f"{path}.{i}.{j}", tensors) for j, inner in enumerate(chain)]
                for i, chain in enumerate(value)
            ]
        elif value is not None:
            values[key.name] = value
    return values
