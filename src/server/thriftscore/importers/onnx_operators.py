# SPDX-License-Identifier: Apache-2.0
"""The ONNX operators that have a native stage, and what each does to the rows it gets.

The meaning of every operator is that of https://onnx.ai/onnx/operators. To add one, write a
handler and enter it in HANDLERS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from thriftscore.errors import ModelRefused
from thriftscore.importers.linear_model import Doubles, Link
from thriftscore.importers.onnx_file import tensor_values
from thriftscore.importers.onnx_values import (
    ClassLabels,
    Constant,
    Label,
    Rows,
    RowTotal,
    Value,
    numbers,
)


@dataclass(frozen=True)
class Call:
    """One node: its attributes by name and the values of its inputs (None = left out)."""

    attributes: Mapping[str, Any]
    inputs: Sequence[Value | None]

    def rows(self, index: int = 0) -> Rows:
        """The input at `index`, which must be rows."""
        value = self.inputs[index] if index < len(self.inputs) else None
        if not isinstance(value, Rows):
            raise ModelRefused(f"input {index} is not computed from the features")
        return value

    def constant(self, index: int) -> Constant:
        """The input at `index`, which must be a constant."""
        value = self.inputs[index] if index < len(self.inputs) else None
        if not isinstance(value, Constant):
            raise ModelRefused(f"input {index} is not a constant")
        return value

    def text(self, name: str, default: str) -> str:
        """A string attribute."""
        value = self.attributes.get(name, default)
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


Handler = Callable[[Call], Sequence[Value]]


def _identity(call: Call) -> Sequence[Value]:
    value = call.inputs[0]
    if value is None:
        raise ModelRefused("input 0 is missing")
    return [value]


def _constant(call: Call) -> Sequence[Value]:
    for name in ("value", "value_float", "value_floats", "value_int", "value_ints"):
        if name in call.attributes:
            value = call.attributes[name]
            return [Constant(tensor_values(value) if name == "value" else np.asarray(value))]
    raise ModelRefused("a constant of this kind is not supported")


def _cast(call: Call) -> Sequence[Value]:
    if isinstance(call.inputs[0], Rows):
        to = call.attributes["to"]
        if to not in {onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE}:
            raise ModelRefused(f"a cast to {onnx.TensorProto.DataType.Name(to)} is not supported")
    return _identity(call)


def _reshape(call: Call) -> Sequence[Value]:
    rows = call.rows()
    shape = [int(extent) for extent in numbers(call.constant(1)).reshape(-1)]
    full = ([-1, rows.columns], [0, rows.columns], [0, -1])
    if shape in ([-1], [0]) and rows.columns == 1 and (rows.flat or shape == [-1]):
        return [_reshaped(rows, flat=True)]
    if (rows.flat and shape in ([-1, 1], [0, 1])) or (not rows.flat and shape in full):
        return [_reshaped(rows, flat=False)]
    raise ModelRefused(f"a reshape of {rows.columns} columns to {shape} has no native stage")


def _flatten(call: Call) -> Sequence[Value]:
    if call.attributes.get("axis", 1) != 1:
        raise ModelRefused("only axis 1 is supported")
    return [_reshaped(call.rows(), flat=False)]


def _reshaped(rows: Rows, *, flat: bool) -> Rows:
    return rows if rows.flat == flat else Rows(**{**vars(rows), "flat": flat})


def _scaler(call: Call) -> Sequence[Value]:
    rows = call.rows()
    offset = rows.row(Constant(np.asarray(call.attributes.get("offset", [0.0]))))
    factor = rows.row(Constant(np.asarray(call.attributes.get("scale", [1.0]))))
    return [rows.minus(offset).multiplied(factor)]


def _add(call: Call) -> Sequence[Value]:
    rows, constant = _rows_and_constant(call)
    return [rows.minus(-rows.row(constant))]


def _sub(call: Call) -> Sequence[Value]:
    rows, constant = _rows_and_constant(call)
    values = rows.row(constant)
    if isinstance(call.inputs[0], Rows):
        return [rows.minus(values)]
    if rows.link == "sigmoid" and (values == 1.0).all():
        return [rows.complement()]
    return [rows.multiplied(-np.ones(rows.columns)).minus(-values)]


def _mul(call: Call) -> Sequence[Value]:
    rows, constant = _rows_and_constant(call)
    return [rows.multiplied(rows.row(constant))]


def _div(call: Call) -> Sequence[Value]:
    rows, divisor = call.rows(0), call.inputs[1]
    if isinstance(divisor, RowTotal) and divisor.rows is rows:
        return [rows.normalized()]
    return [rows.divided(rows.row(call.constant(1)))]


def _rows_and_constant(call: Call) -> tuple[Rows, Constant]:
    if isinstance(call.inputs[0], Rows):
        return call.rows(0), call.constant(1)
    return call.rows(1), call.constant(0)


def _matmul(call: Call) -> Sequence[Value]:
    weights = numbers(call.constant(1))
    if weights.ndim not in {1, 2}:
        raise ModelRefused(f"weights have the shape {list(weights.shape)}, expected rank 1 or 2")
    matrix = weights.reshape(len(weights), -1).T
    return [call.rows().weighted(matrix, np.zeros(len(matrix)), flat=weights.ndim == 1)]


def _gemm(call: Call) -> Sequence[Value]:
    weights = numbers(call.constant(1))
    if weights.ndim != 2 or call.attributes.get("transA", 0):
        raise ModelRefused("expected weights of rank 2 and rows that are not transposed")
    matrix = weights if call.attributes.get("transB", 0) else weights.T
    matrix = matrix * call.attributes.get("alpha", 1.0)
    sums = call.rows().weighted(matrix, np.zeros(len(matrix)))
    if len(call.inputs) < 3 or call.inputs[2] is None:
        return [sums]
    return [sums.minus(-sums.row(call.constant(2)) * call.attributes.get("beta", 1.0))]


def _linear_regressor(call: Call) -> Sequence[Value]:
    transform = call.text("post_transform", "NONE")
    if transform != "NONE":
        raise ModelRefused(f"post_transform {transform} is not supported")
    weights, bias = _coefficients(call, call.attributes.get("targets", 1))
    return [call.rows().weighted(weights, bias)]


_CLASSIFIER_LINKS: dict[str, Link] = {
    "NONE": "identity",
    "LOGISTIC": "sigmoid",
    "SOFTMAX": "softmax",
}


def _linear_classifier(call: Call) -> Sequence[Value]:
    transform = call.text("post_transform", "NONE")
    if transform not in _CLASSIFIER_LINKS:
        raise ModelRefused(f"post_transform {transform} is not supported")
    classes = _class_labels(call, "classlabels_ints", "classlabels_strings")
    rows = call.rows()
    count = len(call.attributes.get("coefficients", [])) // max(1, rows.columns)
    weights, bias = _coefficients(call, count)
    if count == 1 and len(classes) == 2 and transform == "LOGISTIC":
        weights, bias = np.concatenate([-weights, weights]), np.concatenate([-bias, bias])
    if len(weights) != len(classes):
        raise ModelRefused(f"{len(weights)} rows of coefficients for {len(classes)} classes")
    sums = rows.weighted(weights, bias).linked(_CLASSIFIER_LINKS[transform])
    return [Label(classes), Rows(**{**vars(sums), "classes": classes})]


def _coefficients(call: Call, outputs: int) -> tuple[Doubles, Doubles]:
    weights = numbers(Constant(np.asarray(call.attributes.get("coefficients", []))))
    columns = call.rows().columns
    if outputs < 1 or weights.size != outputs * columns:
        raise ModelRefused(
            f"{weights.size} coefficients for {outputs} outputs of {columns} columns"
        )
    bias = np.asarray(call.attributes.get("intercepts", np.zeros(outputs)), np.float64)
    if bias.shape != (outputs,):
        raise ModelRefused(f"{bias.size} intercepts for {outputs} outputs")
    return weights.reshape(outputs, columns), bias


def _class_labels(call: Call, integers: str, strings: str) -> ClassLabels:
    if labels := call.attributes.get(integers):
        return tuple(int(label) for label in labels)
    return tuple(label.decode("utf-8", "replace") for label in call.attributes.get(strings, []))


def _link(link: Link) -> Handler:
    return lambda call: [call.rows().linked(link)]


def _softmax(call: Call) -> Sequence[Value]:
    if call.attributes.get("axis", 1) not in {1, -1} or call.rows().flat:
        raise ModelRefused("only a softmax over the columns is supported")
    return [call.rows().linked("softmax")]


def _normalizer(call: Call) -> Sequence[Value]:
    norm = call.text("norm", "MAX")
    if norm != "L1":
        raise ModelRefused(f"norm {norm} has no native stage")
    return [call.rows().normalized()]


def _absolute(call: Call) -> Sequence[Value]:
    if call.rows().link == "identity":
        raise ModelRefused("the absolute value of a sum has no native stage")
    return [call.rows()]  # sigmoid, softmax and exp are never negative


def _reduce_sum(call: Call) -> Sequence[Value]:
    axes = call.attributes.get("axes")
    if axes is None:
        axes = [int(axis) for axis in numbers(call.constant(1)).reshape(-1)]
    if list(axes) not in ([1], [-1]) or not call.attributes.get("keepdims", 1):
        raise ModelRefused("only the sum of each row, kept as a column, is supported")
    return [RowTotal(call.rows())]


def _concat(call: Call) -> Sequence[Value]:
    if call.attributes.get("axis") not in {1, -1} or len(call.inputs) != 2:
        raise ModelRefused("only joining the columns of two tensors is supported")
    return [call.rows(0).beside(call.rows(1))]


def _arg_max(call: Call) -> Sequence[Value]:
    call.rows()
    return [Label()]


def _zip_map(call: Call) -> Sequence[Value]:
    classes = _class_labels(call, "classlabels_int64s", "classlabels_strings")
    return [Rows(**{**vars(call.rows()), "classes": classes})]


def _label_only(_: Call) -> Sequence[Value]:
    raise ModelRefused("it has no native stage, except to make the label")


HANDLERS: Mapping[tuple[str, str], Handler] = {
    ("", "Abs"): _absolute,
    ("", "Add"): _add,
    ("", "ArgMax"): _arg_max,
    ("", "Cast"): _cast,
    ("", "Concat"): _concat,
    ("", "Constant"): _constant,
    ("", "Div"): _div,
    ("", "Exp"): _link("exp"),
    ("", "Flatten"): _flatten,
    ("", "Gemm"): _gemm,
    ("", "Identity"): _identity,
    ("", "MatMul"): _matmul,
    ("", "Mul"): _mul,
    ("", "ReduceSum"): _reduce_sum,
    ("", "Reshape"): _reshape,
    ("", "Sigmoid"): _link("sigmoid"),
    ("", "Softmax"): _softmax,
    ("", "Sub"): _sub,
    ("ai.onnx.ml", "ArrayFeatureExtractor"): _label_only,
    ("ai.onnx.ml", "LinearClassifier"): _linear_classifier,
    ("ai.onnx.ml", "LinearRegressor"): _linear_regressor,
    ("ai.onnx.ml", "Normalizer"): _normalizer,
    ("ai.onnx.ml", "Scaler"): _scaler,
    ("ai.onnx.ml", "ZipMap"): _zip_map,
}
