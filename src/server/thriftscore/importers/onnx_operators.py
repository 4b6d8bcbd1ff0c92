# SPDX-License-Identifier: Apache-2.0
"""The ONNX operators that have a native stage, and what each does to the rows it gets.

The meaning of every operator is that of https://onnx.ai/onnx/operators. To add one, write a
handler and enter it in HANDLERS.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray

from thriftscore.errors import ModelRefused
from thriftscore.importers.onnx_call import Call, Handler, class_labels
from thriftscore.importers.onnx_file import tensor_values
from thriftscore.importers.onnx_trees import TREE_HANDLERS
from thriftscore.importers.onnx_values import (
    Constant,
    Label,
    Rows,
    RowTotal,
    Value,
    numbers,
)
from thriftscore.importers.stages import (
    Activation,
    Binarize,
    Clip,
    Doubles,
    Impute,
    LinkFunction,
    OneHot,
    RowNorm,
)


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


def _cast(call: Call) -> Sequence[Value]:
    """To a category's number as well, which the rows have as it is."""
    if isinstance(call.inputs[0], Rows):
        to = call.attributes["to"]
        numeric = {onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.INT64}
        if to not in numeric:
            raise ModelRefused(f"a cast to {onnx.TensorProto.DataType.Name(to)} is not supported")
        return [call.rows().cast(single=to == onnx.TensorProto.FLOAT)]
    return _identity(call)


def _add(call: Call) -> Sequence[Value]:
    if all(isinstance(value, Rows) for value in call.inputs):
        return [call.rows(0).plus(call.rows(1))]
    rows, constant = _rows_and_constant(call)
    return [rows.minus(-rows.row(constant))]


def _sum(call: Call) -> Sequence[Value]:
    total = call.rows(0)
    for index in range(1, len(call.inputs)):
        total = total.plus(call.rows(index))
    return [total]


def _sub(call: Call) -> Sequence[Value]:
    if all(isinstance(value, Rows) for value in call.inputs):
        return [call.rows(0).plus(call.rows(1), -1.0)]
    rows, constant = _rows_and_constant(call)
    values = rows.row(constant)
    if isinstance(call.inputs[0], Rows):
        return [rows.minus(values)]
    if (values == 1.0).all():
        return [rows.complement()]
    return [rows.multiplied(-np.ones(rows.columns)).minus(-values)]


def _neg(call: Call) -> Sequence[Value]:
    return [call.rows().multiplied(-np.ones(call.rows().columns))]


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


_CLASSIFIER_LINKS: dict[str, LinkFunction] = {
    "NONE": "identity",
    "LOGISTIC": "sigmoid",
    "SOFTMAX": "softmax",
}


def _linear_classifier(call: Call) -> Sequence[Value]:
    transform = call.text("post_transform", "NONE")
    if transform not in _CLASSIFIER_LINKS:
        raise ModelRefused(f"post_transform {transform} is not supported")
    classes = class_labels(call, "classlabels_ints", "classlabels_strings")
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


def _link(link: LinkFunction) -> Handler:
    return lambda call: [call.rows().linked(link)]


def _softmax(call: Call) -> Sequence[Value]:
    if call.attributes.get("axis", 1) not in {1, -1} or call.rows().flat:
        raise ModelRefused("only a softmax over the columns is supported")
    return [call.rows().linked("softmax")]


def _normalizer(call: Call) -> Sequence[Value]:
    norm = call.text("norm", "MAX")
    if norm == "L1" and call.rows().link != "identity":
        return [call.rows().normalized()]
    if norm not in {"L1", "L2"}:  # ONNX divides by the largest value, not the largest |value|
        raise ModelRefused(f"norm {norm} has no native stage")
    return [call.rows().then(RowNorm("l1" if norm == "L1" else "l2"))]


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
    if call.attributes.get("axis") not in {1, -1}:
        raise ModelRefused("only joining columns is supported")
    return _feature_vectorizer(call)


def _feature_vectorizer(call: Call) -> Sequence[Value]:
    joined = call.rows(0)
    for index in range(1, len(call.inputs)):
        joined = joined.beside(call.rows(index))
    return [joined]


def _activation(activation: Activation, default_alpha: float) -> Handler:
    def handle(call: Call) -> Sequence[Value]:
        alpha = float(call.attributes.get("alpha", default_alpha))
        return [call.rows().activated(activation, alpha)]

    return handle


