# SPDX-License-Identifier: Apache-2.0
"""ScoringService over a registry. Knows the contract's structs and no transport."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from thriftscore import _native
from thriftscore._generated import ScoringService
from thriftscore._generated.ttypes import (
    InferRequest,
    InferResponse,
    ModelMetadata,
    ModelStatisticsResponse,
    NormalizeRequest,
    NormalizeResponse,
    ScoreRequest,
    ScoreResponse,
    ServerMetadata,
    SparseScoreRequest,
)
from thriftscore.errors import InvalidArgument, ModelNotFound, ModelNotReady
from thriftscore.repository import Registry, ServedModel
from thriftscore.serving.calls import current_call
from thriftscore.serving.descriptions import (
    contract_datatype,
    describe_model,
    describe_statistics,
    output_row_bytes,
)
from thriftscore.serving.inference import (
    InferenceInput,
    check_infer_request,
    infer_response,
)
from thriftscore.serving.shadowing import Shadowing
from thriftscore.serving.state import ServerState
from thriftscore.serving.statistics import Statistics
from thriftscore.serving.tensors import (
    DTYPES,
    ITEM_BYTES,
    OUTPUT_NAME,
    SparseRows,
    check_columns,
    count_rows,
    float_datatype,
)
from thriftscore.serving.thrift_errors import reports_errors, takes_request

EXTENSIONS = ("infer", "normalize", "score_named", "score_sparse", "score_values")


@dataclass(frozen=True, slots=True)
class HandlerLimits:
    """What one request may ask for."""

    reply_bytes_max: int = 16_384_000
    tensors_max: int = 256
    tensor_rank_max: int = 16
    sparse_cells_max: int = 67_108_864


class ScoringHandler(ScoringService.Iface):  # type: ignore[misc]
    """Answers the calls of the data port. Thread-safe."""

    def __init__(
        self,
        registry: Registry,
        state: ServerState,
        statistics: Statistics,
        limits: HandlerLimits = HandlerLimits(),
        shadowing: Shadowing | None = None,
    ) -> None:
        self._registry = registry
        self._state = state
        self._statistics = statistics
        self._limits = limits
        self._shadowing = shadowing

    # -- scoring ---------------------------------------------------------------------------------

    @takes_request
    def score(self, request: ScoreRequest) -> ScoreResponse:
        """Scores dense rows."""
        served = self._route(request.model_name, request.model_version)
        datatype = float_datatype(request.datatype)
        check_columns(request.columns, served.model.columns, served.name)
        scores = self._score(served, request.features or b"", datatype)
        return _score_response(served, scores)

    @takes_request
    def score_sparse(self, request: SparseScoreRequest) -> ScoreResponse:
        """Scores sparse rows, made dense a block at a time."""
        served = self._route(request.model_name, request.model_version)
        datatype = float_datatype(request.datatype)
        rows = SparseRows(request, datatype, served.model.columns)
        self._check_sparse_size(rows.rows, served)
        if served.model.missing_values == "refuse":
            rows.refuse_missing(served.model.feature_names)
        scores = self._score_blocks(served, rows.blocks(), datatype)
        return _score_response(served, scores)

    @reports_errors
    def score_values(self, model_name: str, values: list[float]) -> list[float]:
        """Scores one row of the default version."""
        served = self._route(model_name, "")
        if values is None or len(values) != served.model.columns:
            received = "none" if values is None else len(values)
            raise InvalidArgument(
                f"values: model {served.name!r} expects {served.model.columns}, received {received}"
            )
        return self._score_row(served, values)

    @reports_errors
    def score_named(self, model_name: str, features: dict[str, float]) -> list[float]:
        """Scores one row given by feature name."""
        served = self._route(model_name, "")
        return self._score_row(served, _row_by_name(served, features))

    @takes_request
    def normalize(self, request: NormalizeRequest) -> NormalizeResponse:
        """Applies the model's normaliser."""
        return self._transform(request, "normalize_bytes")

    @takes_request
    def denormalize(self, request: NormalizeRequest) -> NormalizeResponse:
        """Applies the inverse of the model's normaliser."""
        return self._transform(request, "denormalize_bytes")

    @takes_request
    def infer(self, request: InferRequest) -> InferResponse:
        """Answers an Open Inference Protocol request."""
        served = self._route(request.model_name, request.model_version)
        wanted = check_infer_request(request, served.model, self._limits)
        return infer_response(request, served, self._evaluate(served, wanted))

    # -- health and metadata ---------------------------------------------------------------------

    @reports_errors
    def ping(self) -> bool:
        """True while the server takes requests."""
        self._state.require_serving()
        return True

    @reports_errors
    def server_live(self) -> bool:
        """True: whoever gets this answer knows that the process works."""
        return True

    @reports_errors
    def server_ready(self) -> bool:
        """True when all models are loaded and the server is not draining."""
        return self._state.serving and self._registry.ready()

    @reports_errors
    def server_metadata(self) -> ServerMetadata:
        """What this server is."""
        return ServerMetadata(
            name="thriftscore",
            version=_native.version,
            extensions=list(EXTENSIONS),
            simd_target=_native.simd_target(),
            io_mode=self._state.io_mode,
        )

    @reports_errors
    def model_ready(self, model_name: str, model_version: str) -> bool:
        """True when the version is loaded."""
        try:
            self._resolve(model_name, model_version)
        except (ModelNotFound, ModelNotReady):
            return False
        return True

    @reports_errors
    def model_metadata(self, model_name: str, model_version: str) -> ModelMetadata:
        """What a version of a model is."""
        served = self._resolve(model_name, model_version)
        return describe_model(
            served, self._registry.served(served.name), self._registry.labels(served.name)
        )

    @reports_errors
    def model_statistics(self, model_name: str, model_version: str) -> ModelStatisticsResponse:
        """The statistics of the versions asked for."""
        if model_version:
            versions = [self._registry.resolve(_model_name(model_name), model_version)]
        elif model_name:
            self._registry.resolve(model_name)
            versions = self._registry.served(model_name)
        else:
            versions = self._registry.served()
        return ModelStatisticsResponse(
            model_stats=[describe_statistics(served, self._statistics) for served in versions]
        )

    # -- between the contract and the engine -----------------------------------------------------

    def _resolve(self, model_name: str | None, model_version: str | None) -> ServedModel:
        self._state.require_started()
        served = self._registry.resolve(_model_name(model_name), model_version or "")
        current_call().model = served
        return served

    def _route(self, model_name: str | None, model_version: str | None) -> ServedModel:
        """The version that computes the answer; notes which other one is to score as well."""
        self._state.require_started()
        call, name = current_call(), _model_name(model_name)
        call.shadow = self._registry.shadow(name) if not model_version else None
        call.model = served = self._registry.route(name, model_version or "", call.request_id)
        return served

    def _score(self, served: ServedModel, features: bytes, datatype: str) -> bytes:
        rows = count_rows(features, datatype, served.model.columns, f"model {served.name!r}")
        self._check_reply_size(rows, served, output_row_bytes(served.model))
        return self._score_blocks(served, [features], datatype)

    def _score_blocks(self, served: ServedModel, blocks: Iterable[bytes], datatype: str) -> bytes:
        """Scores row-major blocks; the deadline is looked at before each."""
        call, scores = current_call(), []
        for block in blocks:
            call.check_deadline()
            started = time.monotonic_ns()
            scores.append(served.model.score_bytes(block, datatype))
            call.computed_ns = time.monotonic_ns()
            call.infer_ns += call.computed_ns - started
            self._shadow(block, datatype, scores[-1])
        call.executions = len(scores)
        result = scores[0] if len(scores) == 1 else b"".join(scores)
        call.rows = _rows(served, result)
        return result

    def _evaluate(self, served: ServedModel, wanted: InferenceInput) -> dict[str, bytes]:
        call, model = current_call(), served.model
        rows = count_rows(wanted.data, wanted.datatype, model.columns, f"model {served.name!r}")
        self._check_reply_size(rows, served, output_row_bytes(model, wanted.outputs))
        call.check_deadline()
        started = time.monotonic_ns()
        outputs = model.evaluate_bytes(wanted.data, wanted.datatype, wanted.outputs)
        call.computed_ns = time.monotonic_ns()
        call.infer_ns, call.executions, call.rows = call.computed_ns - started, 1, rows
        if OUTPUT_NAME in outputs:
            self._shadow(wanted.data, wanted.datatype, outputs[OUTPUT_NAME])
        return outputs

    def _shadow(self, features: bytes, datatype: str, scores: bytes) -> None:
        """Has what was computed for the call compared with what its shadow says, if it has one."""
        served, shadow = current_call().model, current_call().shadow
        if self._shadowing is None or served is None or shadow is None or shadow is served:
            return
        self._shadowing.offer((served, shadow), features, datatype, scores)

    def _score_row(self, served: ServedModel, values: ArrayLike) -> list[float]:
        row = np.asarray(values, dtype=DTYPES["FP64"]).tobytes()
        scores = self._score(served, row, "FP64")
        result: list[float] = np.frombuffer(scores, DTYPES[_datatype(served)]).tolist()
        return result

    def _transform(self, request: NormalizeRequest, method: str) -> NormalizeResponse:
        served = self._route(request.model_name, request.model_version)
        model, datatype = served.model, float_datatype(request.datatype)
        if not model.has_normalizer:
            raise InvalidArgument(f"model {served.name!r} has no normaliser")
        check_columns(request.columns, model.columns, served.name)
        values = request.values or b""
        rows = count_rows(values, datatype, model.columns, f"model {served.name!r}")
        call = current_call()
        started = time.monotonic_ns()
        transformed = getattr(model, method)(values, datatype)
        call.computed_ns = time.monotonic_ns()
        call.infer_ns, call.executions, call.rows = call.computed_ns - started, 1, rows
        return NormalizeResponse(
            values=transformed,
            datatype=request.datatype,
            rows=rows,
            columns=model.columns,
            model_version=str(served.version),
            request_id=call.request_id,
        )

    def _check_reply_size(self, rows: int, served: ServedModel, row_bytes: int) -> None:
        size = rows * row_bytes
        if size > self._limits.reply_bytes_max:
            raise InvalidArgument(
                f"{rows} rows of model {served.name!r} have {size} bytes of scores, the limit is "
                f"{self._limits.reply_bytes_max}: ask for fewer rows"
            )

    def _check_sparse_size(self, rows: int, served: ServedModel) -> None:
        self._check_reply_size(rows, served, output_row_bytes(served.model))
        cells = rows * served.model.columns
        if cells > self._limits.sparse_cells_max:
            raise InvalidArgument(
                f"indptr: {rows} rows of {served.model.columns} columns are {cells} values, the "
                f"limit is {self._limits.sparse_cells_max}: ask for fewer rows"
            )


