# SPDX-License-Identifier: Apache-2.0
"""What calls return: frozen values, made from the generated structs.

The `*_from` functions raise ReplyError where a struct makes no sense.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thriftscore_client.codec import ReplyError
from thriftscore_client.errors import ErrorCode
from thriftscore_client.tensors import FLOAT_DTYPES, datatype_name, received_array

_CODES = {code.value: code for code in ErrorCode}

FloatArray = NDArray[np.float32] | NDArray[np.float64]

# ruff: noqa: ANN401  # the generated structs are untyped


@dataclass(frozen=True, eq=False)
class ScoreResult:
    """Scores of the rows of one call, all by the same version of the model."""

    scores: FloatArray
    """(rows, outputs), of the model's precision, read-only."""
    model_version: str
    """The version that scored, as a number, whatever the call named."""
    request_id: str


@dataclass(frozen=True, eq=False)
class NormalizeResult:
    """Rows after normalize or denormalize."""

    values: FloatArray
    """(rows, features), of the datatype that was sent, read-only."""
    model_version: str
    request_id: str


@dataclass(frozen=True, eq=False)
class InferResult:
    """The outputs of one infer call."""

    model_name: str
    model_version: str
    id: str | None
    """As in the call."""
    outputs: Mapping[str, NDArray[Any]]
    """By name, in the order asked for; read-only."""
    request_id: str


@dataclass(frozen=True)
class ServerMetadata:
    """What a server is."""

    name: str
    version: str
    extensions: tuple[str, ...]
    """Optional parts of the protocol that this server has."""
    simd_target: str
    """The instruction set of the kernels, such as "avx2"."""
    io_mode: str
    """How the data port is served: "native" or "python"."""


@dataclass(frozen=True)
class TensorMetadata:
    """Name, type and shape of an input or an output; -1 = any extent."""

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class ModelMetadata:
    """What a version of a model is; the fields are those of the contract."""

    name: str
    model_version: str
    versions: tuple[str, ...]
    """All versions that are ready, rising."""
    platform: str
    inputs: tuple[TensorMetadata, ...]
    outputs: tuple[TensorMetadata, ...]
    feature_names: tuple[str, ...]
    """In the order of a row."""
    task: str
    classes: tuple[str, ...]
    """In the order of the scores; empty for regression."""
    link: str
    precision: str
    has_normalizer: bool
    digest: str
    source_format: str
    labels: Mapping[str, int]
    missing_values: str
    """"refuse" or "propagate"."""
    categories: Mapping[str, tuple[str, ...]]
    """For each feature whose value is an index of names: the names."""
    split: Mapping[str, int]
    """Weights by which requests without a version are spread; empty = the default gets all."""
    shadow: str
    """The label or version that scores the same rows, to be compared; empty = none."""


@dataclass(frozen=True)
class StatisticDuration:
    """How often something happened, and how long it took in all, in nanoseconds."""

    count: int
    ns: int


@dataclass(frozen=True)
class InferenceStatistics:
    """Where the time of a model's requests went."""

    success: StatisticDuration
    fail: StatisticDuration
    queue: StatisticDuration
    compute_input: StatisticDuration
    compute_infer: StatisticDuration
    compute_output: StatisticDuration


@dataclass(frozen=True)
class MethodStatistics:
    """Latency of one method with one outcome; quantiles in nanoseconds."""

    method: str
    code: ErrorCode | int | None
    """None = success; a number where the server has a code that this client does not know."""
    count: int
    rows: int
    p50_ns: int
    p90_ns: int
    p99_ns: int
    p999_ns: int
    max_ns: int


@dataclass(frozen=True)
class ShadowStatistics:
    """How far a shadow version's scores are from those that were answered."""

    shadow_version: str
    rows: int
    """Rows compared."""
    dropped_rows: int
    """Rows left out, because the shadow could not keep up."""
    failed_rows: int
    """Rows that the shadow version refused."""
    max_difference: float
    """The largest |shadow score - answered score| of a row; the others are of the same kind."""
    mean_difference: float
    p50_difference: float
    p90_difference: float
    p99_difference: float


@dataclass(frozen=True)
class ModelStatistics:
    """Statistics of one version since it was loaded."""

    name: str
    model_version: str
    last_inference_ms: int
    """Milliseconds since 1970-01-01 UTC; 0 = never."""
    inference_count: int
    """Rows scored."""
    execution_count: int
    """Calls of the kernels."""
    inference_stats: InferenceStatistics
    method_stats: tuple[MethodStatistics, ...]
    shadow_stats: tuple[ShadowStatistics, ...]
    """One entry for each version that was a shadow of this one."""


