# SPDX-License-Identifier: Apache-2.0
"""Plain weights in .npz or JSON: link(weights @ (x - mean) / scale + bias).

Keys: `weights` (outputs, features) or (features,); optional `bias`, `mean`, `scale`, `link`,
`features` (names) and `classes`.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from thriftscore.errors import ModelRefused
from thriftscore.importers.native_model import NativeModel, Task
from thriftscore.importers.source_model import SourceModel
from thriftscore.importers.stages import Dense, Doubles, Link, LinkFunction, Scale, Stage

_KEYS = {"weights", "bias", "mean", "scale", "link", "features", "classes"}
_ARRAY_BYTES_MAX = 1 << 30
_FUNCTIONS: dict[str, Callable[[Doubles], Doubles]] = {
    "identity": lambda z: z,
    "sigmoid": lambda z: np.where(z < 0, np.exp(-np.logaddexp(0, -z)), 1 / (1 + np.exp(-abs(z)))),
    "exp": np.exp,
    "softmax": lambda z: np.exp(z - np.logaddexp.reduce(z, axis=1, keepdims=True)),
    "probit": lambda z: np.vectorize(math.erfc, otypes=[float])(-z / math.sqrt(2)) / 2,
    "tanh": np.tanh,
    "softplus": lambda z: np.logaddexp(0, z),
    "relu": lambda z: np.maximum(z, 0),
    "reciprocal": lambda z: 1 / z,
    "square_signed": lambda z: np.sign(z) * z * z,
    "cloglog": lambda z: -np.expm1(-np.exp(z)),
}


def read_npz(data: bytes) -> SourceModel:
    """Understand an .npz archive of weights. Raises ModelRefused."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _ARRAY_BYTES_MAX:
                raise ModelRefused(f"the arrays are larger than {_ARRAY_BYTES_MAX:,} bytes")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return _understand({name: arrays[name] for name in arrays.files}, "npz")
    except (ValueError, OSError, zipfile.BadZipFile, EOFError, KeyError) as error:
        if isinstance(error, ModelRefused):
            raise
        raise ModelRefused(f"not a numeric .npz file: {error}") from error


def read_json(data: bytes) -> SourceModel:
    """Understand a JSON object of weights. Raises ModelRefused."""
    try:
        values = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ModelRefused(f"not valid JSON: {error}") from error
    return _understand(values, "json")


def _understand(values: Mapping[str, Any], source_format: str) -> SourceModel:
    unknown = sorted(set(values) - _KEYS)
    if unknown or "weights" not in values:
        found = f"'{unknown[0]}'" if unknown else "no 'weights'"
        raise ModelRefused(f"plain weights have the keys {', '.join(sorted(_KEYS))}; found {found}")
    weights = np.atleast_2d(_array(values, "weights"))
    outputs, columns = weights.shape
    bias = _vector(values, "bias", outputs, 0.0)
    mean, scale = _vector(values, "mean", columns, 0.0), _vector(values, "scale", columns, 1.0)
    if (scale == 0).any():
        raise ModelRefused("scale has a 0")
    link = str(np.asarray(values.get("link", "identity")))
    if link not in _FUNCTIONS or (link == "softmax" and outputs == 1):
        known = [name for name in get_args(LinkFunction) if name in _FUNCTIONS]
        raise ModelRefused(
            f"link '{link}' of {outputs} outputs, expected one of {', '.join(known)}"
        )
    stages: list[Stage] = [Dense(weights, bias), Link(link)]  # type: ignore[arg-type]
    if "mean" in values or "scale" in values:
        stages.insert(0, Scale(mean, scale))
    task, classes = _meaning(values, link, outputs)
    native = NativeModel(_features(values, columns), task, tuple(stages), classes)

    def answers(rows: Doubles) -> Doubles:
        with np.errstate(all="ignore"):
            sums = (rows - mean) / scale @ weights.T + bias
            return np.asarray(_FUNCTIONS[link](sums))

    return SourceModel(native, answers, "fp64", source_format, "NumPy", (), "features" in values)


def _array(values: Mapping[str, Any], name: str) -> Doubles:
    try:
        array: NDArray[Any] = np.asarray(values[name])
    except ValueError as error:
        raise ModelRefused(f"{name} is not an array: {error}") from error
    if array.dtype.kind not in "fiu" or array.ndim > 2 or array.size == 0:
        raise ModelRefused(
            f"{name} is {array.dtype} of shape {list(array.shape)}, expected numbers"
        )
    numbers = array.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise ModelRefused(f"{name} has a value that is not finite")
    return numbers


def _vector(values: Mapping[str, Any], name: str, size: int, default: float) -> Doubles:
    if name not in values:
        return np.full(size, default)
    vector = _array(values, name).reshape(-1)
    if vector.size != size:
        raise ModelRefused(f"{name} has {vector.size} values, expected {size}")
    return vector


def _features(values: Mapping[str, Any], columns: int) -> tuple[str, ...]:
    names = tuple(str(name) for name in np.asarray(values.get("features", [])).reshape(-1))
    if names and len(names) != columns:
        raise ModelRefused(f"{len(names)} names for {columns} features")
    return names or tuple(f"f{index}" for index in range(columns))


def _meaning(values: Mapping[str, Any], link: str, outputs: int) -> tuple[Task, tuple[str, ...]]:
    """Classes where they are named or the link gives probabilities of them."""
    names = tuple(str(name) for name in np.asarray(values.get("classes", [])).reshape(-1))
    count = 2 if outputs == 1 else outputs
    if names and len(names) != count:
        raise ModelRefused(f"{len(names)} classes for {outputs} outputs")
    if not names and not (link == "softmax" or (link == "sigmoid" and outputs == 1)):
        return "regression", ()
    task: Task = "binary_classification" if count == 2 else "multiclass_classification"
    return task, names or tuple(str(index) for index in range(count))
