# SPDX-License-Identifier: Apache-2.0
"""Tables of other libraries as arrays. None of those libraries is needed, or imported.

pandas and Polars frames and Arrow tables have columns; a frame whose columns lie in one block of
memory, and whatever else offers its memory as an array, is not copied.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from thriftscore_client.errors import InvalidRequest

# ruff: noqa: ANN401  # the types of libraries that may be absent


def as_array(table: Any) -> Any:
    """The values of a table, (rows, columns); what is no table comes back as it is.

    Columns of several types become the type that holds all, float32 or float64. A value that is
    missing becomes NaN.
    """
    if _is_arrow(table):
        return _from_arrow(table)
    if _module(table) in {"pandas", "polars"}:
        array = table.to_numpy()
        return array if array.dtype in (np.float32, np.float64) else _as_floats(array, table)
    return table


def _module(value: Any) -> str:
    return type(value).__module__.partition(".")[0]


def _is_arrow(value: Any) -> bool:
    return _module(value) == "pyarrow" and type(value).__name__ in {"Table", "RecordBatch"}


def _from_arrow(table: Any) -> NDArray[Any]:
    columns = [_arrow_column(column) for column in table.columns]
    if not columns:
        return np.empty((table.num_rows, 0), dtype=np.float32)
    dtype = np.result_type(*columns)
    array = np.empty((table.num_rows, len(columns)), dtype=dtype)
    for index, column in enumerate(columns):
        array[:, index] = column
    return array


def _arrow_column(column: Any) -> NDArray[Any]:
    values = column.to_numpy() if _is_chunked(column) else column.to_numpy(zero_copy_only=False)
    return values if values.dtype in (np.float32, np.float64) else _as_floats(values, column)


def _is_chunked(column: Any) -> bool:
    return type(column).__name__ == "ChunkedArray"


def _as_floats(values: NDArray[Any], source: Any) -> NDArray[np.float64]:
    """Numbers and truth values as float64. Raises InvalidRequest for text and the like."""
    try:
        if values.dtype == object and _module(source) == "pandas":  # has a "missing" of its own
            values = source.to_numpy(dtype=np.float64, na_value=np.nan)
        return values.astype(np.float64)
    except (TypeError, ValueError) as error:
        name = f"{_module(source)}.{type(source).__name__}"
        raise InvalidRequest(f"{name}: a column does not hold numbers: {error}") from error


def is_sparse(value: Any) -> bool:
    """True for a sparse matrix or array of SciPy."""
    return _module(value) == "scipy" and hasattr(value, "tocsr")


def sparse_parts(matrix: Any) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[Any]]:
    """indptr, indices and values of a sparse matrix of SciPy, sorted, in the contract's types."""
    if not is_sparse(matrix):
        name = f"{type(matrix).__module__}.{type(matrix).__name__}"
        raise InvalidRequest(f"features: expected a sparse matrix of SciPy, received {name}")
    rows = matrix.tocsr()
    if not rows.has_canonical_format:
        rows = rows.copy()
        rows.sum_duplicates()
    values = rows.data
    if values.dtype not in (np.float32, np.float64):
        values = _as_floats(values, matrix)
    return rows.indptr.astype(np.int64), rows.indices.astype(np.int32), values
