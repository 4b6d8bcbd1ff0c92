# SPDX-License-Identifier: Apache-2.0
"""ModelInfer of dense rows, for the server with threads and the one with asyncio alike."""

from __future__ import annotations

import numpy as np
from inference import ModelInferRequest, ModelInferResponse
from peer import MESSAGE_BYTES_MAX

import thriftscore

SERVER_OPTIONS = (("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),)


def infer(model: thriftscore.Model, request: ModelInferRequest) -> ModelInferResponse:
    """The scores of the one input, raw or repeated as it came. Raises InvalidArgument."""
    response = ModelInferResponse(model_name=request.model_name)
    output = response.outputs.add(name="scores", datatype=model.precision.upper())
    datatype = request.inputs[0].datatype
    if request.raw_input_contents:
        scores = model.score_bytes(request.raw_input_contents[0], datatype)
        response.raw_output_contents.append(scores)
        rows = len(scores) // (8 if model.precision == "fp64" else 4) // model.outputs
    else:
        rows = _infer_repeated(model, request.inputs[0], output)
    output.shape.extend((rows, model.outputs))
    return response


def _infer_repeated(
    model: thriftscore.Model,
    given: ModelInferRequest.InferInputTensor,
    output: ModelInferResponse.InferOutputTensor,
) -> int:
    """Writes the scores into `output`; the number of rows."""
    contents = given.contents
    if given.datatype == "FP64":
        features = np.array(contents.fp64_contents, np.float64)
    else:
        features = np.array(contents.fp32_contents, np.float32)
    scores = model.score(features.reshape(tuple(given.shape)))
    target = output.contents
    is_double = model.precision == "fp64"
    (target.fp64_contents if is_double else target.fp32_contents).extend(scores.ravel().tolist())
    return len(scores)
