# SPDX-License-Identifier: Apache-2.0
"""Parquet files: rows to score, and scores. Needs the extra `parquet`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from thriftscore.cli.score_cells import (
    CellError,
    Features,
    InputError,
    column_places,
    feature_values,
    kept_places,
)
from thriftscore.cli.score_input import Batch, Rows, cell_refused, open_source
from thriftscore.errors import ThriftscoreError

try:
    import pyarrow
    import pyarrow.compute
    import pyarrow.parquet
except ImportError as error:
    raise ThriftscoreError(
        "Parquet files need pyarrow: pip install 'thriftscore[parquet]'"
    ) from error

if TYPE_CHECKING:
    from thriftscore.cli.score_cells import Doubles
    from thriftscore.cli.score_output import Columns

_READ_BYTES = 1 << 16  # for each column, beside its page
_GROUP_ROWS = 65_536


@contextmanager
def open_parquet_rows(path: Path, features: Features, keep: Sequence[str]) -> Iterator[Rows]:
    """The rows of a Parquet file.

    Raises ConfigurationError where it cannot be opened, and InputError where it is none or where
    its columns do not fit.
    """
    with open_source(path) as file:
        yield ParquetRows(file, path, features, keep)


class ParquetRows:
    """Columns by name, read a page at a time."""

    def __init__(self, file: BinaryIO, path: Path, features: Features, keep: Sequence[str]) -> None:
        self.name = str(path)
        self._features, self._keep = features, tuple(keep)
        with _refused(self.name):
            self._file = pyarrow.parquet.ParquetFile(
                file, buffer_size=_READ_BYTES, pre_buffer=False
            )
        names = self._file.schema_arrow.names
        column_places(features, names, self.name)
        kept_places(keep, names, self.name)
        self.total: int | None = self._file.metadata.num_rows
        self._done = 0

    def position(self) -> int:
        """Rows read."""
        return self._done

    def batches(self, rows: int) -> Iterator[Batch]:
        """All rows; see `Rows`."""
        wanted = list(dict.fromkeys([*self._features.names, *self._keep]))
        with _refused(self.name):
            for batch in self._file.iter_batches(rows, columns=wanted):
                yield self._batch(batch)
        if not self._done:
            schema = pyarrow.schema([self._file.schema_arrow.field(name) for name in wanted])
            yield self._batch(schema.empty_table().combine_chunks())

    def _batch(self, batch: Any) -> Batch:  # noqa: ANN401 - pyarrow has no types
        first, self._done = self._done + 1, self._done + batch.num_rows
        values = np.empty((batch.num_rows, len(self._features.names)))
        for column, name in enumerate(self._features.names):
            try:
                values[:, column] = self._values(batch.column(name), name)
            except CellError as error:
                raise cell_refused(self.name, first + error.row, name, error) from None
        return Batch(first, values, {name: batch.column(name) for name in self._keep})

    def _values(self, column: Any, name: str) -> Doubles:  # noqa: ANN401 - pyarrow has no types
        """The values of a feature, NaN for null. Integers that a double rounds are refused."""
        kind = column.type
        if pyarrow.types.is_dictionary(kind):
            return self._values(column.cast(kind.value_type), name)
        if pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind):
            texts = [text or "" for text in column.to_pylist()]
            return feature_values(texts, self._features.categories.get(name, ()))
        if pyarrow.types.is_boolean(kind):
            column = column.cast(pyarrow.uint8())
        try:
            doubles = column.cast(pyarrow.float64())
        except pyarrow.ArrowException as error:
            raise InputError(f"{self.name}, column '{name}': {_first_line(error)}") from error
        values: Doubles = doubles.to_numpy(zero_copy_only=False)
        return values


class ParquetWriter:
    """Scores in their own type; columns that are kept as they were, those of CSV as texts."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._writer: Any = None
        self._waiting: list[Any] = []

    def write(self, columns: Columns) -> None:
        """See `Writer`."""
        arrays = {name: _array(column) for name, column in columns.items()}
        table = pyarrow.table(arrays)
        if self._writer is None:
            self._writer = pyarrow.parquet.ParquetWriter(self._file, table.schema)
        self._waiting.append(table)
        if sum(table.num_rows for table in self._waiting) >= _GROUP_ROWS:
            self._write()

    def close(self) -> None:
        """See `Writer`."""
        self._write()
        if self._writer is not None:
            self._writer.close()

    def _write(self) -> None:
        if self._waiting:
            self._writer.write_table(pyarrow.concat_tables(self._waiting).combine_chunks())
            self._waiting = []


def _array(column: Any) -> Any:  # noqa: ANN401 - see Columns
    if isinstance(column, list):
        return pyarrow.array(column, pyarrow.string())
    return pyarrow.array(column) if isinstance(column, np.ndarray) else column


@contextmanager
def _refused(name: str) -> Iterator[None]:
    try:
        yield
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(f"{name} cannot be read as Parquet: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
