# SPDX-License-Identifier: Apache-2.0
"""The rows to score, some at a time: CSV and NPY. Parquet is in `score_parquet`."""

from __future__ import annotations

import csv
import os
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import TextIOWrapper
from itertools import chain
from pathlib import Path
from tokenize import TokenError
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import numpy as np

from thriftscore.cli.score_cells import (
    CellError,
    Features,
    InputError,
    column_places,
    feature_values,
    kept_places,
)
from thriftscore.errors import ConfigurationError
from thriftscore.repository.onnx_model import as_precision

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thriftscore.model import Matrix

STANDARD_STREAM = Path("-")
_PARQUET_SUFFIXES = {".parquet", ".pq"}


@dataclass(frozen=True)
class Batch:
    """Some rows: features of shape (rows, columns), float32 or float64, in C order."""

    first: int
    """The number of the first row; rows count from 1, and a header is none."""
    features: Matrix
    kept: Mapping[str, Any] = field(default_factory=dict)
    """Columns of the input that go to the output: lists of texts, or Arrow arrays."""


class Rows(Protocol):
    """The rows of one input."""

    name: str
    """For messages."""
    total: int | None
    """Where the position is at the end; None where that is not known."""

    def position(self) -> int:
        """How far the reading has come, in bytes or rows."""
        ...

    def batches(self, rows: int) -> Iterator[Batch]:
        """All rows, `rows` at a time; one empty batch where there is none.

        Raises InputError, naming the row and the column, for a cell that is no value.
        """
        ...


@contextmanager
def open_rows(path: Path, features: Features, keep: Sequence[str]) -> Iterator[Rows]:
    """The rows of a file, known by its suffix, or of standard input, which is CSV.

    Raises ConfigurationError for another suffix or a file that cannot be opened, and InputError
    where the columns do not fit.
    """
    suffix = path.suffix.lower()
    if path == STANDARD_STREAM:
        yield CsvRows(sys.stdin.buffer, "standard input", features, keep)
    elif suffix == ".csv":
        with open_source(path) as file:
            yield CsvRows(file, str(path), features, keep)
    elif suffix == ".npy":
        if keep:
            raise ConfigurationError("--keep: the columns of an NPY file have no names")
        with open_source(path) as file:
            yield NpyRows(file, path, features)
    elif suffix in _PARQUET_SUFFIXES:
        from thriftscore.cli.score_parquet import open_parquet_rows  # noqa: PLC0415 - an extra

        with open_parquet_rows(path, features, keep) as rows:
            yield rows
    else:
        raise ConfigurationError(
            f"--input: expected a file named .csv, .npy or .parquet, or -, received '{path}'"
        )


def open_source(path: Path) -> BinaryIO:
    """Raises ConfigurationError where it cannot be opened."""
    try:
        return path.open("rb")
    except OSError as error:
        raise _unreadable(path, error) from error


def refuse_same_file(output: Path, source: Path) -> None:
    """Raises ConfigurationError where the output is the input, by whatever name."""
    try:
        read = os.fstat(sys.stdin.fileno()) if source == STANDARD_STREAM else source.stat()
    except OSError as error:
        raise _unreadable(source, error) from error
    is_file = output != STANDARD_STREAM and stat.S_ISREG(read.st_mode)
    if is_file and output.exists() and os.path.samestat(read, output.stat()):
        raise ConfigurationError(f"--output: '{output}' is the input file")


