# SPDX-License-Identifier: Apache-2.0
"""Reading an ONNX file that nobody vouches for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from numpy.typing import NDArray
from onnx import numpy_helper

from thriftscore.errors import ModelRefused

ONNX_BYTES_MAX = 512 << 20
_NODES_MAX = 100_000
_ELEMENTS_MAX = 1 << 28


def parse(data: bytes, supported: Iterable[tuple[str, str]] | None) -> onnx.ModelProto:
    """The model in `data`, after every check that needs no knowledge of what operators mean.

    `supported` has the (domain, operator) pairs that may occur; None = any. Raises ModelRefused
    with the names of the operators outside it, or with the reason the file is not valid ONNX.
    """
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError as error:
        raise ModelRefused("not an ONNX file, or a truncated one") from error
    if len(model.graph.node) > _NODES_MAX:
        raise ModelRefused(f"the graph has more than {_NODES_MAX:,} nodes")
    _refuse_external_data(model)
    if supported is not None:
        _refuse_unsupported(model, frozenset(supported))
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError, RuntimeError) as error:
        first_line = (str(error).strip().splitlines() or [repr(error)])[0]
        raise ModelRefused(f"not valid ONNX: {first_line}") from error
    return model


def tensor_values(tensor: onnx.TensorProto) -> NDArray[np.generic]:
    """The elements of a tensor that the file itself holds. Raises ModelRefused."""
    if any(extent < 0 for extent in tensor.dims) or math.prod(tensor.dims) > _ELEMENTS_MAX:
        raise ModelRefused(f"tensor '{tensor.name}' has the shape {list(tensor.dims)}")
    try:
        return np.asarray(numpy_helper.to_array(tensor))
    except (ValueError, TypeError, KeyError) as error:
        raise ModelRefused(f"tensor '{tensor.name}' cannot be read: {error}") from error


def _refuse_external_data(model: onnx.ModelProto) -> None:
    for tensor in _tensors(model.graph):
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            raise ModelRefused(f"tensor '{tensor.name}' is in another file, expected one file")
    if model.graph.sparse_initializer:
        raise ModelRefused("sparse initialisers are not supported")
    if model.functions:
        raise ModelRefused(f"model-local functions are not supported: '{model.functions[0].name}'")


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from attribute.tensors
            if attribute.HasField("t"):
                yield attribute.t


def _refuse_unsupported(model: onnx.ModelProto, supported: frozenset[tuple[str, str]]) -> None:
    """Names every operator that has no native stage, so that one look tells what is missing."""
    unknown: dict[str, str] = {}
    for node in model.graph.node:
        domain = "" if node.domain == "ai.onnx" else node.domain
        if (domain, node.op_type) not in supported:
            prefix = "" if domain in {"", "ai.onnx.ml"} else f"{domain}."
            unknown.setdefault(f"{prefix}{node.op_type}", node.name)
    if len(unknown) == 1:
        ((operator, name),) = unknown.items()
        raise ModelRefused(f"operator {operator} (node '{name}') has no native stage")
    if unknown:
        raise ModelRefused(f"operators {', '.join(sorted(unknown))} have no native stage")