def _model_name(name: str | None) -> str:
    if not name:
        raise InvalidArgument("model_name: expected the name of a model, received none")
    return name


def _datatype(served: ServedModel) -> str:
    """The datatype of a model's scores."""
    return str(served.model.precision).upper()


def _rows(served: ServedModel, scores: bytes) -> int:
    outputs: int = served.model.outputs
    return len(scores) // (outputs * ITEM_BYTES[_datatype(served)])


def _row_by_name(served: ServedModel, features: dict[str, float] | None) -> ArrayLike:
    if features is None:
        raise InvalidArgument("features is missing")
    if served.model.hashes_names:
        hashed: ArrayLike = served.model.hashed_row(features)
        return hashed
    names = served.model.feature_names
    unknown = sorted(features.keys() - set(names))
    if unknown:
        raise InvalidArgument(f"features: model {served.name!r} has no feature {unknown[0]!a}")
    missing = [name for name in names if name not in features]
    if missing and served.model.missing_values == "refuse":
        raise InvalidArgument(
            f"features: model {served.name!r} needs {missing[0]!a}, which is missing"
        )
    return [features.get(name, np.nan) for name in names]


def _score_response(served: ServedModel, scores: bytes) -> ScoreResponse:
    call = current_call()
    return ScoreResponse(
        scores=scores,
        datatype=contract_datatype(served.model),
        rows=call.rows,
        columns=served.model.outputs,
        model_version=str(served.version),
        request_id=call.request_id,
    )
