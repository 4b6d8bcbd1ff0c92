# SPDX-License-Identifier: Apache-2.0
"""From an ONNX graph to a native model: walk the nodes, then say what the scores mean."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx

from thriftscore.errors import ModelRefused
from thriftscore.importers.native_model import NativeModel, Precision
from thriftscore.importers.onnx_call import Call
from thriftscore.importers.onnx_file import parse, tensor_values
from thriftscore.importers.onnx_operators import HANDLERS
from thriftscore.importers.onnx_values import ClassLabels, Constant, Label, Rows, Value
from thriftscore.importers.stages import Chain, Dense, Link, Select, Stage, TreeEnsemble

_INPUT_PRECISIONS: dict[int, Precision] = {
    onnx.TensorProto.FLOAT: "fp32",
    onnx.TensorProto.DOUBLE: "fp64",
}
_FEATURES_MAX = 65_536


@dataclass(frozen=True)
class OnnxModel:
    """A graph that was understood, and how to run it with another engine."""

    native: NativeModel
    input_name: str
    scores_name: str
    """The tensor of the scores; where the output is a ZipMap of it, the tensor before."""
    precision: Precision
    """The type of the graph's input, and so what it computes in."""
    batch: int | None
    """How many rows a call takes; None = any number."""


def read_onnx(data: bytes) -> OnnxModel:
    """Understand an ONNX file whose operators all have a native stage. Raises ModelRefused."""
    try:
        return _understand(parse(data, HANDLERS).graph)
    except UnicodeDecodeError as error:
        raise ModelRefused("a name in the graph is not UTF-8") from error


def _understand(graph: onnx.GraphProto) -> OnnxModel:
    name, precision, (batch, columns) = graph_input(graph)
    values: dict[str, Value] = {
        tensor.name: Constant(tensor_values(tensor)) for tensor in graph.initializer
    }
    single = precision == "fp32"
    values[name] = Rows(columns, rising=(), single=False).cast(single=single)
    for node in graph.node:
        _apply(node, values)
    output_name, rows = _scores(graph, values)
    classes = rows.classes or _label_classes(values)
    return OnnxModel(
        native=_native_model(rows, classes, columns),
        input_name=name,
        scores_name=before_zip_map(graph, output_name),
        precision=precision,
        batch=batch,
    )


def graph_input(graph: onnx.GraphProto) -> tuple[str, Precision, tuple[int | None, int]]:
    """Name, type, rows and columns of the one input."""
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
    batch = dims[0] if dims[0] > 0 else None
    return inputs[0].name, _INPUT_PRECISIONS[tensor.elem_type], (batch, dims[1])


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


def before_zip_map(graph: onnx.GraphProto, output: str) -> str:
    """The tensor of an output; where that is a ZipMap, the tensor before it."""
    makers = {name: node for node in graph.node for name in node.output}
    maker = makers.get(output)
    return maker.input[0] if maker is not None and maker.op_type == "ZipMap" else output


def _native_model(rows: Rows, classes: ClassLabels, columns: int) -> NativeModel:
    features = tuple(f"f{index}" for index in range(columns))
    if not classes and rows.link not in {"sigmoid", "softmax"}:
        return NativeModel(features, "regression", _tidy(rows))
    if not classes and rows.link == "sigmoid" and rows.columns > 1 and not rows.is_complementary():
        return NativeModel(features, "regression", _tidy(rows))  # several sigmoids, as asked for
    count = 2 if rows.columns == 1 else rows.columns
    texts = tuple(str(label) for label in classes or range(count))
    if len(texts) != count:
        raise ModelRefused(f"{len(texts)} classes for {rows.columns} columns of scores")
    if count > 2:
        return NativeModel(features, "multiclass_classification", _tidy(rows), texts)
    decisions = rows.link == "identity" and rows.dense is not None and rows.is_complementary()
    return NativeModel(
        features,
        "binary_classification",
        _tidy(_second_class(rows)),
        texts,
        label_threshold=0.0 if decisions else None,
    )


def _second_class(rows: Rows) -> Rows:
    """The score of the second class alone."""
    if rows.columns == 1:
        return rows
    if rows.link == "softmax" and rows.dense is not None:
        weights, bias = rows.dense.weights, rows.dense.bias
        difference = Dense(weights[1:] - weights[:1], np.asarray([bias[1] - bias[0]]))
        return replace(rows, columns=1, dense=difference, link="sigmoid")
    return rows.selected(np.asarray([1]))


def _tidy(rows: Rows) -> Chain:
    """The stages without those that do nothing, and trees without outputs that nobody reads."""
    stages = list(rows.stages())
    for index in reversed(range(len(stages) - 1)):
        before, after = stages[index], stages[index + 1]
        if isinstance(before, TreeEnsemble) and isinstance(after, Select):
            columns = np.asarray(after.columns)
            stages[index] = replace(
                before,
                leaf_values=before.leaf_values[:, columns],
                base=before.base[columns],
                outputs=len(columns),
            )
            del stages[index + 1]
    kept = [stage for stage in stages if not _is_identity(stage)]
    return tuple(kept) or (Link("identity"),)


def _is_identity(stage: Stage) -> bool:
    return (
        isinstance(stage, Dense)
        and stage.activation == "identity"
        and np.array_equal(stage.weights, np.eye(len(stage.bias)))
        and not stage.bias.any()
    )
