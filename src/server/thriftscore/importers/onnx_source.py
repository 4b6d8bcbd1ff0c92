# SPDX-License-Identifier: Apache-2.0
"""An ONNX file as a source: understood, and answered by ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime

from thriftscore.errors import ModelRefused
from thriftscore.importers.onnx_graph import OnnxModel, read_onnx
from thriftscore.importers.source_model import SourceModel
from thriftscore.importers.stages import Doubles

_ONLY_ERRORS = 3


def read_onnx_file(data: bytes) -> SourceModel:
    """Understand an ONNX file whose operators all have native stages. Raises ModelRefused."""
    model = read_onnx(data)
    session: list[onnxruntime.InferenceSession] = []

    def answers(rows: Doubles) -> Doubles:
        if not session:
            session.append(_session(data, model.scores_name))
        return _scores(session[0], model, rows)

    return SourceModel(
        native=model.native,
        answers=answers,
        computes_in=model.precision,
        format="onnx",
        reference="onnxruntime",
        libraries=("onnx", "onnxruntime"),
    )


def _session(data: bytes, scores_name: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = _ONLY_ERRORS
    try:
        return onnxruntime.InferenceSession(
            scores_only(data, scores_name), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # its exceptions have no common base of their own
        raise ModelRefused(f"ONNX Runtime cannot load the file: {_first_line(error)}") from error


def _scores(session: onnxruntime.InferenceSession, model: OnnxModel, rows: Doubles) -> Doubles:
    """One column for regression and for the second class of two, else one for each class."""
    dtype = np.float32 if model.precision == "fp32" else np.float64
    count = model.batch or len(rows)
    try:
        answers = [
            session.run([model.scores_name], {model.input_name: block.astype(dtype)})[0]
            for block in _blocks(rows, count)
        ]
    except Exception as error:  # its exceptions have no common base of their own
        raise ModelRefused(f"ONNX Runtime cannot run the file: {_first_line(error)}") from error
    scores = np.concatenate([np.asarray(part, np.float64).reshape(count, -1) for part in answers])
    scores = scores[: len(rows)]
    binary = model.native.task == "binary_classification"
    return scores[:, 1:] if binary and scores.shape[1] == 2 else scores


def _blocks(rows: Doubles, count: int) -> list[Doubles]:
    """The rows in blocks of `count`, the last one filled up."""
    missing = -len(rows) % count
    filled = np.concatenate([rows, np.repeat(rows[-1:], missing, axis=0)])
    return np.split(filled, len(filled) // count)


def scores_only(data: bytes, scores_name: str) -> bytes:
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


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else repr(error)
