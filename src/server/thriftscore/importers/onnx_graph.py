# SPDX-License-Identifier: Apache-2.0
"""From an ONNX graph to a linear model: walk the nodes, then say what the scores mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from thriftscore.errors import ModelRefused
from thriftscore.importers.linear_model import Dense, LinearModel, Precision
from thriftscore.importers.onnx_file import parse, tensor_values
from thriftscore.importers.onnx_operators import HANDLERS, Call
from thriftscore.importers.onnx_values import ClassLabels, Constant, Label, Rows, Value

_INPUT_PRECISIONS: dict[int, Precision] = {
    onnx.TensorProto.FLOAT: "fp32",
    onnx.TensorProto.DOUBLE: "fp64",
}
_FEATURES_MAX = 65_536


@dataclass(frozen=True)
class OnnxModel:
    """A graph that was understood, and how to run it with another engine."""

    linear: LinearModel
    input_name: str
    scores_name: str
    """The tensor of the scores; where the output is a ZipMap of it, the tensor before."""
    precision: Precision
    """The type of the graph's input, and so what it computes in."""


def read_onnx(data: bytes) -> OnnxModel:
    """Understand an ONNX file whose operators all have a native stage. Raises ModelRefused."""
    try:
        return _understand(parse(data, HANDLERS).graph)
    except UnicodeDecodeError as error:
        raise ModelRefused("a name in the graph is not UTF-8") from error


def _understand(graph: onnx.GraphProto) -> OnnxModel:
    name, precision, columns = _input(graph)
    values: dict[str, Value] = {
        tensor.name: Constant(tensor_values(tensor)) for tensor in graph.initializer
    }
    values[name] = Rows(columns)
    for node in graph.node:
        _apply(node, values)
    output_name, rows = _scores(graph, values)
    classes = rows.classes or _label_classes(values)
    return OnnxModel(
        linear=_linear_model(rows, classes, columns),
        input_name=name,
        scores_name=_before_zip_map(graph, output_name),
        precision=precision,
    )


def _input(graph: onnx.GraphProto) -> tuple[str, Precision, int]:
    """Name, type and columns of the one input."""
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs) or "none"
        raise ModelRefused(f"expected one input of rows x features, received {names}")
    tensor = inputs[0].type.tensor_type
    dims = [dim.dim_value if dim.HasField("dim_value") else -1 for dim in tensor.shape.dim]
    if tensor.elem_type not in _INPUT_PRECISIONS:
        kind = onnx.TensorProto.DataType.Name(tensor.elem_type)
        raise ModelRefused(f"input '{inputs[0].name}' is {kind}, expected FLOAT or DOUBLE")
    if len(dims) != 2 or not 1 <= dims[1] <= _FEATURES_MAX:
        raise ModelRefused(
            f"input '{inputs[0].name}' has the shape {dims}, expected rows x a fixed number of"
            f" columns, 1 to {_FEATURES_MAX:,}"
        )
    return inputs[0].name, _INPUT_PRECISIONS[tensor.elem_type], dims[1]


def _apply(node: onnx.NodeProto, values: dict[str, Value]) -> None:
    """Compute the values of the node's outputs."""
    inputs = [values.get(name) for name in node.input]
    if any(isinstance(value, Label) for value in inputs):
        values.update(dict.fromkeys(node.output, _label(node, inputs)))
        return
    attributes: dict[str, Any] = {
        attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute
    }
    domain = "" if node.domain == "ai.onnx" else node.domain
    try:
        outputs = HANDLERS[domain, node.op_type](Call(attributes, inputs))
    except ModelRefused as error:
        raise ModelRefused(f"operator {node.op_type} (node '{node.name}'): {error}") from error
    values.update(zip(node.output, outputs, strict=False))


def _label(node: onnx.NodeProto, inputs: list[Value | None]) -> Label:
    """What is computed from a label is a label; the table it is looked up in has the classes."""
    for value in inputs:
        if isinstance(value, Label) and value.classes:
            return value
    if node.op_type != "ArrayFeatureExtractor" or not isinstance(inputs[0], Constant):
        return Label()
    table = inputs[0].values.reshape(-1).tolist()
    return Label(
        tuple(
            item.decode("utf-8", "replace") if isinstance(item, bytes) else item for item in table
        )
    )


def _label_classes(values: dict[str, Value]) -> ClassLabels:
    found = (value.classes for value in values.values() if isinstance(value, Label))
    return next((classes for classes in found if classes), ())


def _scores(graph: onnx.GraphProto, values: dict[str, Value]) -> tuple[str, Rows]:
    """The one output that has scores."""
    outputs = [(output.name, values.get(output.name)) for output in graph.output]
    scores = [(name, value) for name, value in outputs if isinstance(value, Rows)]
    others = [name for name, value in outputs if not isinstance(value, Rows | Label)]
    if len(scores) != 1 or others:
        names = ", ".join(name for name, _ in outputs) or "none"
        raise ModelRefused(f"expected one output of scores beside the label, received {names}")
    return scores[0]


def _before_zip_map(graph: onnx.GraphProto, output: str) -> str:
    makers = {name: node for node in graph.node for name in node.output}
    maker = makers.get(output)
    return maker.input[0] if maker is not None and maker.op_type == "ZipMap" else output


def _linear_model(rows: Rows, classes: ClassLabels, features: int) -> LinearModel:
    names = tuple(f"f{index}" for index in range(features))
    if rows.link in {"identity", "exp"}:
        if classes:
            raise ModelRefused("the classifier gives decision values, expected probabilities")
        if rows.columns != 1 and rows.dense is not None:
            raise ModelRefused(f"a regression has {rows.columns} outputs, expected 1")
        return LinearModel(names, "regression", rows.normalizer, rows.dense, rows.link)
    if rows.dense is None:
        raise ModelRefused(f"{rows.link} of the features themselves has no native stage")
    count = 2 if rows.columns == 1 else rows.columns
    texts = tuple(str(label) for label in classes or range(count))
    if len(texts) != count:
        raise ModelRefused(f"{len(texts)} classes for {rows.columns} columns of scores")
    if rows.link == "softmax" and count > 2:
        return LinearModel(
            names, "multiclass_classification", rows.normalizer, rows.dense, "softmax", texts
        )
    dense = _second_class(rows, rows.dense)
    return LinearModel(names, "binary_classification", rows.normalizer, dense, "sigmoid", texts)


def _second_class(rows: Rows, dense: Dense) -> Dense:
    """The sum whose sigmoid is the probability of the second class."""
    if rows.link == "sigmoid" and rows.columns == 1:
        return dense
    if rows.link == "softmax" and rows.columns == 2:
        difference = dense.weights[1:] - dense.weights[:1]
        return Dense(difference, np.asarray([dense.bias[1] - dense.bias[0]]))
    if rows.link == "sigmoid" and rows.is_complementary():
        return Dense(dense.weights[1:], dense.bias[1:])
    raise ModelRefused(f"{rows.link} over {rows.columns} columns does not give probabilities")
