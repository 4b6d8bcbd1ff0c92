# SPDX-License-Identifier: Apache-2.0
"""The answers of an ONNX file, by ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime

from thriftscore.errors import ModelRefused
from thriftscore.importers.linear_model import Doubles
from thriftscore.importers.onnx_graph import OnnxModel

_ONLY_ERRORS = 3


def reference_scores(data: bytes, model: OnnxModel, rows: Doubles) -> Doubles:
    """Scores of `rows` (float64, already rounded to what the graph takes), as float64.

    Shape (rows, outputs): one column for regression and for the second class of two, else one for
    each class. Raises ModelRefused where ONNX Runtime cannot run the file.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = _ONLY_ERRORS
    dtype = np.float32 if model.precision == "fp32" else np.float64
    try:
        session = onnxruntime.InferenceSession(
            _scores_only(data, model.scores_name), options, providers=["CPUExecutionProvider"]
        )
        (answers,) = session.run([model.scores_name], {model.input_name: rows.astype(dtype)})
    except Exception as error:  # its exceptions have no common base of their own
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise ModelRefused(f"ONNX Runtime cannot run the file: {first_line}") from error
    scores = np.asarray(answers, np.float64).reshape(len(rows), -1)
    binary = model.linear.task == "binary_classification"
    return scores[:, 1:] if binary and scores.shape[1] == 2 else scores


def _scores_only(data: bytes, scores_name: str) -> bytes:
    """The same graph with the scores as its only output.

    Without its ZipMap, that is, which ONNX Runtime has in single precision only.
    """
    model = onnx.ModelProto()
    model.ParseFromString(data)
    kept = [node for node in model.graph.node if node.op_type != "ZipMap"]
    del model.graph.node[:]
    model.graph.node.extend(kept)
    del model.graph.output[:]
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(scores_name))
    return bytes(model.SerializeToString())