def _selu(call: Call) -> Sequence[Value]:
    if {"alpha", "gamma"} & set(call.attributes):
        expected = {"alpha": 1.67326319217681884765625, "gamma": 1.05070102214813232421875}
        if any(abs(call.attributes.get(n, v) - v) > 1e-5 for n, v in expected.items()):
            raise ModelRefused("only the usual alpha and gamma are supported")
    return [call.rows().activated("selu")]


def _clip(call: Call) -> Sequence[Value]:
    rows = call.rows()
    low, high = (_bound(call, index, name) for index, name in ((1, "min"), (2, "max")))
    limits = (-np.inf if low is None else low, np.inf if high is None else high)
    return [rows.then(Clip(*(np.full(rows.columns, limit) for limit in limits)))]


def _bound(call: Call, index: int, name: str) -> float | None:
    if index < len(call.inputs) and call.inputs[index] is not None:
        return float(numbers(call.constant(index)).reshape(()))
    return float(call.attributes[name]) if name in call.attributes else None


def _hard_sigmoid(call: Call) -> Sequence[Value]:
    rows = call.rows()
    slope, start = call.attributes.get("alpha", 0.2), call.attributes.get("beta", 0.5)
    line = rows.multiplied(np.full(rows.columns, slope)).minus(np.full(rows.columns, -start))
    return [line.then(Clip(np.zeros(rows.columns), np.ones(rows.columns)))]


def _batch_normalization(call: Call) -> Sequence[Value]:
    if call.attributes.get("training_mode", 0):
        raise ModelRefused("training_mode is not supported")
    rows = call.rows()
    scale, bias, mean, variance = (rows.row(call.constant(index)) for index in range(1, 5))
    deviation = np.sqrt(variance + call.attributes.get("epsilon", 1e-5))
    return [rows.minus(mean).multiplied(scale / deviation).minus(-bias)]


def _dropout(call: Call) -> Sequence[Value]:
    if len(call.inputs) > 2 and call.inputs[2] is not None and call.constant(2).values.any():
        raise ModelRefused("training_mode is not supported")
    return [call.rows()]


def _transpose(call: Call) -> Sequence[Value]:
    return [Constant(call.constant(0).values.transpose(call.attributes.get("perm")))]


def _extract(call: Call) -> Sequence[Value]:
    """ArrayFeatureExtractor; that of a label's table never gets here."""
    return [call.rows().selected(_indices(call, 1).reshape(-1))]


def _gather(call: Call) -> Sequence[Value]:
    if call.attributes.get("axis", 0) not in {1, -1}:
        raise ModelRefused("only columns can be gathered")
    indices = _indices(call, 1)
    return [call.rows().selected(indices.reshape(-1), flat=indices.ndim == 0)]


def _indices(call: Call, index: int) -> NDArray[np.int64]:
    return numbers(call.constant(index)).astype(np.int64)


def _slice(call: Call) -> Sequence[Value]:
    rows = call.rows()
    if "starts" in call.attributes:
        starts, ends = call.attributes["starts"], call.attributes["ends"]
        axes, steps = call.attributes.get("axes", [0]), [1]
    else:
        starts, ends = _indices(call, 1).tolist(), _indices(call, 2).tolist()
        axes = _indices(call, 3).tolist() if len(call.inputs) > 3 else [0]
        steps = _indices(call, 4).tolist() if len(call.inputs) > 4 else [1]
    if list(axes) not in ([1], [-1]):
        raise ModelRefused("only columns can be sliced")
    return [rows.selected(np.arange(rows.columns)[slice(starts[0], ends[0], steps[0])])]


def _squeeze(call: Call) -> Sequence[Value]:
    rows = call.rows()
    if rows.columns != 1 or rows.flat:
        raise ModelRefused("only rows of one column can be squeezed")
    return [_reshaped(rows, flat=True)]


def _unsqueeze(call: Call) -> Sequence[Value]:
    if not call.rows().flat:
        raise ModelRefused("only rows of one value can get another axis")
    return [_reshaped(call.rows(), flat=False)]


def _binarizer(call: Call) -> Sequence[Value]:
    rows = call.rows()
    threshold = float(call.attributes.get("threshold", 0.0))
    return [rows.then(Binarize(np.full(rows.columns, threshold)))]


def _imputer(call: Call) -> Sequence[Value]:
    values = call.attributes.get("imputed_value_floats") or call.attributes.get(
        "imputed_value_int64s", []
    )
    marker = call.attributes.get(
        "replaced_value_float", call.attributes.get("replaced_value_int64")
    )
    missing = None if marker is None or np.isnan(marker) else float(marker)
    return [call.rows().then(Impute(call.rows().row(Constant(np.asarray(values))), missing))]


