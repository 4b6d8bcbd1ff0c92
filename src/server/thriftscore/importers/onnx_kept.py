# SPDX-License-Identifier: Apache-2.0
"""An ONNX file that is kept as it is, for ONNX Runtime to compute: `--backend onnxruntime`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx

from thriftscore.errors import ModelRefused
from thriftscore.importers.native_model import MissingValues, NativeModel, Precision, Task
from thriftscore.importers.onnx_file import parse
from thriftscore.importers.onnx_graph import before_zip_map, graph_input
from thriftscore.importers.onnx_source import scores_only
from thriftscore.importers.sample import Sample
from thriftscore.importers.source_model import SourceModel, ask
from thriftscore.importers.stages import Doubles
from thriftscore.repository import Golden, OnnxBinding, OnnxModel
from thriftscore.repository.onnx_model import as_precision

_FLOATS = {onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE}


@dataclass(frozen=True)
class KeptModel:
    """A graph that gives scores alone, what it means, and its own answers."""

    data: bytes
    binding: OnnxBinding
    golden: Golden


def keep_onnx(
    data: bytes, sample: Sample | None, missing_values: MissingValues | None
) -> KeptModel:
    """Reduce a graph to its scores and ask ONNX Runtime. Raises ModelRefused."""
    graph = parse(data, None).graph
    input_name, precision, (batch, columns) = graph_input(graph)
    scores_name = _scores_name(graph)
    reduced = scores_only(data, scores_name)
    classes, labelled = _classes(graph)
    features = tuple(f"f{index}" for index in range(columns))
    width = _width(reduced, (input_name, scores_name), precision, (batch, features))
    task, classes, outputs = _meaning(classes, width, labelled=labelled)
    binding = OnnxBinding(
        input_name=input_name,
        scores_name=scores_name,
        precision=precision,
        batch=batch,
        features=features,
        outputs=outputs,
        task=task,
        classes=classes,
        missing_values="propagate",
    )
    model = OnnxModel(reduced, binding)

    def answers(rows: Doubles) -> Doubles:
        return np.asarray(model.score(as_precision(rows, precision)), np.float64)

    native = NativeModel(features, task, (), classes)
    source = SourceModel(native, answers, precision, "onnx", "onnxruntime itself", ("onnxruntime",))
    rule, golden = ask(source, precision, missing_values, sample)
    return KeptModel(reduced, binding.model_copy(update={"missing_values": rule}), golden)


def _scores_name(graph: onnx.GraphProto) -> str:
    """The one output of numbers, or what goes into the one ZipMap."""
    found = []
    for output in graph.output:
        before = before_zip_map(graph, output.name)
        is_tensor = output.type.WhichOneof("value") == "tensor_type"
        if before != output.name or (is_tensor and output.type.tensor_type.elem_type in _FLOATS):
            found.append(before)
    if len(found) != 1:
        names = ", ".join(output.name for output in graph.output) or "none"
        raise ModelRefused(f"expected one output of scores beside the label, received {names}")
    return found[0]


def _classes(graph: onnx.GraphProto) -> tuple[tuple[str, ...], bool]:
    """The classes that some operator names, and whether the graph gives labels at all."""
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.name.startswith("classlabels"):
                values = onnx.helper.get_attribute_value(attribute)
                texts = (
                    v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in values
                )
                return tuple(str(text) for text in texts), True
    return (), len(graph.output) > 1


def _width(
    data: bytes,
    names: tuple[str, str],
    precision: Precision,
    shape: tuple[int | None, tuple[str, ...]],
) -> int:
    """How many scores a row gets: what ONNX Runtime gives for one."""
    batch, features = shape
    binding = OnnxBinding(
        input_name=names[0],
        scores_name=names[1],
        precision=precision,
        batch=batch,
        features=features,
        outputs=1,
        task="regression",
        missing_values="propagate",
    )
    return OnnxModel(data, binding).raw_width()


def _meaning(
    classes: tuple[str, ...], width: int, *, labelled: bool
) -> tuple[Task, tuple[str, ...], int]:
    if not labelled:
        return "regression", (), width
    count = 2 if width == 1 else width
    names = classes if len(classes) == count else tuple(str(index) for index in range(count))
    if count == 2:
        return "binary_classification", names, 1
    return "multiclass_classification", names, width
