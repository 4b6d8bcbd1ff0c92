# SPDX-License-Identifier: Apache-2.0
"""The client: one method for each of the server's, in NumPy arrays and plain values."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import numpy as np
from numpy.typing import NDArray

from thriftscore_client import results
from thriftscore_client._generated import ScoringService, ttypes
from thriftscore_client.channel import Call, Channel
from thriftscore_client.codec import Payload
from thriftscore_client.deadline import Deadline
from thriftscore_client.endpoint import parse_endpoint
from thriftscore_client.options import CallOptions, ClientOptions, check_timeout
from thriftscore_client.results import FloatArray
from thriftscore_client.tensors import datatype_value, little_endian, matrix, memory, vector

T = TypeVar("T")

_FEATURES_FIELD = 3  # of ScoreRequest
_SPARSE_VALUES_FIELD = 5  # of SparseScoreRequest
_VALUES_FIELD = 3  # of NormalizeRequest


class Client:
    """Scores with the models of one server.

    Connects at the first call, or on entering a `with` block. Thread-safe: the calls of threads
    that share a client go one after the other over its one connection; for calls at the same time
    use a client in each thread.

    Every method raises a ServerError where the server answers with an error, and a TransportError
    where no answer can be trusted; after the latter the next call connects anew. Arguments that
    cannot be sent raise InvalidRequest. `timeout_s` bounds the whole call, in seconds.

    Where a method takes `**call`, it takes `version`, `request_id` and `timeout_s`, as CallOptions
    describes them.
    """

    def __init__(
        self, endpoint: str = "127.0.0.1:9090", options: ClientOptions | None = None
    ) -> None:
        """`endpoint` is "host:port", "[IPv6]:port" or "unix:/path"."""
        self._options = options or ClientOptions()
        self._channel = Channel(parse_endpoint(endpoint), self._options)
        self._request_prefix = secrets.token_hex(8)
        self._request_numbers = itertools.count(1)

    def __enter__(self) -> Self:
        self._channel.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection for good; a later call raises ClientClosed."""
        self._channel.close()

    def score(
        self, model: str, features: FloatArray, **call: Unpack[CallOptions]
    ) -> results.ScoreResult:
        """Scores rows: (rows, columns) of float32 or float64 to (rows, outputs).

        The model computes in its own precision, whichever is sent.
        """
        rows = matrix(features, "features")
        request = ttypes.ScoreRequest(
            model_name=model,
            model_version=call.get("version", ""),
            features=None,
            datatype=datatype_value(rows),
            context=self._context(call),
            columns=rows.shape[1] or None,
        )
        payload = Payload(_FEATURES_FIELD, memory(rows))
        convert = partial(results.score_result_from, rows=len(rows))
        return self._request("score", request, payload, convert, call)

    def score_sparse(
        self,
        model: str,
        indptr: NDArray[np.int64],
        indices: NDArray[np.int32],
        values: FloatArray,
        **call: Unpack[CallOptions],
    ) -> results.ScoreResult:
        """Scores rows in compressed sparse row form; absent entries are 0.

        `indptr` has rows + 1 int64 offsets into `indices`, int32 columns rising within a row, and
        `values`, float32 or float64: the arrays of a scipy.sparse.csr_array.
        """
        data = vector(values, "values", ("FP32", "FP64"))
        offsets = vector(indptr, "indptr", ("INT64",))
        request = ttypes.SparseScoreRequest(
            model_name=model,
            model_version=call.get("version", ""),
            indptr=offsets.tobytes(),
            indices=vector(indices, "indices", ("INT32",)).tobytes(),
            values=None,
            datatype=datatype_value(data),
            context=self._context(call),
        )
        payload = Payload(_SPARSE_VALUES_FIELD, memory(data))
        convert = partial(results.score_result_from, rows=len(offsets) - 1)
        return self._request("score_sparse", request, payload, convert, call)

    def score_values(
        self, model: str, values: Sequence[float], *, timeout_s: float | None = None
    ) -> NDArray[np.float64]:
        """Scores one row with the model's default version; returns (outputs,)."""
        arguments = ScoringService.score_values_args(model, [float(value) for value in values])
        call = Call("score_values", arguments, results.row_scores_from, model)
        return self._call(call, timeout_s)

    def score_named(
        self, model: str, features: Mapping[str, float], *, timeout_s: float | None = None
    ) -> NDArray[np.float64]:
        """Scores one row given by feature name with the default version; returns (outputs,).

        A name that is absent is a missing value.
        """
        row = {name: float(value) for name, value in features.items()}
        arguments = ScoringService.score_named_args(model, row)
        call = Call("score_named", arguments, results.row_scores_from, model)
        return self._call(call, timeout_s)

    def normalize(
        self, model: str, values: FloatArray, **call: Unpack[CallOptions]
    ) -> results.NormalizeResult:
        """(x - mean) / scale by column, of shape (rows, features), in the type that is sent."""
        return self._transform("normalize", model, values, call)

    def denormalize(
        self, model: str, values: FloatArray, **call: Unpack[CallOptions]
    ) -> results.NormalizeResult:
        """mean + scale * x by column: the inverse of normalize."""
        return self._transform("denormalize", model, values, call)

    def infer(
        self,
        model: str,
        inputs: Mapping[str, NDArray[Any]],
        *,
        outputs: Sequence[str] = (),
        id: str | None = None,  # noqa: A002  # the Open Inference Protocol's name
        **call: Unpack[CallOptions],
    ) -> results.InferResult:
        """Open Inference Protocol V2: arrays by input name in, arrays by output name out.

        `outputs` names the wanted ones, none = all; `id` is echoed in the result.
        """
        request = ttypes.InferRequest(
            model_name=model,
            model_version=call.get("version", ""),
            id=id,
            inputs=[_tensor(name, array) for name, array in inputs.items()],
            outputs=[ttypes.InferRequestedOutput(name=name) for name in outputs] or None,
            context=self._context(call),
        )
        return self._request("infer", request, None, results.infer_result_from, call)

    def ping(self, *, timeout_s: float | None = None) -> bool:
        """True while the server takes requests; raises Unavailable before and while draining."""
        return self._call(Call("ping", ScoringService.ping_args(), bool), timeout_s)

    def server_live(self, *, timeout_s: float | None = None) -> bool:
        """True while the server's process works at all."""
        return self._call(Call("server_live", ScoringService.server_live_args(), bool), timeout_s)

    def server_ready(self, *, timeout_s: float | None = None) -> bool:
        """True when all configured models are loaded and the server is not draining."""
        return self._call(Call("server_ready", ScoringService.server_ready_args(), bool), timeout_s)

    def server_metadata(self, *, timeout_s: float | None = None) -> results.ServerMetadata:
        """What the server is."""
        arguments = ScoringService.server_metadata_args()
        call = Call("server_metadata", arguments, results.server_metadata_from)
        return self._call(call, timeout_s)

    def model_ready(self, model: str, version: str = "", *, timeout_s: float | None = None) -> bool:
        """True when this version is loaded; no version = the default one."""
        return self._about("model_ready", (model, version), bool, timeout_s)

    def model_metadata(
        self, model: str, version: str = "", *, timeout_s: float | None = None
    ) -> results.ModelMetadata:
        """What a version of a model is: features, classes, precision and the rest."""
        convert = results.model_metadata_from
        return self._about("model_metadata", (model, version), convert, timeout_s)

    def model_statistics(
        self, model: str = "", version: str = "", *, timeout_s: float | None = None
    ) -> tuple[results.ModelStatistics, ...]:
        """Statistics of the loaded versions; no name = all models, no version = all of them."""
        convert = results.model_statistics_from
        return self._about("model_statistics", (model, version), convert, timeout_s)

    def _transform(
        self, method: str, model: str, values: FloatArray, call: CallOptions
    ) -> results.NormalizeResult:
        rows = matrix(values, "values")
        request = ttypes.NormalizeRequest(
            model_name=model,
            model_version=call.get("version", ""),
            values=None,
            datatype=datatype_value(rows),
            context=self._context(call),
            columns=rows.shape[1] or None,
        )
        payload = Payload(_VALUES_FIELD, memory(rows))
        convert = partial(results.normalize_result_from, rows=len(rows))
        return self._request(method, request, payload, convert, call)

    def _about(
        self,
        method: str,
        model_version: tuple[str, str],
        convert: Callable[[Any], T],
        timeout_s: float | None,
    ) -> T:
        arguments = getattr(ScoringService, f"{method}_args")(*model_version)
        return self._call(Call(method, arguments, convert, model_version[0]), timeout_s)

    def _context(self, call: CallOptions) -> Any:  # noqa: ANN401  # generated, untyped
        """A context with a request id of the caller's or a new one; the channel adds the deadline.

        There always is one, since an echoed id shows a mixed-up reply even behind a proxy that
        writes its own sequence numbers.
        """
        unknown = call.keys() - CallOptions.__annotations__.keys()
        if unknown:
            raise TypeError(f"unexpected keyword argument {min(unknown)!r}")
        request_id = (
            call.get("request_id") or f"{self._request_prefix}-{next(self._request_numbers)}"
        )
        return ttypes.RequestContext(request_id=request_id, auth_token=self._options.auth_token)

    def _request(
        self,
        method: str,
        request: Any,  # noqa: ANN401  # generated, untyped
        payload: Payload | None,
        convert: Callable[[Any], T],
        call: CallOptions,
    ) -> T:
        arguments = getattr(ScoringService, f"{method}_args")(request)
        built = Call(method, arguments, convert, request.model_name, request.context, payload)
        return self._call(built, call.get("timeout_s"))

    def _call(self, call: Call[T], timeout_s: float | None) -> T:
        seconds = self._options.timeout_s if timeout_s is None else timeout_s
        check_timeout("timeout_s", seconds)
        return self._channel.call(call, Deadline(seconds))


def _tensor(name: str, array: NDArray[Any]) -> Any:  # noqa: ANN401  # generated, untyped
    checked = little_endian(array, f"input {name!a}")
    return ttypes.Tensor(
        name=name,
        datatype=datatype_value(checked),
        shape=list(checked.shape),
        data=checked.tobytes(),
    )
