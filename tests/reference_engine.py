# SPDX-License-Identifier: Apache-2.0
"""The model file's meaning (cpp/model/FORMAT.md) in plain NumPy: slow, and easy to check by eye.

It shares no code with the engine or the importers. `evaluate` computes in float64, or in float32
where asked, whatever precision the file names.
"""

import json
from typing import Any

import numpy as np
import safetensors
from scipy import special

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805
ZERO_MAX = float(np.float32(1e-35))

ELEMENTWISE = {
    "identity": lambda x: x,
    "relu": lambda x: np.where(x < 0, 0, x),
    "sigmoid": special.expit,
    "tanh": np.tanh,
    "exp": np.exp,
    "softplus": lambda x: np.logaddexp(x, 0),
    "probit": special.ndtr,
    "square_signed": lambda x: np.sign(x) * x * x,
    "cloglog": lambda x: -np.expm1(-np.exp(x)),
    "reciprocal": lambda x: 1 / x,
    "selu": lambda x: SELU_SCALE * np.where(x > 0, x, SELU_ALPHA * np.expm1(np.minimum(x, 0))),
}


class Reference:
    """A model file, read without any check."""

    def __init__(self, data: bytes, dtype: Any = np.float64) -> None:
        tensors = safetensors.deserialize(data)
        kinds = {"F32": "f4", "F64": "f8", "I32": "i4", "I64": "i8", "U8": "u1", "U32": "u4"}
        self.tensors = {
            name: np.frombuffer(bytes(t["data"]), "<" + kinds[t["dtype"]]).reshape(t["shape"])
            for name, t in tensors
        }
        size = int.from_bytes(data[:8], "little")
        self.header = json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["thriftscore"])
        self.dtype = dtype

    def evaluate(self, rows: Any) -> Any:
        """The scores of rows."""
        with np.errstate(all="ignore"):
            return self.chain(self.header["stages"], np.asarray(rows).astype(self.dtype))

    def chain(self, stages: list[dict[str, Any]], x: Any) -> Any:
        for stage in stages:
            x = getattr(self, stage["op"])(stage, x).astype(self.dtype)
        return x

    def tensor(self, stage: dict[str, Any], role: str) -> Any:
        values = self.tensors[stage[role]]
        return values.astype(self.dtype) if values.dtype.kind == "f" else values

    def scale(self, stage: dict[str, Any], x: Any) -> Any:
        return (x - self.tensor(stage, "mean")) / self.tensor(stage, "scale")

    def dense(self, stage: dict[str, Any], x: Any) -> Any:
        z = x @ self.tensor(stage, "weights").T + self.tensor(stage, "bias")
        name = stage.get("activation", "identity")
        if name == "leaky_relu":
            return np.where(z < 0, stage.get("alpha", 0.01) * z, z)
        if name == "elu":
            return np.where(z > 0, z, stage.get("alpha", 1.0) * np.expm1(np.minimum(z, 0)))
        return ELEMENTWISE[name](z)

    def sparse_linear(self, stage: dict[str, Any], x: Any) -> Any:
        indptr, indices = self.tensor(stage, "indptr"), self.tensor(stage, "indices")
        weights, bias = self.tensor(stage, "weights"), self.tensor(stage, "bias")
        sums = np.empty((len(x), len(bias)), self.dtype)
        for output, value in enumerate(bias):
            used = slice(indptr[output], indptr[output + 1])
            sums[:, output] = (x[:, indices[used]] * weights[used]).sum(axis=1) + value
        return sums

    def link(self, stage: dict[str, Any], x: Any) -> Any:
        if stage["function"] == "softmax":
            return special.softmax(x, axis=1)
        return ELEMENTWISE[stage["function"]](x)

    def select(self, stage: dict[str, Any], x: Any) -> Any:
        return x[:, self.tensor(stage, "columns")]

    def impute(self, stage: dict[str, Any], x: Any) -> Any:
        missing = stage.get("missing")
        found = np.isnan(x) if missing is None else x == self.dtype(missing)
        return np.where(found, self.tensor(stage, "values"), x)

    def clip(self, stage: dict[str, Any], x: Any) -> Any:
        return np.clip(x, self.tensor(stage, "low"), self.tensor(stage, "high"))

    def row_norm(self, stage: dict[str, Any], x: Any) -> Any:
        order = {"l1": 1, "l2": 2, "max": np.inf}[stage["norm"]]
        norm = np.linalg.norm(x, order, axis=1, keepdims=True)
        return x / np.where(norm == 0, 1, norm)

    def binarize(self, stage: dict[str, Any], x: Any) -> Any:
        return x > self.tensor(stage, "thresholds")

    def one_hot(self, stage: dict[str, Any], x: Any) -> Any:
        offsets, categories = self.tensor(stage, "offsets"), self.tensor(stage, "categories")
        found = np.zeros((len(x), len(categories)), self.dtype)
        for column in range(x.shape[1]):
            used = slice(offsets[column], offsets[column + 1])
            value = x[:, column : column + 1]
            same = (value == categories[used]) | (np.isnan(value) & np.isnan(categories[used]))
            unlisted = ~same.any(axis=1)
            found[:, used] = same
            if stage.get("unknown") == "nan":
                found[unlisted, used] = np.nan
        return found

    def sum(self, stage: dict[str, Any], x: Any) -> Any:
        weights = self.tensor(stage, "weights")
        parts = [self.chain(branch, x) for branch in stage["branches"]]
        total = sum(weight * part for weight, part in zip(weights, parts, strict=True))
        return total + (self.tensor(stage, "bias") if "bias" in stage else 0)

    def concat(self, stage: dict[str, Any], x: Any) -> Any:
        return np.concatenate([self.chain(branch, x) for branch in stage["branches"]], axis=1)

    def tree_ensemble(self, stage: dict[str, Any], x: Any) -> Any:
        """Compares in double, which no float32 row changes, and adds as the file says."""
        arrays = {role: self.tensors[stage[role]] for role in stage if stage[role] in self.tensors}
        offsets, values = arrays["tree_offsets"], arrays["leaf_values"]
        adds = np.float32 if stage.get("accumulate") == "fp32" else np.float64
        mean = stage.get("aggregate") == "mean"
        base = arrays["base"].astype(adds)
        total = np.zeros((len(x), stage["outputs"]), adds) + (0 if mean else base)
        rows = x.astype(np.float64)
        for tree in range(len(offsets) - 1):
            leaf = self.walk(arrays, int(offsets[tree]), rows)
            if "tree_outputs" in arrays:
                total[:, arrays["tree_outputs"][tree]] += values[leaf].astype(adds)
            else:
                total += values[leaf].astype(adds)
        return total / adds(len(offsets) - 1) + base if mean else total

    @staticmethod
    def walk(arrays: dict[str, Any], root: int, rows: Any) -> Any:
        """The leaf, as a row of the values, that each row comes to."""
        node = np.full(len(rows), root)
        while True:
            feature = arrays["features"][node]
            inner = feature >= 0
            if not inner.any():
                return arrays["left"][node]
            x = rows[np.arange(len(rows)), np.where(inner, feature, 0)]
            to_left = _goes_left(arrays, node, x)
            child = np.where(to_left, arrays["left"][node], arrays["right"][node]) + root
            node = np.where(inner, child, node)


