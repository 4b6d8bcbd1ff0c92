# SPDX-License-Identifier: Apache-2.0
"""The compiled part of thriftscore (cpp/python)."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer

_Matrix: TypeAlias = NDArray[np.float32] | NDArray[np.float64]
_ReplyTo: TypeAlias = tuple[str, str, int, str]

version: str

class ModelError(ValueError): ...

class MissingValueError(ValueError):
    """A NaN in a row of a model that refuses them."""

    args: tuple[int, int]
    """Row and column."""

class Model:
    """Immutable; every call releases the GIL while it computes.

    Arrays must be numpy.ndarray, C-contiguous, float32 or float64, (rows, columns) or (columns,).
    Raises TypeError for another type or dtype, ValueError for another shape or layout.
    """

    @staticmethod
    def load_file(path: str | os.PathLike[str]) -> Model: ...
    @staticmethod
    def load_bytes(data: bytes) -> Model: ...
    @property
    def columns(self) -> int: ...
    @property
    def outputs(self) -> int: ...
    @property
    def precision(self) -> str: ...
    @property
    def task(self) -> str: ...
    @property
    def link(self) -> str: ...
    @property
    def features(self) -> list[str]: ...
    @property
    def classes(self) -> list[str]: ...
    @property
    def missing_values(self) -> str: ...
    @property
    def has_normalizer(self) -> bool: ...
    @property
    def plan(self) -> list[str]: ...
    @property
    def categories(self) -> dict[str, list[str]]: ...
    @property
    def hashes_names(self) -> bool: ...
    def hashed_row(self, features: dict[str, float]) -> NDArray[np.float64]: ...
    @property
    def output_names(self) -> list[str]: ...
    @property
    def label(self) -> str: ...
    @property
    def label_threshold(self) -> float: ...
    def evaluate(
        self, features: _Matrix, outputs: Sequence[str]
    ) -> dict[str, _Matrix | NDArray[np.int64]]: ...
    def evaluate_bytes(
        self, features: Buffer, datatype: str, outputs: Sequence[str]
    ) -> dict[str, bytes]: ...
    def score(self, features: _Matrix) -> _Matrix: ...
    def score_bytes(self, features: Buffer, datatype: str) -> bytes: ...
    def normalize(self, values: _Matrix) -> _Matrix: ...
    def denormalize(self, values: _Matrix) -> _Matrix: ...
    def normalize_bytes(self, values: Buffer, datatype: str) -> bytes: ...
    def denormalize_bytes(self, values: Buffer, datatype: str) -> bytes: ...

def simd_target() -> str:
    """The instruction set that the kernels use."""

def simd_targets() -> list[str]:
    """Those that this machine can use, `scalar` first and the best last."""

def select_simd_target(name: str) -> None:
    """Use another one; ValueError if it is not available. Not while another thread scores."""

def keep_freed_memory() -> None:
    """Have this process keep large freed blocks for the next large message (glibc)."""

def simd_error() -> str:
    """What is wrong with THRIFTSCORE_SIMD in the environment; empty if nothing is."""

class kernels:  # noqa: N801 - a submodule
    """The kernels of the SIMD target in use, on arrays of one dtype; the results are new arrays."""

    @staticmethod
    def weighted_sum(x: _Matrix, weights: _Matrix, bias: _Matrix) -> _Matrix: ...
    @staticmethod
    def normalized_weighted_sum(
        x: _Matrix, mean: _Matrix, scale: _Matrix, weights: _Matrix, bias: _Matrix
    ) -> _Matrix: ...
    @staticmethod
    def normalize(x: _Matrix, mean: _Matrix, scale: _Matrix) -> _Matrix: ...
    @staticmethod
    def denormalize(x: _Matrix, mean: _Matrix, scale: _Matrix) -> _Matrix: ...
    @staticmethod
    def sigmoid(x: _Matrix) -> _Matrix: ...
    @staticmethod
    def exponential(x: _Matrix) -> _Matrix: ...
    @staticmethod
    def softmax(x: _Matrix) -> _Matrix: ...

class PendingCall:
    """A message that the native server leaves to Python. One thread at a time."""

    @property
    def message(self) -> bytes: ...
    @property
    def protocol(self) -> Literal["binary", "compact"]: ...
    @property
    def waited_ns(self) -> int: ...
    def answer(self, reply: bytes) -> None:
        """Sends an encoded reply in the client's frame; b"" closes the connection. Once."""