class CsvRows:
    """Comma-separated texts in UTF-8, with a line of names or without.

    The first line is one of names where it has those of all features, or a cell that is no number.
    """

    def __init__(self, file: BinaryIO, name: str, features: Features, keep: Sequence[str]) -> None:
        self.name = name
        self.total = _size(file)
        self._file = file
        self._categories = [features.categories.get(column, ()) for column in features.names]
        self._features = features
        self._text = TextIOWrapper(file, "utf-8-sig", newline="")  # it closes the file with itself
        self._rows = self._checked(csv.reader(self._text, strict=True))
        first = next(self._rows, None)
        if first is None:
            raise InputError(f"{name} is empty: expected a line of names, or rows")
        if self._is_header(first):
            self._places = column_places(features, first, name)
            self._kept = dict(zip(keep, kept_places(keep, first, name), strict=True))
        else:
            self._places, self._kept = self._without_names(first, keep), {}
            self._rows = chain([first], self._rows)
        self._width = len(first)

    def position(self) -> int:
        """Bytes read."""
        return self._file.tell() if self.total is not None else 0

    def batches(self, rows: int) -> Iterator[Batch]:
        """All rows; see `Rows`."""
        first = 1
        cells: list[list[str]] = []
        for row in self._rows:
            if len(row) != self._width:
                raise InputError(
                    f"{self.name}, row {first + len(cells):,}: expected {self._width:,} cells,"
                    f" received {len(row):,}"
                )
            cells.append(row)
            if len(cells) == rows:
                yield self._batch(first, cells)
                first, cells = first + rows, []
        if cells or first == 1:
            yield self._batch(first, cells)

    def _checked(self, reader: Iterator[list[str]]) -> Iterator[list[str]]:
        """The lines that are not empty."""
        try:
            yield from filter(None, reader)
        except (UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"{self.name} is not CSV in UTF-8: {error}") from error

    def _is_header(self, cells: list[str]) -> bool:
        if set(self._features.names) <= set(cells):
            return True
        try:
            feature_values(cells)
        except CellError:
            return True
        return False

    def _without_names(self, first: list[str], keep: Sequence[str]) -> list[int]:
        expected = len(self._features.names)
        if keep:
            raise InputError(f"{self.name} has no line of names: --keep needs one")
        if len(first) != expected:
            raise InputError(
                f"{self.name} has no line of names and {len(first):,} columns,"
                f" model '{self._features.model}' has {expected:,} features"
            )
        return list(range(expected))

    def _batch(self, first: int, cells: list[list[str]]) -> Batch:
        values = np.empty((len(cells), len(self._places)))
        for column, place in enumerate(self._places):
            texts = [row[place] for row in cells]
            try:
                values[:, column] = feature_values(texts, self._categories[column])
            except CellError as error:
                raise cell_refused(
                    self.name, first + error.row, self._features.names[column], error
                ) from None
        kept = {name: [row[place] for row in cells] for name, place in self._kept.items()}
        return Batch(first, values, kept)


class NpyRows:
    """A matrix of NumPy, read piece by piece: what is mapped would count as memory in use."""

    def __init__(self, file: BinaryIO, path: Path, features: Features) -> None:
        self.name = str(path)
        self._file = file
        try:  # mapped, so that a header which promises more than the file has is refused
            matrix = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError, TypeError, OverflowError, TokenError) as error:
            raise InputError(
                f"'{path}' is not a numeric .npy file{_reason(file, error)}"
            ) from error
        if not isinstance(matrix, np.memmap):
            raise InputError(f"'{path}' is an archive of arrays, expected one array")
        if matrix.ndim != 2 or matrix.dtype.type not in {np.float32, np.float64}:
            raise InputError(
                f"'{path}' is {matrix.dtype} of rank {matrix.ndim},"
                " expected float32 or float64 of rank 2"
            )
        self.total, self._columns = matrix.shape
        if self._columns != len(features.names):
            raise InputError(
                f"'{path}' has {self._columns:,} columns,"
                f" model '{features.model}' has {len(features.names):,} features"
            )
        self._dtype, self._offset = matrix.dtype, matrix.offset
        self._precision = "fp32" if matrix.dtype.type is np.float32 else "fp64"
        self._by_rows = matrix.flags.c_contiguous
        self._next = 0

    def position(self) -> int:
        """Rows read."""
        return self._next

    def batches(self, rows: int) -> Iterator[Batch]:
        """All rows; see `Rows`."""
        while True:
            first, self._next = self._next, min(self._next + rows, self.total)
            values = self._read(first, self._next)
            yield Batch(first + 1, as_precision(values, self._precision))
            if self._next == self.total:
                return

    def _read(self, begin: int, end: int) -> NDArray[Any]:
        if self._by_rows:
            return self._items(begin * self._columns, (end - begin) * self._columns).reshape(
                -1, self._columns
            )
        columns = [
            self._items(column * self.total + begin, end - begin) for column in range(self._columns)
        ]
        return np.stack(columns, axis=1)

    def _items(self, first: int, count: int) -> NDArray[Any]:
        self._file.seek(self._offset + first * self._dtype.itemsize)
        data = self._file.read(count * self._dtype.itemsize)
        if len(data) != count * self._dtype.itemsize:
            raise InputError(f"'{self.name}' became shorter while it was read")
        return np.frombuffer(data, self._dtype)


def cell_refused(name: str, row: int, column: str, reason: object) -> InputError:
    """The error for one cell."""
    return InputError(f"{name}, row {row:,}, column '{column}': {reason}")


def _unreadable(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"--input: '{path}' cannot be read: {error.strerror}")


def _reason(file: BinaryIO, error: Exception) -> str:
    """Why NumPy refused a file, without its advice to load what may run code."""
    magic = np.lib.format.MAGIC_PREFIX
    if file.read(len(magic)) != magic:
        return ""
    if "Python objects" in str(error):
        return ": its items are Python objects"
    return f": {error}"


def _size(file: BinaryIO) -> int | None:
    """The bytes of a regular file; None for a pipe or a terminal."""
    found = os.fstat(file.fileno())
    return found.st_size if stat.S_ISREG(found.st_mode) else None