def _one_hot_encoder(call: Call) -> Sequence[Value]:
    """The same categories for every column; the axis that it adds is folded into the columns."""
    if "cats_int64s" not in call.attributes:
        raise ModelRefused("categories that are texts are not supported")
    rows = call.rows()
    categories = np.asarray(call.attributes["cats_int64s"], np.float64)
    offsets = np.arange(rows.columns + 1) * len(categories)
    unknown: Literal["zeros", "nan"] = "zeros" if call.attributes.get("zeros", 1) else "nan"
    return [rows.then(OneHot(offsets, np.tile(categories, rows.columns), unknown))]


def _svm_regressor(call: Call) -> Sequence[Value]:
    if call.text("kernel_type", "LINEAR") != "LINEAR" or call.attributes.get("one_class", 0):
        raise ModelRefused("only the linear kernel is supported")
    rows = call.rows()
    weights = np.asarray(call.attributes.get("coefficients", []), np.float64)
    if count := call.attributes.get("n_supports", 0):
        vectors = np.asarray(call.attributes["support_vectors"], np.float64)
        weights = weights @ vectors.reshape(count, -1)
    bias = np.asarray(call.attributes.get("rho", [0.0]), np.float64)
    return [rows.weighted(weights.reshape(1, -1), bias[:1])]


def _arg_max(call: Call) -> Sequence[Value]:
    call.rows()
    return [Label()]


def _zip_map(call: Call) -> Sequence[Value]:
    classes = class_labels(call, "classlabels_int64s", "classlabels_strings")
    return [Rows(**{**vars(call.rows()), "classes": classes})]


def _label_only(_: Call) -> Sequence[Value]:
    raise ModelRefused("it has no native stage, except to make the label")


HANDLERS: Mapping[tuple[str, str], Handler] = {
    ("", "Abs"): _absolute,
    ("", "Add"): _add,
    ("", "ArgMax"): _arg_max,
    ("", "BatchNormalization"): _batch_normalization,
    ("", "Cast"): _cast,
    ("", "Clip"): _clip,
    ("", "Concat"): _concat,
    ("", "Constant"): _constant,
    ("", "Div"): _div,
    ("", "Dropout"): _dropout,
    ("", "Elu"): _activation("elu", 1.0),
    ("", "Exp"): _link("exp"),
    ("", "Flatten"): _flatten,
    ("", "Gather"): _gather,
    ("", "Gemm"): _gemm,
    ("", "HardSigmoid"): _hard_sigmoid,
    ("", "Identity"): _identity,
    ("", "LeakyRelu"): _activation("leaky_relu", 0.01),
    ("", "MatMul"): _matmul,
    ("", "Mul"): _mul,
    ("", "Neg"): _neg,
    ("", "Reciprocal"): _link("reciprocal"),
    ("", "ReduceSum"): _reduce_sum,
    ("", "Relu"): _link("relu"),
    ("", "Reshape"): _reshape,
    ("", "Selu"): _selu,
    ("", "Sigmoid"): _link("sigmoid"),
    ("", "Slice"): _slice,
    ("", "Softmax"): _softmax,
    ("", "Softplus"): _link("softplus"),
    ("", "Squeeze"): _squeeze,
    ("", "Sub"): _sub,
    ("", "Sum"): _sum,
    ("", "Tanh"): _link("tanh"),
    ("", "Transpose"): _transpose,
    ("", "Unsqueeze"): _unsqueeze,
    ("ai.onnx.ml", "ArrayFeatureExtractor"): _extract,
    ("ai.onnx.ml", "Binarizer"): _binarizer,
    ("ai.onnx.ml", "FeatureVectorizer"): _feature_vectorizer,
    ("ai.onnx.ml", "Imputer"): _imputer,
    ("ai.onnx.ml", "LabelEncoder"): _label_only,
    ("ai.onnx.ml", "LinearClassifier"): _linear_classifier,
    ("ai.onnx.ml", "LinearRegressor"): _linear_regressor,
    ("ai.onnx.ml", "Normalizer"): _normalizer,
    ("ai.onnx.ml", "OneHotEncoder"): _one_hot_encoder,
    ("ai.onnx.ml", "SVMRegressor"): _svm_regressor,
    ("ai.onnx.ml", "Scaler"): _scaler,
    ("ai.onnx.ml", "ZipMap"): _zip_map,
    **TREE_HANDLERS,
}
