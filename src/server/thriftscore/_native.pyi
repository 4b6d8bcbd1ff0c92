# SPDX-License-Identifier: Apache-2.0
"""The compiled part of thriftscore (cpp/python)."""

import os
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer

_Matrix: TypeAlias = NDArray[np.float32] | NDArray[np.float64]

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