class Server:
    """The native server (cpp/server/server.h, options.h). Thread-safe but for start and stop."""

    def __init__(self, options: Mapping[str, object], shadows: ShadowScorer) -> None: ...
    def adopt_listener(self, descriptor: int) -> None: ...
    def start(self) -> None: ...
    def set_serving(self, serving: bool) -> None: ...
    def begin_drain(self) -> None: ...
    def wait_drained(self, patience_ms: int) -> bool: ...
    def stop(self) -> None: ...
    def take_call(self, patience_ms: int) -> PendingCall | None: ...
    def counts(self) -> dict[str, Any]: ...
    def statistics(self) -> list[dict[str, Any]]: ...
    @property
    def connections_max(self) -> int: ...
    @property
    def io_threads(self) -> int: ...

class Publisher:
    """Tells a server what it serves. One thread at a time."""

    def __init__(self, server: Server) -> None: ...
    def publish(
        self,
        targets: Sequence[tuple[str, str, int, Model]],
        traffic: Sequence[tuple[str, Sequence[tuple[int, int]], int]],
    ) -> None:
        """Every (model name, version as requests name it, version number, model); and for a model
        name the (version number, weight) that spread requests without a version, which may be
        none, and the number of the shadow version or 0.
        """

class Split:
    """Weights that spread requests (cpp/server/split.h). Immutable; for any thread."""

    def __init__(self, weights: Sequence[int]) -> None:
        """At least one is above 0; their sum fits 32 bits."""
    def pick(self, request_id: bytes) -> int:
        """The position of a weight: always the same for an id; at random for b""."""

class Comparison:
    """A served version and its shadow, neither of which it keeps alive."""

    @property
    def shadow_version(self) -> str: ...

class ShadowScorer:
    """Scores rows again, off the path of requests (cpp/server/shadow_scorer.h). Thread-safe."""

    def __init__(self, requests_max: int, bytes_max: int) -> None: ...
    def comparison(
        self, model_name: str, served: tuple[int, Model], shadow: tuple[int, Model]
    ) -> Comparison: ...
    def offer(
        self, comparison: Comparison, features: Buffer, datatype: str, scores: Buffer
    ) -> None:
        """Copies both, or drops and counts them where there is no room."""
    def figures(self, model_name: str, served: Model) -> list[dict[str, Any]]:
        """The ShadowStatistics of every version that was a shadow of this one, as keywords."""
    def stop(self) -> None: ...

class wire:  # noqa: N801 - a submodule
    """The Thrift codec, for tests. `to` is (transport, protocol, sequence id, method)."""

    @staticmethod
    def decode_call(message: bytes, protocol: str) -> dict[str, Any]: ...
    @staticmethod
    def split_stream(stream: bytes, read_bytes: int) -> list[dict[str, Any] | str | None]: ...
    @staticmethod
    def encode_scores(to: _ReplyTo, fields: dict[str, Any]) -> bytes: ...
    @staticmethod
    def encode_doubles(to: _ReplyTo, values: list[float]) -> bytes: ...
    @staticmethod
    def encode_bool(to: _ReplyTo, value: bool) -> bytes: ...
    @staticmethod
    def encode_tensors(
        to: _ReplyTo, model_name: str, outputs: list[tuple[str, int, list[int], bytes]]
    ) -> bytes: ...
    @staticmethod
    def encode_error(to: _ReplyTo, code: int, message: str, retry_after_ms: int) -> bytes: ...
    @staticmethod
    def encode_exception(to: _ReplyTo, message: str, code: int) -> bytes: ...