class FromMatrix:
    """From the reply to a call from matrix to matrix; called with the generated struct."""

    __slots__ = ("_convert", "make", "rows")

    def __init__(
        self, make: Callable[[Any, str, str], Any], convert: Callable[[Any, int], Any], rows: int
    ) -> None:
        self.make = make
        """From a matrix that is sound, the model's version and the request id."""
        self._convert = convert
        self.rows = rows
        """Of the request."""

    def __call__(self, struct: Any) -> Any:
        """Converts. Raises ReplyError."""
        return self._convert(struct, self.rows)


def score_result_from(struct: Any, rows: int) -> ScoreResult:
    """From a ScoreResponse to a request of `rows` rows."""
    dtype = FLOAT_DTYPES.get(struct.datatype)
    data = struct.scores
    if (
        dtype is None
        or rows < 1
        or struct.rows != rows
        or rows * struct.columns * dtype.itemsize != len(data)
    ):
        data = _matrix(struct, data, rows)  # finds out what is wrong, or is rare
    else:
        data = np.frombuffer(data, dtype).reshape(rows, struct.columns)
    return ScoreResult(data, struct.model_version, struct.request_id)


def normalize_result_from(struct: Any, rows: int) -> NormalizeResult:
    """From a NormalizeResponse to a request of `rows` rows."""
    values = _matrix(struct, struct.values, rows)
    return NormalizeResult(values, struct.model_version, struct.request_id)


def _matrix(struct: Any, data: bytes, rows: int) -> FloatArray:
    if struct.rows != rows:
        raise ReplyError(f"{struct.rows} rows came back for {rows}")
    values = received_array(data, struct.datatype, (struct.rows, struct.columns))
    if values.dtype.kind != "f" or values.itemsize < 4:
        raise ReplyError(f"values of {values.dtype} came back, expected float32 or float64")
    return values


def infer_result_from(struct: Any) -> InferResult:
    """From an InferResponse."""
    outputs = {
        tensor.name: received_array(tensor.data or b"", tensor.datatype, tensor.shape)
        for tensor in struct.outputs
    }
    return InferResult(
        struct.model_name, struct.model_version, struct.id, outputs, struct.request_id
    )


def row_scores_from(values: list[float]) -> NDArray[np.float64]:
    """From the list that score_values and score_named return."""
    return np.array(values, dtype=np.float64)


def server_metadata_from(struct: Any) -> ServerMetadata:
    """From a ServerMetadata struct."""
    return ServerMetadata(**{**vars(struct), "extensions": tuple(struct.extensions)})


def model_metadata_from(struct: Any) -> ModelMetadata:
    """From a ModelMetadata struct."""
    tuples = ("versions", "feature_names", "classes")
    return ModelMetadata(
        **{
            **vars(struct),
            **{name: tuple(getattr(struct, name)) for name in tuples},
            "categories": {name: tuple(texts) for name, texts in struct.categories.items()},
            "inputs": tuple(map(_tensor_metadata_from, struct.inputs)),
            "outputs": tuple(map(_tensor_metadata_from, struct.outputs)),
        }
    )


def _tensor_metadata_from(struct: Any) -> TensorMetadata:
    return TensorMetadata(struct.name, datatype_name(struct.datatype), tuple(struct.shape))


def model_statistics_from(struct: Any) -> tuple[ModelStatistics, ...]:
    """From a ModelStatisticsResponse."""
    return tuple(map(_one_model_statistics_from, struct.model_stats))


def _one_model_statistics_from(struct: Any) -> ModelStatistics:
    if struct.inference_stats is None:
        raise ReplyError(f"the statistics of {struct.name!a} have no inference_stats")
    durations = vars(struct.inference_stats)
    return ModelStatistics(
        **{
            **vars(struct),
            "inference_stats": InferenceStatistics(
                **{name: StatisticDuration(one.count, one.ns) for name, one in durations.items()}
            ),
            "method_stats": tuple(map(_method_statistics_from, struct.method_stats)),
            "shadow_stats": tuple(ShadowStatistics(**vars(one)) for one in struct.shadow_stats),
        }
    )


def _method_statistics_from(struct: Any) -> MethodStatistics:
    code = _CODES.get(struct.code, struct.code)
    return MethodStatistics(**{**vars(struct), "code": code})
