# SPDX-License-Identifier: Apache-2.0
"""The messages of inference.proto, whose code `make build/stamps/peers` generates."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import numpy as np

GENERATED = Path(__file__).parents[3] / "build" / "bench" / "python"

sys.path.append(str(GENERATED))
from inference_pb2 import (  # noqa: E402 - found through the line above
    ModelInferRequest,
    ModelInferResponse,
)
from inference_pb2_grpc import (  # noqa: E402
    GRPCInferenceServiceServicer,
    GRPCInferenceServiceStub,
    add_GRPCInferenceServiceServicer_to_server,
)

__all__ = [
    "GRPCInferenceServiceServicer",
    "GRPCInferenceServiceStub",
    "ModelInferRequest",
    "ModelInferResponse",
    "add_GRPCInferenceServiceServicer_to_server",
    "request",
    "scores",
]


def request(
    model_name: str, values: np.ndarray, form: Literal["raw", "repeated"]
) -> ModelInferRequest:
    """A request for the rows of `values`, float32 (rows, columns)."""
    message = ModelInferRequest(model_name=model_name)
    tensor = message.inputs.add(name="input", datatype="FP32", shape=values.shape)
    if form == "raw":
        message.raw_input_contents.append(values.tobytes())
    else:
        tensor.contents.fp32_contents.extend(values.ravel().tolist())
    return message


def scores(response: ModelInferResponse) -> np.ndarray:
    """What a reply in either form holds, float32 or float64, in the shape that it says."""
    tensor = response.outputs[0]
    is_double = tensor.datatype == "FP64"
    dtype = np.dtype(np.float64 if is_double else np.float32)
    if response.raw_output_contents:
        flat = np.frombuffer(response.raw_output_contents[0], dtype)
    else:
        contents = tensor.contents
        flat = np.array(contents.fp64_contents if is_double else contents.fp32_contents, dtype)
    return flat.reshape(tuple(tensor.shape))
