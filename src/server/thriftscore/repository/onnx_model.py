# SPDX-License-Identifier: Apache-2.0
"""A version that ONNX Runtime computes, behind the interface of the engine's models."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from functools import cache
from threading import Timer
from typing import TYPE_CHECKING, Literal, NoReturn

import numpy as np

from thriftscore.errors import Internal, InvalidArgument, ModelRefused
from thriftscore.repository.manifest import ONNX_FILE, OnnxBinding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from typing_extensions import Buffer

    from thriftscore.model import Matrix

MEMORY_BYTES_MAX = 4 << 30
"""What all graphs of a process may have at a time for what they compute with."""

_ONLY_ERRORS = 3
_LABEL_RULES = {
    "regression": "none",
    "binary_classification": "threshold",
    "multiclass_classification": "argmax",
}
_DTYPES = {"FP32": "<f4", "FP64": "<f8"}


class OnnxModel:
    """An ONNX graph from rows of features to scores. Immutable; any number of threads may use it.

    A call releases the GIL while it computes.
    """

    native: None = None
    """There is no compiled model: the native server leaves these versions to Python."""
    has_normalizer: Literal[False] = False
    hashes_names: Literal[False] = False
    link: Literal["identity"] = "identity"

    def __init__(self, data: bytes, binding: OnnxBinding) -> None:
        """Raises ModelRefused where ONNX Runtime is not installed or does not accept the graph."""
        try:
            import onnxruntime  # noqa: PLC0415 - an optional dependency
        except ImportError as error:
            raise ModelRefused(
                "the version needs ONNX Runtime: pip install 'thriftscore[onnxruntime]'"
            ) from error
        _limit_memory()
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.use_env_allocators", "1")
        options.intra_op_num_threads = 1
        options.log_severity_level = _ONLY_ERRORS
        try:
            self._session = onnxruntime.InferenceSession(
                data, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its exceptions have no common base of their own
            raise ModelRefused(f"{ONNX_FILE}: {_first_line(error)}") from error
        self._run_options = onnxruntime.RunOptions()
        self._binding = binding
        self.columns = len(binding.features)
        self.outputs = binding.outputs
        self.feature_names = self.features = binding.features
        self.classes = binding.classes
        self.task: str = binding.task
        self.precision: str = binding.precision
        self.missing_values: str = binding.missing_values
        self.categories: Mapping[str, tuple[str, ...]] = {}
        self.label = _LABEL_RULES[binding.task]
        self.label_threshold = 0.5
        self.output_names = ("scores", "probabilities", "label") if self.classes else ("scores",)
        self.plan = (f"onnxruntime {onnxruntime.__version__}: {ONNX_FILE}",)

    @contextmanager
    def time_limit(self, seconds: float) -> Iterator[None]:
        """Ends what the graph computes in the block once that has taken so long.

        Raises ModelRefused then; the model is of no use afterwards.
        """
        timer = Timer(seconds, self._end_runs)
        timer.daemon = True
        timer.start()
        failure: Internal | None = None
        try:
            yield
        except Internal as error:
            failure = error
        finally:
            timer.cancel()
            timer.join()  # or it may still end the runs of a model that was just in time
        if self._run_options.terminate:
            reason = f"{ONNX_FILE}: its first scores were not there after {seconds:g} s"
            raise ModelRefused(reason) from failure
        if failure is not None:
            raise failure

    def _end_runs(self) -> None:
        self._run_options.terminate = True

    def score(self, features: Matrix) -> Matrix:
        """Scores of float32 or float64 rows, as the engine's `Model.score` gives them."""
        if features.dtype.type not in {np.float32, np.float64} or features.shape[-1:] != (
            self.columns,
        ):
            raise InvalidArgument(
                f"features: expected float32 or float64 of {self.columns} columns,"
                f" received {features.dtype} of shape {features.shape}"
            )
        rows = features.reshape(-1, self.columns)
        if self.missing_values == "refuse" and np.isnan(rows).any():
            row, column = np.argwhere(np.isnan(rows))[0]
            raise InvalidArgument(
                f"features: row {row}: '{self.features[column]}' is NaN,"
                " and the model refuses missing values"
            )
        scores = self._run(as_precision(rows, self.precision))
        return scores if features.ndim > 1 else scores[0]

    def score_bytes(self, features: Buffer, datatype: str) -> bytes:
        """Scores of rows in the form they have on the wire; see the engine's `Model`."""
        return self.score(self._rows(features, datatype)).tobytes()

    def _rows(self, features: Buffer, datatype: str) -> Matrix:
        dtype = np.dtype(_DTYPES[datatype])
        size = memoryview(features).nbytes
        if size % (dtype.itemsize * self.columns):
            raise InvalidArgument(f"features: {size} bytes are no whole rows")
        values = np.frombuffer(memoryview(features), dtype)
        return as_precision(values.reshape(-1, self.columns), datatype.lower())

    def evaluate(
        self, features: Matrix, outputs: Sequence[str] | None = None
    ) -> dict[str, Matrix | NDArray[np.int64]]:
        """Outputs by name; see the engine's `Model`. There is no margin: the graph keeps it."""
        names = self.output_names if outputs is None else outputs
        unknown = [name for name in names if name not in self.output_names]
        if unknown:
            raise InvalidArgument(
                f"outputs: expected {', '.join(self.output_names)}, received {unknown[0]!a}"
            )
        scores = self.score(features.reshape(-1, self.columns))
        known: dict[str, Matrix | NDArray[np.int64]] = {"scores": scores}
        if "probabilities" in names:
            binary = self.label == "threshold"
            both = np.hstack([1 - scores, scores]) if binary else scores
            known["probabilities"] = as_precision(both, self.precision)
        if "label" in names and self.label == "threshold":
            known["label"] = (scores[:, 0] > self.label_threshold).astype(np.int64)
        elif "label" in names:
            known["label"] = scores.argmax(axis=1).astype(np.int64)
        return {name: known[name] if features.ndim > 1 else known[name][0] for name in names}

    def evaluate_bytes(
        self, features: Buffer, datatype: str, outputs: Sequence[str]
    ) -> dict[str, bytes]:
        """`evaluate` in the form that values have on the wire."""
        found = self.evaluate(self._rows(features, datatype), outputs)
        return {name: values.tobytes() for name, values in found.items()}

    def normalize(self, values: Matrix) -> NoReturn:  # noqa: ARG002
        """Raises InvalidArgument: the graph has no normaliser that could be called by itself."""
        raise InvalidArgument("the model has no normaliser")

    denormalize = normalize_bytes = denormalize_bytes = normalize

    def raw_width(self) -> int:
        """How many numbers the graph gives for a row. Raises Internal where it cannot be run."""
        return int(
            self._answers(as_precision(np.zeros((1, self.columns)), self.precision)).shape[1]
        )

    def _run(self, rows: Matrix) -> Matrix:
        """The scores of rows of the model's own precision."""
        if not len(rows):
            return np.empty((0, self.outputs), rows.dtype)
        scores = self._answers(rows)
        if self.task == "binary_classification" and scores.shape[1] == 2:
            scores = scores[:, 1:]
        if scores.shape[1] != self.outputs:
            raise Internal(f"ONNX Runtime: {scores.shape[1]} scores, expected {self.outputs}")
        return as_precision(scores, self.precision)

    def _answers(self, rows: Matrix) -> Matrix:
        """All numbers that the graph gives for rows."""
        binding = self._binding
        try:
            answers = [
                self._session.run(
                    [binding.scores_name], {binding.input_name: block}, self._run_options
                )[0]
                for block in ([rows] if binding.batch is None else _blocks(rows, binding.batch))
            ]
        except Exception as error:  # its exceptions have no common base of their own
            raise Internal(f"ONNX Runtime: {_first_line(error)}") from error
        count = binding.batch or len(rows)
        scores = np.concatenate([np.asarray(part).reshape(count, -1) for part in answers])
        return scores[: len(rows)]


@cache
def _limit_memory() -> None:
    """For all sessions to come, unless the program has chosen an allocator for them before."""
    import onnxruntime  # noqa: PLC0415 - an optional dependency

    arena = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    where = onnxruntime.OrtMemoryInfo("Cpu", arena, 0, onnxruntime.OrtMemType.DEFAULT)
    limits = onnxruntime.OrtArenaCfg({"max_mem": MEMORY_BYTES_MAX})
    with suppress(Exception):  # its exceptions have no common base of their own
        onnxruntime.create_and_register_allocator(where, limits)


def as_precision(values: NDArray[np.generic], precision: str) -> Matrix:
    """A contiguous array of a precision; the same one where it is that already."""
    if precision == "fp32":
        return np.ascontiguousarray(values, np.float32)
    return np.ascontiguousarray(values, np.float64)


def _blocks(rows: Matrix, count: int) -> list[Matrix]:
    """The rows in blocks of `count`, the last one filled up."""
    filled = np.concatenate([rows, np.repeat(rows[-1:], -len(rows) % count, axis=0)])
    return np.split(filled, len(filled) // count)


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else repr(error)
