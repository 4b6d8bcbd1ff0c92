# SPDX-License-Identifier: Apache-2.0
"""What scores the rows: a version of a server, or one of a repository in this process."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from thriftscore._generated.ttypes import (
    DataType,
    InferRequest,
    InferRequestedOutput,
    ScoreRequest,
    Tensor,
)
from thriftscore.cli.score_cells import Features
from thriftscore.cli.server_connection import ServerConnection
from thriftscore.errors import ModelNotFound, Overloaded, Unavailable
from thriftscore.repository import Policies, Registry, ServedModel, VersionPolicy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thriftscore.model import Matrix

    Outputs: TypeAlias = dict[str, NDArray[Any]]

SCORES, LABEL = "scores", "label"
TIMEOUT_MS = 60_000
"""For the answer to one request, and for trying it again while the server is overloaded."""

FRAME_BYTES_MAX = 16_384_000
"""The longest message that a server takes, unless it was configured otherwise."""

_PAUSE_S, _PAUSE_MAX_S = 0.05, 2.0
_MESSAGE_BYTES = 4_096  # more than is beside the values in a request
_DATATYPES = {np.float32: DataType.FP32, np.float64: DataType.FP64}
_DTYPES = {DataType.FP32: "<f4", DataType.FP64: "<f8", DataType.INT64: "<i8"}


@dataclass(frozen=True)
class Description:
    """One version of a model."""

    features: Features
    version: str
    classes: tuple[str, ...]
    outputs: int
    """Scores for a row."""
    missing_values: str

    @property
    def row_bytes(self) -> int:
        """At most what a row takes in a message: its features, or its scores and label."""
        return 8 * max(len(self.features.names), self.outputs + 1)


class Scorer(Protocol):
    """Scores rows with one version, whatever becomes the default meanwhile."""

    description: Description
    rows_max: int | None
    """The rows that it takes at a time; None = any number."""

    def score(self, features: Matrix, *, label: bool) -> Outputs:
        """`scores`, (rows, outputs), and `label`, (rows,), the index of a class, where wanted.

        Raises InvalidArgument for rows that the model refuses.
        """
        ...


class LocalScorer:
    """A version of a repository, checked as a server does and scored in this process."""

    rows_max: int | None = None

    def __init__(self, repository: Path, model: str, version: str) -> None:
        """Raises ModelNotFound, ModelNotReady and ConfigurationError."""
        served = _load(repository, model, version)
        self._model = served.model
        self.description = Description(
            features=Features(model, tuple(self._model.feature_names), self._model.categories),
            version=str(served.version),
            classes=tuple(self._model.classes),
            outputs=self._model.outputs,
            missing_values=self._model.missing_values,
        )

    def score(self, features: Matrix, *, label: bool) -> Outputs:
        """See `Scorer`."""
        return dict(self._model.evaluate(features, [SCORES, LABEL] if label else [SCORES]))


class RemoteScorer:
    """A version that a server has, by the number that it had at the start."""

    def __init__(self, server: ServerConnection, model: str, version: str) -> None:
        """Raises what the server answers, and Unavailable."""
        self._server = server
        metadata = server.call("model_metadata", model, version)
        (scores,) = [output for output in metadata.outputs if output.name == SCORES]
        self.description = Description(
            features=Features(model, tuple(metadata.feature_names), metadata.categories or {}),
            version=metadata.model_version,
            classes=tuple(metadata.classes),
            outputs=scores.shape[1],
            missing_values=metadata.missing_values,
        )
        rows = (FRAME_BYTES_MAX - _MESSAGE_BYTES) // self.description.row_bytes
        self.rows_max: int | None = max(1, rows)

    def score(self, features: Matrix, *, label: bool) -> Outputs:
        """See `Scorer`."""
        return self._infer(features) if label else self._score(features)

    def _score(self, features: Matrix) -> Outputs:
        rows, columns = features.shape
        request = ScoreRequest(
            model_name=self.description.features.model,
            model_version=self.description.version,
            features=_little_endian(features),
            datatype=_DATATYPES[features.dtype.type],
            columns=columns,
        )
        answer = self._call("score", request, rows)
        shape = (rows, self.description.outputs)
        return {SCORES: self._values(answer.scores, answer.datatype, shape)}

    def _infer(self, features: Matrix) -> Outputs:
        tensor = Tensor(
            name="features",
            datatype=_DATATYPES[features.dtype.type],
            shape=list(features.shape),
            data=_little_endian(features),
        )
        request = InferRequest(
            model_name=self.description.features.model,
            model_version=self.description.version,
            inputs=[tensor],
            outputs=[InferRequestedOutput(name=name) for name in (SCORES, LABEL)],
        )
        rows = len(features)
        answer = self._call("infer", request, rows)
        found = {output.name: output for output in answer.outputs}
        shapes: Mapping[str, tuple[int, ...]] = {
            SCORES: (rows, self.description.outputs),
            LABEL: (rows,),
        }
        if found.keys() != shapes.keys():
            raise Unavailable(f"{self._server.endpoint}: answered with {', '.join(found)}")
        return {
            name: self._values(found[name].data, found[name].datatype, shape)
            for name, shape in shapes.items()
        }

    def _call(self, method: str, request: object, rows: int) -> Any:  # noqa: ANN401 - as generated
        ends_at = time.monotonic() + TIMEOUT_MS / 1e3
        pauses_s = _pauses_s()
        while True:
            try:
                return self._server.call(method, request)
            except Unavailable as error:  # perhaps because it was too much at once
                raise Unavailable(
                    f"{error.message}; {rows:,} rows were sent, --batch-rows makes it fewer"
                ) from error
            except Overloaded as error:
                pause_s = max(next(pauses_s), error.retry_after_ms / 1e3)
                if time.monotonic() + pause_s >= ends_at:
                    raise
            time.sleep(pause_s)

    def _values(self, data: bytes, datatype: int, shape: tuple[int, ...]) -> NDArray[Any]:
        """The values of an answer. Raises Unavailable where they are not as many as asked for."""
        try:
            return np.frombuffer(data, _DTYPES[datatype]).reshape(shape)
        except (KeyError, ValueError) as error:
            raise Unavailable(
                f"{self._server.endpoint}: answered with {len(data):,} bytes of datatype"
                f" {datatype}, expected the values of {shape[0]:,} rows"
            ) from error


def _pauses_s() -> Iterator[float]:
    """Between attempts at a server that is overloaded: random, up to a time that doubles."""
    limit_s = _PAUSE_S
    while True:
        yield random.uniform(0, limit_s)  # noqa: S311 - jitter
        limit_s = min(_PAUSE_MAX_S, 2 * limit_s)


def _load(repository: Path, model: str, version: str) -> ServedModel:
    """Loads that version, or the newest that passes every check and those with a label.

    Raises ModelNotFound, naming the repository, and what `Registry` raises.
    """
    registry = Registry(repository, Policies(VersionPolicy(latest=1)))
    try:
        if version:
            registry.load(model, version)
        else:
            registry.refresh(names=[model])
        return registry.resolve(model, version)
    except ModelNotFound as error:
        raise ModelNotFound(f"{error.message} in '{repository}'") from error


def _little_endian(features: Matrix) -> bytes:
    return features.astype(features.dtype.newbyteorder("<"), copy=False).tobytes()
