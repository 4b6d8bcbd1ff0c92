# SPDX-License-Identifier: Apache-2.0
"""The client for threads: one method for each of the server's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import numpy as np
from numpy.typing import NDArray

from thriftscore_client import results
from thriftscore_client.calls import Call
from thriftscore_client.channel import Channel
from thriftscore_client.endpoint import parse_endpoints
from thriftscore_client.express import Express
from thriftscore_client.options import CallOptions, ClientOptions
from thriftscore_client.requests import Requests
from thriftscore_client.results import FloatArray

T = TypeVar("T")

# ruff: noqa: ANN401  # rows may be arrays, or tables of libraries that may be absent


class Client:
    """Scores with the models of one server, or of several that serve the same.

    Thread-safe, and meant to be shared: the calls of all threads go over a few connections. Makes
    connections when they are needed, or on entering a `with` block. After a fork, the child's copy
    makes its own.

    Every method raises a ServerError where the server answers with an error, and a TransportError
    where no answer can be trusted. Arguments that cannot be sent raise InvalidRequest. `timeout_s`
    bounds the whole call, in seconds, retries included.

    Where a method takes `**call`, it takes `version`, `request_id`, `timeout_s` and `traceparent`,
    as CallOptions describes them.
    """

    def __init__(
        self,
        endpoints: str | Iterable[str] = "127.0.0.1:9090",
        options: ClientOptions | None = None,
    ) -> None:
        """Each endpoint is "host:port", "[IPv6]:port" or "unix:/path"; a text may hold several,
        with commas between. A name stands for all its addresses.
        """
        self._options = options or ClientOptions()
        self._channel = Channel(parse_endpoints(endpoints), self._options)
        self._requests = Requests(self._channel.wire.codec, self._options)
        self._express: Express | None = None
        if Express.suits(self._channel, self._options):
            self._express = Express(self._channel, self._requests, self._options)

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
        """Closes the connections for good: calls under way and later ones raise ClientClosed."""
        self._channel.close()

    def score(self, model: str, features: Any, **call: Unpack[CallOptions]) -> results.ScoreResult:
        """Scores rows: (rows, columns) of float32 or float64 to (rows, outputs).

        `features` is a NumPy array, or a table of pandas, Polars or Arrow. The model computes in
        its own precision, whichever is sent.
        """
        if self._express is not None and not call:
            return self._express.score(model, features)
        return self._run(self._requests.score(model, features, call), call)

    def score_batch(
        self, model: str, features: Any, **call: Unpack[CallOptions]
    ) -> results.ScoreResult:
        """Scores any number of rows, in chunks over all connections and endpoints.

        `features` is as in `score`, or a sparse matrix of SciPy. The scores are in the order of
        the rows, and all by one version of the model. `timeout_s` is for each chunk.
        """
        batch = self._requests.batch(model, features, call)
        return self._channel.run_batch(batch, call.get("timeout_s"))

    def score_sparse(
        self,
        model: str,
        indptr: Any,
        indices: NDArray[np.int32] | None = None,
        values: FloatArray | None = None,
        **call: Unpack[CallOptions],
    ) -> results.ScoreResult:
        """Scores rows in compressed sparse row form; absent entries are 0.

        `indptr` has rows + 1 int64 offsets into `indices`, int32 columns rising within a row, and
        `values`, float32 or float64: the arrays of a scipy.sparse.csr_array. A sparse matrix of
        SciPy may be given as a whole instead.
        """
        return self._run(self._requests.sparse(model, (indptr, indices, values), call), call)

    def score_values(
        self, model: str, values: Sequence[float], *, timeout_s: float | None = None
    ) -> NDArray[np.float64]:
        """Scores one row with the model's default version; returns (outputs,)."""
        return self._channel.call(self._requests.values(model, values), timeout_s)

    def score_named(
        self, model: str, features: Mapping[str, float], *, timeout_s: float | None = None
    ) -> NDArray[np.float64]:
        """Scores one row given by feature name with the default version; returns (outputs,).

        A name that is absent is a missing value.
        """
        return self._channel.call(self._requests.named(model, features), timeout_s)

    def normalize(
        self, model: str, values: Any, **call: Unpack[CallOptions]
    ) -> results.NormalizeResult:
        """(x - mean) / scale by column, of shape (rows, features), in the type that is sent."""
        return self._run(self._requests.normalize("normalize", model, values, call), call)

    def denormalize(
        self, model: str, values: Any, **call: Unpack[CallOptions]
    ) -> results.NormalizeResult:
        """mean + scale * x by column: the inverse of normalize."""
        return self._run(self._requests.normalize("denormalize", model, values, call), call)

    def infer(
        self,
        model: str,
        inputs: Mapping[str, Any],
        *,
        outputs: Sequence[str] = (),
        id: str | None = None,  # noqa: A002  # the Open Inference Protocol's name
        **call: Unpack[CallOptions],
    ) -> results.InferResult:
        """Open Inference Protocol V2: arrays by input name in, arrays by output name out.

        `outputs` names the wanted ones, none = all; `id` is echoed in the result.
        """
        return self._run(self._requests.infer(model, inputs, (outputs, id), call), call)

    def ping(self, *, timeout_s: float | None = None) -> bool:
        """True while the server takes requests; raises Unavailable before and while draining."""
        return self._channel.call(self._requests.about_server("ping", bool), timeout_s)

    def server_live(self, *, timeout_s: float | None = None) -> bool:
        """True while the server's process works at all."""
        return self._channel.call(self._requests.about_server("server_live", bool), timeout_s)

    def server_ready(self, *, timeout_s: float | None = None) -> bool:
        """True when all configured models are loaded and the server is not draining."""
        return self._channel.call(self._requests.about_server("server_ready", bool), timeout_s)

    def server_metadata(self, *, timeout_s: float | None = None) -> results.ServerMetadata:
        """What the server is."""
        convert = results.server_metadata_from
        return self._channel.call(
            self._requests.about_server("server_metadata", convert), timeout_s
        )

    def model_ready(self, model: str, version: str = "", *, timeout_s: float | None = None) -> bool:
        """True when this version is loaded; no version = the default one."""
        request = self._requests.about_model("model_ready", model, version, bool)
        return self._channel.call(request, timeout_s)

    def model_metadata(
        self, model: str, version: str = "", *, timeout_s: float | None = None
    ) -> results.ModelMetadata:
        """What a version of a model is: features, classes, precision and the rest."""
        convert = results.model_metadata_from
        request = self._requests.about_model("model_metadata", model, version, convert)
        return self._channel.call(request, timeout_s)

    def model_statistics(
        self, model: str = "", version: str = "", *, timeout_s: float | None = None
    ) -> tuple[results.ModelStatistics, ...]:
        """Statistics of the loaded versions; no name = all models, no version = all of them."""
        convert = results.model_statistics_from
        request = self._requests.about_model("model_statistics", model, version, convert)
        return self._channel.call(request, timeout_s)

    def _run(self, request: Call[T], call: CallOptions) -> T:
        return self._channel.call(request, call.get("timeout_s"))
