# SPDX-License-Identifier: Apache-2.0
"""The client for asyncio: the methods of Client, to be awaited."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import numpy as np
from numpy.typing import NDArray

from thriftscore_client import results
from thriftscore_client.async_channel import AsyncChannel
from thriftscore_client.calls import Call
from thriftscore_client.endpoint import parse_endpoints
from thriftscore_client.options import CallOptions, ClientOptions
from thriftscore_client.requests import Requests
from thriftscore_client.results import FloatArray

T = TypeVar("T")

# ruff: noqa: ANN401  # rows may be arrays, or tables of libraries that may be absent


class AsyncClient:
    """Scores with the models of one server, or of several that serve the same, from asyncio.

    As Client, but for the tasks of one event loop, which may share it.
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
        self._channel = AsyncChannel(parse_endpoints(endpoints), self._options)
        self._requests = Requests(self._channel.wire.codec, self._options)

    async def __aenter__(self) -> Self:
        await self._channel.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections for good: calls under way and later ones raise ClientClosed."""
        await self._channel.close()

    async def score(
        self, model: str, features: Any, **call: Unpack[CallOptions]
    ) -> results.ScoreResult:
        """As Client.score."""
        return await self._run(self._requests.score(model, features, call), call)

    async def score_batch(
        self, model: str, features: Any, **call: Unpack[CallOptions]
    ) -> results.ScoreResult:
        """As Client.score_batch."""
        batch = self._requests.batch(model, features, call)
        return await self._channel.run_batch(batch, call.get("timeout_s"))

    async def score_sparse(
        self,
        model: str,
        indptr: Any,
        indices: NDArray[np.int32] | None = None,
        values: FloatArray | None = None,
        **call: Unpack[CallOptions],
    ) -> results.ScoreResult:
        """As Client.score_sparse."""
        return await self._run(self._requests.sparse(model, (indptr, indices, values), call), call)

    async def score_values(
        self, model: str, values: Sequence[float], *, timeout_s: float | None = None
    ) -> NDArray[np.float64]:
        """As Client.score_values."""
        return await self._channel.call(self._requests.values(model, values), timeout_s)

    async def score_named(
        self, model: str, features: Mapping[str, float], *, timeout_s: float | None = None
    ) -> NDArray[np.float64]:
        """As Client.score_named."""
        return await self._channel.call(self._requests.named(model, features), timeout_s)

    async def normalize(
        self, model: str, values: Any, **call: Unpack[CallOptions]
    ) -> results.NormalizeResult:
        """As Client.normalize."""
        return await self._run(self._requests.normalize("normalize", model, values, call), call)

    async def denormalize(
        self, model: str, values: Any, **call: Unpack[CallOptions]
    ) -> results.NormalizeResult:
        """As Client.denormalize."""
        return await self._run(self._requests.normalize("denormalize", model, values, call), call)

    async def infer(
        self,
        model: str,
        inputs: Mapping[str, Any],
        *,
        outputs: Sequence[str] = (),
        id: str | None = None,  # noqa: A002  # the Open Inference Protocol's name
        **call: Unpack[CallOptions],
    ) -> results.InferResult:
        """As Client.infer."""
        return await self._run(self._requests.infer(model, inputs, (outputs, id), call), call)

    async def ping(self, *, timeout_s: float | None = None) -> bool:
        """As Client.ping."""
        return await self._channel.call(self._requests.about_server("ping", bool), timeout_s)

    async def server_live(self, *, timeout_s: float | None = None) -> bool:
        """As Client.server_live."""
        return await self._channel.call(self._requests.about_server("server_live", bool), timeout_s)

    async def server_ready(self, *, timeout_s: float | None = None) -> bool:
        """As Client.server_ready."""
        return await self._channel.call(
            self._requests.about_server("server_ready", bool), timeout_s
        )

    async def server_metadata(self, *, timeout_s: float | None = None) -> results.ServerMetadata:
        """As Client.server_metadata."""
        convert = results.server_metadata_from
        return await self._channel.call(
            self._requests.about_server("server_metadata", convert), timeout_s
        )

    async def model_ready(
        self, model: str, version: str = "", *, timeout_s: float | None = None
    ) -> bool:
        """As Client.model_ready."""
        request = self._requests.about_model("model_ready", model, version, bool)
        return await self._channel.call(request, timeout_s)

    async def model_metadata(
        self, model: str, version: str = "", *, timeout_s: float | None = None
    ) -> results.ModelMetadata:
        """As Client.model_metadata."""
        convert = results.model_metadata_from
        request = self._requests.about_model("model_metadata", model, version, convert)
        return await self._channel.call(request, timeout_s)

    async def model_statistics(
        self, model: str = "", version: str = "", *, timeout_s: float | None = None
    ) -> tuple[results.ModelStatistics, ...]:
        """As Client.model_statistics."""
        convert = results.model_statistics_from
        request = self._requests.about_model("model_statistics", model, version, convert)
        return await self._channel.call(request, timeout_s)

    async def _run(self, request: Call[T], call: CallOptions) -> T:
        return await self._channel.call(request, call.get("timeout_s"))
