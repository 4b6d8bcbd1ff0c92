# SPDX-License-Identifier: Apache-2.0
"""The tensors of the contract: datatypes, matrices, sparse rows and OIP tensors, all checked."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thriftscore._generated.ttypes import DataType, Tensor
from thriftscore.errors import InvalidArgument

ITEM_BYTES = {"FP32": 4, "FP64": 8}
DTYPES: dict[str, np.dtype[Any]] = {"FP32": np.dtype("<f4"), "FP64": np.dtype("<f8")}
INPUT_NAME = "features"
OUTPUT_NAME = "scores"
PROBABILITIES_NAME = "probabilities"
LABEL_NAME = "label"

_NAMES: dict[int, str] = DataType._VALUES_TO_NAMES
_LISTS = ("bool_contents", "int_contents", "int64_contents", "fp_contents", "bytes_contents")
_SPARSE_BLOCK_CELLS = 1 << 18


def float_datatype(value: int | None, what: str = "datatype") -> str:
    """ "FP32" or "FP64" for a value of the contract's DataType. Raises InvalidArgument."""
    name = _NAMES.get(value) if value is not None else None
    if name in ITEM_BYTES:
        return name
    raise InvalidArgument(
        f"{what}: expected FP32 ({DataType.FP32}) or FP64 ({DataType.FP64}), "
        f"received {value if name is None else name}"
    )


def check_columns(received: int | None, columns: int, model: str) -> None:
    """Raises InvalidArgument where a caller states a row width that is not the model's."""
    if received is not None and received != columns:
        raise InvalidArgument(
            f"columns: model {model!r} expects {columns} values in a row, received {received}"
        )


def count_rows(values: bytes, datatype: str, columns: int, what: str) -> int:
    """The rows that `values` hold. Raises InvalidArgument where they are no whole number."""
    row_bytes = columns * ITEM_BYTES[datatype]
    rows, rest = divmod(len(values), row_bytes)
    if rest:
        raise InvalidArgument(
            f"{what}: expected rows of {columns} {datatype} values ({row_bytes} bytes each), "
            f"received {len(values)} bytes"
        )
    return rows


