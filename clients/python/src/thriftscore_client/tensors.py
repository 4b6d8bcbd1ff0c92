# SPDX-License-Identifier: Apache-2.0
"""NumPy arrays to the contract's tensors and back.

Tensors travel little-endian and row-major; arrays that are not so are copied once. Nothing is
converted to another type. Arrays that come back lie over the bytes of the reply, so they cannot be
written to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thriftscore_client._generated import ttypes
from thriftscore_client.codec import ReplyError
from thriftscore_client.errors import InvalidRequest

_NAMES: dict[int, str] = ttypes.DataType._VALUES_TO_NAMES
_VALUES: dict[str, int] = ttypes.DataType._NAMES_TO_VALUES
_DTYPES = {
    "BOOL": np.dtype("?"),
    "UINT8": np.dtype("<u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("<i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
_BY_DTYPE = {dtype: name for name, dtype in _DTYPES.items()}
_BY_VALUE = {_VALUES[name]: dtype for name, dtype in _DTYPES.items()}
_FLOATS = ("FP32", "FP64")
FLOAT_DTYPES = {_VALUES[name]: _DTYPES[name] for name in _FLOATS}
"""The types that scores may have, by the contract's numbers."""
_MATRIX_DTYPES = frozenset(_DTYPES[name] for name in _FLOATS)


def datatype_name(value: int) -> str:
    """The contract's name of a datatype; its number where it has none."""
    return _NAMES.get(value, str(value))


def little_endian(
    array: object, what: str, allowed: Sequence[str] = tuple(_DTYPES)
) -> NDArray[Any]:
    """`array` row-major and little-endian, itself if it already is. Raises InvalidRequest."""
    if not isinstance(array, np.ndarray):
        raise InvalidRequest(f"{what}: expected a NumPy array, received {type(array).__name__}")
    name = _BY_DTYPE.get(array.dtype.newbyteorder("<"))
    if name is None or name not in allowed:
        expected = " or ".join(_DTYPES[one].name for one in allowed)
        raise InvalidRequest(f"{what}: expected an array of {expected}, received {array.dtype}")
    checked: NDArray[Any] = np.asarray(array, dtype=_DTYPES[name], order="C")
    return checked


def matrix(array: object) -> NDArray[Any]:
    """As `little_endian`, of shape (rows, columns) and type float32 or float64."""
    if (
        type(array) is np.ndarray
        and array.dtype in _MATRIX_DTYPES
        and array.ndim == 2
        and array.flags.c_contiguous
    ):
        return array
    checked = little_endian(array, "rows", _FLOATS)
    if checked.ndim != 2:
        raise InvalidRequest(
            f"rows: expected shape (rows, columns), received {checked.shape};"
            " one row is array[np.newaxis, :]"
        )
    return checked


def vector(array: object, what: str, allowed: Sequence[str]) -> NDArray[Any]:
    """As `little_endian`, of rank 1."""
    checked = little_endian(array, what, allowed)
    if checked.ndim != 1:
        raise InvalidRequest(f"{what}: expected rank 1, received shape {checked.shape}")
    return checked


def datatype_value(dtype: np.dtype[Any]) -> int:
    """The contract's number for the type of a checked array."""
    return _VALUES[_BY_DTYPE[dtype]]


def memory(array: NDArray[Any]) -> memoryview:
    """The bytes of a checked array, not copied."""
    return array.reshape(-1).view(np.uint8).data


def received_array(data: bytes, datatype: int, shape: Sequence[int]) -> NDArray[Any]:
    """The array in a reply, read-only. Raises ReplyError where bytes and shape do not agree."""
    dtype = _BY_VALUE.get(datatype)
    if dtype is None:
        raise ReplyError(f"datatype {datatype_name(datatype)} came, which has no NumPy array")
    count = 1
    for extent in shape:
        count *= extent
    if min(shape, default=0) < 0 or count * dtype.itemsize != len(data):
        raise ReplyError(
            f"{len(data)} bytes came for a tensor of {dtype.name} and shape {list(shape)}"
        )
    return np.frombuffer(data, dtype=dtype, count=count).reshape(tuple(shape))
