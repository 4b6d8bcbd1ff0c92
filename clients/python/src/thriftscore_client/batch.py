# SPDX-License-Identifier: Apache-2.0
"""Many rows as several calls: cut into chunks, scored side by side, joined in order.

The first chunk goes alone. What it says of the version and of the width of the scores holds for
the others, so that one version scores all rows and no reply is larger than it may be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from thriftscore_client.calls import Call
from thriftscore_client.options import ClientOptions
from thriftscore_client.results import FloatArray, ScoreResult

_OVERHEAD_BYTES = 8192  # of a message, beside the values


class Rows(Protocol):
    """Rows that can be cut."""

    def __len__(self) -> int: ...

    def end_of_chunk(self, start: int, rows_max: int, bytes_max: int) -> int:
        """Where a chunk from `start` of at most so many rows and bytes ends; above `start`."""
        ...


class DenseRows:
    """The rows of an array, (rows, columns)."""

    def __init__(self, values: NDArray[Any]) -> None:
        self.values = values
        self._row_bytes = max(1, values.shape[1] * values.itemsize)

    def __len__(self) -> int:
        return len(self.values)

    def end_of_chunk(self, start: int, rows_max: int, bytes_max: int) -> int:
        """As many rows as fit."""
        fitting: int = max(1, min(rows_max, bytes_max // self._row_bytes))
        return min(len(self.values), start + fitting)


class SparseRows:
    """The rows of a CSR matrix, given by its arrays."""

    def __init__(
        self, indptr: NDArray[np.int64], indices: NDArray[np.int32], values: FloatArray
    ) -> None:
        self.indptr, self.indices, self.values = indptr, indices, values
        self._value_bytes = indices.itemsize + values.itemsize

    def __len__(self) -> int:
        return max(0, len(self.indptr) - 1)

    def end_of_chunk(self, start: int, rows_max: int, bytes_max: int) -> int:
        """As many rows as fit: half of the bytes for their offsets, half for their values."""
        rows_max = min(rows_max, bytes_max // (2 * self.indptr.itemsize))
        values_max = bytes_max // 2 // self._value_bytes
        fitting = np.searchsorted(self.indptr, self.indptr[start] + values_max, side="right") - 1
        return int(min(len(self), max(start + 1, min(start + rows_max, fitting))))

    def part(self, start: int, end: int) -> tuple[NDArray[np.int64], NDArray[np.int32], FloatArray]:
        """The arrays of a chunk."""
        first, last = self.indptr[start], self.indptr[end]
        offsets = self.indptr[start : end + 1] - first
        return offsets, self.indices[first:last], self.values[first:last]


class Batch:
    """The chunks of one batch, and the scores of those that are done.

    Several threads may put scores: each has rows of its own.
    """

    def __init__(
        self,
        rows: Rows,
        request: Callable[[int, int, str | None], Call[ScoreResult]],
        options: ClientOptions,
    ) -> None:
        self._rows = rows
        self._request = request
        self._rows_max = options.chunk_rows
        self._bytes_max = max(1, options.frame_bytes_max - _OVERHEAD_BYTES)
        self._first_end = self._end_after(0)
        self._first: ScoreResult | None = None
        self._scores: FloatArray | None = None

    def _end_after(self, start: int) -> int:
        if start == len(self._rows):
            return start
        return self._rows.end_of_chunk(start, self._rows_max, self._bytes_max)

    def first(self) -> Call[ScoreResult]:
        """The call that goes first."""
        return self._request(0, self._first_end, None)

    def begin(self, first: ScoreResult) -> None:
        """Takes the answer of the first call, and makes room for the others."""
        scores = first.scores
        reply_row_bytes = max(1, scores.shape[1] * scores.itemsize)
        self._rows_max = max(1, min(self._rows_max, self._bytes_max // reply_row_bytes))
        self._first = first
        if self._first_end < len(self._rows):
            self._scores = np.empty((len(self._rows), scores.shape[1]), dtype=scores.dtype)
            self._scores[: self._first_end] = scores

    def rest(self) -> Iterator[tuple[int, Call[ScoreResult]]]:
        """The other calls, each with its first row."""
        assert self._first is not None
        start = self._first_end
        while start < len(self._rows):
            end = self._end_after(start)
            yield start, self._request(start, end, self._first.model_version)
            start = end

    def put(self, start: int, result: ScoreResult) -> None:
        """Takes the answer of another call."""
        assert self._scores is not None
        self._scores[start : start + len(result.scores)] = result.scores

    def result(self) -> ScoreResult:
        """All scores, in the order of the rows."""
        assert self._first is not None
        if self._scores is None:
            return self._first
        self._scores.flags.writeable = False
        return ScoreResult(self._scores, self._first.model_version, self._first.request_id)