class SparseRows:
    """Rows in compressed sparse row form, checked in full before any is used."""

    def __init__(self, request: Any, datatype: str, columns: int) -> None:  # noqa: ANN401
        """Takes indptr, indices and values of a SparseScoreRequest. Raises InvalidArgument."""
        self._columns = columns
        self._indptr = _elements(request.indptr, np.dtype("<i8"), "indptr")
        self._indices = _elements(request.indices, np.dtype("<i4"), "indices")
        self._values = _elements(request.values, DTYPES[datatype], "values")
        self._check_indptr()
        self._check_indices()
        self.rows = len(self._indptr) - 1

    def _check_indptr(self) -> None:
        indptr, count = self._indptr, len(self._indices)
        if len(self._values) != count:
            raise InvalidArgument(
                f"values: expected {count}, one for each of indices, received {len(self._values)}"
            )
        if len(indptr) == 0 or indptr[0] != 0:
            start = "none" if len(indptr) == 0 else indptr[0]
            raise InvalidArgument(f"indptr: expected rows + 1 offsets from 0, received {start}")
        falls = np.flatnonzero(indptr[1:] < indptr[:-1])
        if len(falls):
            row = int(falls[0])
            raise InvalidArgument(
                f"indptr: expected offsets that never fall, received {indptr[row]} and then "
                f"{indptr[row + 1]} for row {row}"
            )
        if indptr[-1] != count:
            raise InvalidArgument(
                f"indptr: expected its last offset to be {count}, the number of indices, "
                f"received {indptr[-1]}"
            )

    def _check_indices(self) -> None:
        indices = self._indices
        outside = np.flatnonzero((indices < 0) | (indices >= self._columns))
        if len(outside):
            raise InvalidArgument(
                f"indices: expected 0 to {self._columns - 1}, received {indices[outside[0]]} "
                f"at position {outside[0]}"
            )
        rises = np.ones(len(indices) + 1, dtype=bool)
        rises[1:-1] = indices[1:] > indices[:-1]
        rises[self._indptr] = True
        if not rises.all():
            place = int(np.flatnonzero(~rises)[0])
            raise InvalidArgument(
                f"indices: expected to rise within a row, received {indices[place - 1]} and then "
                f"{indices[place]} at position {place}"
            )

    def refuse_missing(self, names: Sequence[str]) -> None:
        """Raises InvalidArgument for the first NaN, naming its row and feature."""
        missing = np.flatnonzero(np.isnan(self._values))
        if len(missing):
            place = int(missing[0])
            row = int(np.searchsorted(self._indptr, place, side="right")) - 1
            column = int(self._indices[place])
            raise InvalidArgument(
                f"values: row {row}, column {column} ({names[column]!r}) is NaN, and the model "
                "refuses missing values"
            )

    def blocks(self) -> Iterator[bytes]:
        """The rows as dense row-major bytes, some at a time, so that memory stays bounded."""
        step = max(1, _SPARSE_BLOCK_CELLS // self._columns)
        for first in range(0, self.rows, step):
            last = min(first + step, self.rows)
            start, end = self._indptr[first], self._indptr[last]
            counts = np.diff(self._indptr[first : last + 1])
            dense = np.zeros((last - first, self._columns), dtype=self._values.dtype)
            row_of_value = np.repeat(np.arange(last - first), counts)
            dense[row_of_value, self._indices[start:end]] = self._values[start:end]
            yield dense.tobytes()


def _elements(data: bytes | None, dtype: np.dtype[Any], what: str) -> NDArray[Any]:
    data = data or b""
    if len(data) % dtype.itemsize:
        raise InvalidArgument(
            f"{what}: expected elements of {dtype.itemsize} bytes, received {len(data)} bytes"
        )
    return np.frombuffer(data, dtype=dtype)


def tensor_matrix(tensor: Tensor, rank_max: int) -> tuple[bytes, str, int, int]:
    """(bytes, datatype, rows, columns) of an OIP tensor of two dimensions.

    Raises InvalidArgument.
    """
    what = f"tensor {tensor.name!a}"
    datatype = float_datatype(tensor.datatype, f"{what}: datatype")
    rows, columns = _matrix_shape(tensor.shape or [], rank_max, what)
    if (tensor.data is None) == (tensor.contents is None):
        both = "neither" if tensor.data is None else "both"
        raise InvalidArgument(f"{what}: expected either data or contents, received {both}")
    expected = rows * columns
    if tensor.data is not None:
        if len(tensor.data) != expected * ITEM_BYTES[datatype]:
            raise InvalidArgument(
                f"{what}: shape {tensor.shape} of {datatype} needs "
                f"{expected * ITEM_BYTES[datatype]} bytes, received {len(tensor.data)}"
            )
        return tensor.data, datatype, rows, columns
    values = _float_contents(tensor.contents, what)
    if len(values) != expected:
        raise InvalidArgument(
            f"{what}: shape {tensor.shape} needs {expected} elements, received {len(values)}"
        )
    with np.errstate(over="ignore"):
        return np.asarray(values, dtype=DTYPES[datatype]).tobytes(), datatype, rows, columns


def _matrix_shape(shape: Sequence[int], rank_max: int, what: str) -> tuple[int, int]:
    if not 1 <= len(shape) <= rank_max:
        raise InvalidArgument(
            f"{what}: shape: expected rank 1 to {rank_max}, received {len(shape)}"
        )
    if min(shape) < 0:
        raise InvalidArgument(f"{what}: shape: expected no negative extent, received {shape}")
    if len(shape) != 2:
        raise InvalidArgument(f"{what}: shape: expected [rows, columns], received {shape}")
    if math.prod(shape) >= 2**63:
        raise InvalidArgument(f"{what}: shape: {shape} has more than 2^63 elements")
    return shape[0], shape[1]


def _float_contents(contents: Any, what: str) -> list[float]:  # noqa: ANN401
    present = [name for name in _LISTS if getattr(contents, name) is not None]
    if present != ["fp_contents"]:
        received = ", ".join(present) or "none"
        raise InvalidArgument(f"{what}: contents: expected fp_contents, received {received}")
    values: list[float] = contents.fp_contents
    return values