def _goes_left(arrays: dict[str, Any], node: Any, x: Any) -> Any:
    flags, threshold = arrays["flags"][node], arrays["thresholds"][node].astype(np.float64)
    strict, missing_left, categorical, zero, nan_zero, nan_missing = (
        (flags & (1 << bit)) != 0 for bit in range(6)
    )
    filled = np.where(np.isnan(x) & nan_zero, 0.0, x)
    missing = np.isnan(filled) | (zero & (np.abs(filled) <= ZERO_MAX))
    below = np.where(strict, filled < threshold, filled <= threshold)
    numeric = np.where(missing, missing_left, below)
    if not categorical.any():
        return numeric
    member = [
        bool(is_set) and _is_member(arrays, int(index), value)
        for is_set, index, value in zip(categorical, threshold, x, strict=True)
    ]
    set_answer = np.where(np.isnan(x) & nan_missing, missing_left, member)
    return np.where(categorical, set_answer, numeric)


def _is_member(arrays: dict[str, Any], index: int, value: float) -> bool:
    first, last = arrays["category_offsets"][index : index + 2]
    words = arrays["category_bits"][first:last]
    if not 0 <= value < 32 * len(words):  # NaN is neither
        return False
    number = int(value)
    return bool(int(words[number // 32]) >> (number % 32) & 1)
