# SPDX-License-Identifier: Apache-2.0
"""The answers of an ONNX file, by ONNX Runtime."""

from __future__ import annotations

import numpy as np
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
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        (answers,) = session.run([model.output_name], {model.input_name: rows.astype(dtype)})
    except Exception as error:  # its exceptions have no common base of their own
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise ModelRefused(f"ONNX Runtime cannot run the file: {first_line}") from error
    scores = _matrix(answers, model).reshape(len(rows), -1)
    binary = model.linear.task == "binary_classification"
    return scores[:, 1:] if binary and scores.shape[1] == 2 else scores


def _matrix(answers: object, model: OnnxModel) -> Doubles:
    """The output as numbers: ZipMap makes it one dictionary from class to score for each row."""
    if isinstance(answers, list):
        answers = [[row[label] for label in model.class_labels] for row in answers]
    return np.asarray(answers, np.float64)
