# SPDX-License-Identifier: Apache-2.0
"""A model in the engine and in ONNX Runtime, as what scores rows on so many threads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from embedded.threads import Score, in_threads
from numpy.typing import NDArray
from onnx import ModelProto

import thriftscore
from thriftscore.importers.importing import ImportOptions, import_model
from thriftscore.model import Model
from thriftscore.repository.publish import publish

Rows = NDArray[np.float32]
OnThreads = Callable[[int], Score]
"""Makes what scores on so many threads."""


def imported_model(source: Path, folder: Path) -> Model:
    """The model of a file, imported into a repository in `folder` as a user would."""
    imported = import_model(source, ImportOptions(allow_pickle=True))
    number = publish(folder / "repository", "bench", imported.version)
    return thriftscore.load(folder / "repository" / "bench" / str(number))


def engine(source: Path, folder: Path) -> OnThreads:
    """The embedded engine; more than one thread share the rows."""
    model = imported_model(source, folder)
    return lambda threads: in_threads(model.score, threads)


def onnx_runtime(graph: ModelProto, output: int | str = 0) -> OnThreads:
    """ONNX Runtime with so many threads of its own; `output` by place or name."""

    def on_threads(threads: int) -> Score:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = threads
        session = onnxruntime.InferenceSession(
            graph.SerializeToString(), options, ["CPUExecutionProvider"]
        )
        name = session.get_inputs()[0].name
        wanted = session.get_outputs()[output].name if isinstance(output, int) else output
        return lambda rows: session.run([wanted], {name: rows})[0]

    return on_threads
