# SPDX-License-Identifier: Apache-2.0
"""From the arguments of a client's methods to calls. Shared by all clients."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np

from thriftscore_client import results
from thriftscore_client._generated import ScoringService, ttypes
from thriftscore_client.batch import Batch, DenseRows, SparseRows
from thriftscore_client.calls import JOINED_BYTES_MAX, Call, Context
from thriftscore_client.codec import Codec, Payload
from thriftscore_client.errors import InvalidRequest
from thriftscore_client.forking import renew_in_children
from thriftscore_client.observing import current_traceparent, has_traces
from thriftscore_client.options import CallOptions, ClientOptions
from thriftscore_client.tables import as_array, is_sparse, sparse_parts
from thriftscore_client.tensors import datatype_value, little_endian, matrix, memory, vector

# ruff: noqa: ANN401  # generated structs are untyped, and so are the tables of other libraries

T = TypeVar("T")

_VALUES_FIELD, _MATRIX_CONTEXT = 3, 5  # of ScoreRequest and NormalizeRequest
_SPARSE_VALUES_FIELD, _SPARSE_CONTEXT = 5, 7  # of SparseScoreRequest
_INFER_CONTEXT = 7  # of InferRequest
_TRACEPARENT_FIELD, _TOKEN_FIELD = 3, 4  # of RequestContext
_CACHED_MAX, _CACHED_NAMES_MAX = 1024, 256
_CALL_OPTIONS = frozenset(CallOptions.__annotations__)

_MATRIX_RESULTS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "score": (results.ScoreResult, results.score_result_from),
    "normalize": (results.NormalizeResult, results.normalize_result_from),
    "denormalize": (results.NormalizeResult, results.normalize_result_from),
}


class Requests:
    """Makes calls. Thread-safe. Its methods raise InvalidRequest for what cannot be sent."""

    def __init__(self, codec: Codec, options: ClientOptions) -> None:
        self._codec = codec
        self._options = options
        self.token = b""
        """The field of the context that shows who calls; empty = none."""
        if options.auth_token is not None:
            self.token = codec.string_field(_TOKEN_FIELD, options.auth_token)
        self._starts: dict[tuple[str, str, str, int, Any], bytes] = {}
        self._has_traces = has_traces()
        self.after_fork()
        renew_in_children(self)

    def after_fork(self) -> None:
        """Begins request ids that no other process has."""
        self._id_prefix = secrets.token_hex(8)
        self._id_numbers = itertools.count(1)

    def score(self, model: str, features: Any, options: CallOptions) -> Call[results.ScoreResult]:
        """score of rows."""
        return self._matrix("score", model, features, options)

    def normalize(
        self, method: str, model: str, values: Any, options: CallOptions
    ) -> Call[results.NormalizeResult]:
        """normalize or denormalize of rows, as `method` says."""
        return self._matrix(method, model, values, options)

    def _matrix(self, method: str, model: str, values: Any, options: CallOptions) -> Call[Any]:
        rows = matrix(values if type(values) is np.ndarray else as_array(values))
        count, columns = rows.shape
        version = options.get("version", "") if options else ""
        return Call(
            method,
            self._matrix_start((method, model, version, columns, rows.dtype)),
            results.FromMatrix(*_MATRIX_RESULTS[method], count),
            model,
            self._context(options),
            Payload(
                _VALUES_FIELD, rows.tobytes() if rows.nbytes <= JOINED_BYTES_MAX else memory(rows)
            ),
        )

    def score_start(self, model: str, columns: int, is_double: bool) -> bytes:
        """How the arguments of `score` begin for such rows, without a version."""
        dtype = np.dtype(np.float64 if is_double else np.float32)
        return self._matrix_start(("score", model, "", columns, dtype))

    def _matrix_start(self, about: tuple[str, str, str, int, Any]) -> bytes:
        """What is alike in all calls with a matrix of this form."""
        known = self._starts.get(about)
        if known is not None:
            return known
        method, model, version, columns, dtype = about
        kind = ttypes.ScoreRequest if method == "score" else ttypes.NormalizeRequest
        request = kind(model_name=model, model_version=version, columns=columns or None)
        request.datatype = datatype_value(dtype)
        setattr(request, "features" if method == "score" else "values", None)
        start = self._open(method, request, _MATRIX_CONTEXT)
        if len(model) + len(version) <= _CACHED_NAMES_MAX and len(self._starts) < _CACHED_MAX:
            self._starts[about] = start
        return start

    def sparse(
        self, model: str, parts: tuple[Any, Any, Any], options: CallOptions
    ) -> Call[results.ScoreResult]:
        """score_sparse of indptr, indices and values, or of a sparse matrix in their place."""
        if parts[1] is None and parts[2] is None:
            parts = sparse_parts(parts[0])
        data = vector(parts[2], "values", ("FP32", "FP64"))
        offsets = vector(parts[0], "indptr", ("INT64",))
        request = ttypes.SparseScoreRequest(
            model_name=model,
            model_version=options.get("version", ""),
            indptr=offsets.tobytes(),
            indices=vector(parts[1], "indices", ("INT32",)).tobytes(),
            values=None,
            datatype=datatype_value(data.dtype),
        )
        return Call(
            "score_sparse",
            self._open("score_sparse", request, _SPARSE_CONTEXT),
            partial(results.score_result_from, rows=len(offsets) - 1),
            model,
            self._context(options),
            Payload(_SPARSE_VALUES_FIELD, memory(data)),
        )

    def batch(self, model: str, features: Any, options: CallOptions) -> Batch:
        """score or score_sparse of rows in chunks."""

        def pinned(version: str | None) -> CallOptions:
            return options if version is None else {**options, "version": version}

        if is_sparse(features):
            sparse = SparseRows(*sparse_parts(features))
            return Batch(
                sparse,
                lambda start, end, version: self.sparse(
                    model, sparse.part(start, end), pinned(version)
                ),
                self._options,
            )
        dense = DenseRows(matrix(as_array(features)))
        return Batch(
            dense,
            lambda start, end, version: self.score(model, dense.values[start:end], pinned(version)),
            self._options,
        )

    def values(self, model: str, values: Sequence[float]) -> Call[Any]:
        """score_values of one row."""
        arguments = ScoringService.score_values_args(model, [float(value) for value in values])
        return self._plain("score_values", arguments, results.row_scores_from, model)

    def named(self, model: str, features: Mapping[str, float]) -> Call[Any]:
        """score_named of one row."""
        row = {name: float(value) for name, value in features.items()}
        arguments = ScoringService.score_named_args(model, row)
        return self._plain("score_named", arguments, results.row_scores_from, model)

    def infer(
        self,
        model: str,
        inputs: Mapping[str, Any],
        asked: tuple[Sequence[str], str | None],
        options: CallOptions,
    ) -> Call[results.InferResult]:
        """infer of tensors; `asked` has the names of the wanted outputs, and an id."""
        request = ttypes.InferRequest(
            model_name=model,
            model_version=options.get("version", ""),
            id=asked[1],
            inputs=[_tensor(name, array) for name, array in inputs.items()],
            outputs=[ttypes.InferRequestedOutput(name=name) for name in asked[0]] or None,
        )
        return Call(
            "infer",
            self._open("infer", request, _INFER_CONTEXT),
            results.infer_result_from,
            model,
            self._context(options),
        )

    def about_server(self, method: str, convert: Callable[[Any], T]) -> Call[T]:
        """A method without arguments."""
        arguments = getattr(ScoringService, f"{method}_args")()
        return self._plain(method, arguments, convert)

    def about_model(
        self, method: str, model: str, version: str, convert: Callable[[Any], T]
    ) -> Call[T]:
        """A method that takes a model and a version."""
        arguments = getattr(ScoringService, f"{method}_args")(model, version)
        return self._plain(method, arguments, convert, model)

    def _plain(
        self, method: str, arguments: Any, convert: Callable[[Any], T], model: str = ""
    ) -> Call[T]:
        return Call(method, self._encode(method, arguments), convert, model)

    def _open(self, method: str, request: Any, context_field: int) -> bytes:
        arguments = getattr(ScoringService, f"{method}_args")(request)
        return self._codec.open_context(self._encode(method, arguments), context_field)

    def _encode(self, method: str, arguments: Any) -> bytes:
        try:
            return self._codec.encode_struct(arguments)
        except (TypeError, ValueError, OverflowError, AttributeError) as error:
            raise InvalidRequest(f"{method}: cannot be encoded: {error}") from error

    def _context(self, options: CallOptions) -> Context:
        """There always is one, since an echoed id shows a mixed-up reply even behind a proxy that
        writes its own sequence numbers.
        """
        trace = current_traceparent() if self._has_traces else None
        if not options and trace is None:
            request_id = f"{self._id_prefix}-{next(self._id_numbers)}"
            return Context(request_id, request_id.encode(), self.token)
        if not options.keys() <= _CALL_OPTIONS:
            unknown = min(options.keys() - _CALL_OPTIONS)
            raise TypeError(f"unexpected keyword argument {unknown!r}")
        request_id = options.get("request_id") or f"{self._id_prefix}-{next(self._id_numbers)}"
        trace = options.get("traceparent") or trace
        try:
            name = request_id.encode()
            rest = self._codec.string_field(_TRACEPARENT_FIELD, trace) if trace else b""
        except (UnicodeError, AttributeError) as error:
            raise InvalidRequest(f"the context cannot be encoded: {error}") from error
        return Context(request_id, name, rest + self.token)


def _tensor(name: str, array: Any) -> Any:
    checked = little_endian(as_array(array), f"input {name!a}")
    return ttypes.Tensor(
        name=name,
        datatype=datatype_value(checked.dtype),
        shape=list(checked.shape),
        data=checked.tobytes(),
    )
