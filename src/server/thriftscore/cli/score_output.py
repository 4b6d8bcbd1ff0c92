# SPDX-License-Identifier: Apache-2.0
"""Where scores go: CSV and JSON lines. Parquet is in `score_parquet`."""

from __future__ import annotations

import csv
import json
import math
import os
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from enum import StrEnum
from io import StringIO
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol, TypeAlias

import numpy as np

from thriftscore.cli.score_input import STANDARD_STREAM
from thriftscore.errors import ConfigurationError, ThriftscoreError

Columns: TypeAlias = Mapping[str, Any]
"""Columns of equal length by name: lists of texts, NumPy arrays of numbers, or Arrow arrays."""


class OutputFormat(StrEnum):
    """How scores are written."""

    CSV = "csv"
    PARQUET = "parquet"
    JSON = "json"


_SUFFIXES = {
    ".csv": OutputFormat.CSV,
    ".parquet": OutputFormat.PARQUET,
    ".pq": OutputFormat.PARQUET,
    ".json": OutputFormat.JSON,
    ".jsonl": OutputFormat.JSON,
    ".ndjson": OutputFormat.JSON,
}


class Writer(Protocol):
    """Writes a table, some rows at a time."""

    def write(self, columns: Columns) -> None:
        """More rows, of the same columns each time."""
        ...

    def close(self) -> None:
        """Writes what is left."""
        ...


def output_format(path: Path, chosen: OutputFormat | None) -> OutputFormat:
    """The format that was chosen, or what the suffix says; CSV for standard output.

    Raises ConfigurationError.
    """
    if path == STANDARD_STREAM:
        if chosen is OutputFormat.PARQUET:
            raise ConfigurationError("--format parquet: expected --output with a file")
        return chosen or OutputFormat.CSV
    known = chosen or _SUFFIXES.get(path.suffix.lower())
    if known is None:
        raise ConfigurationError(
            f"--output: expected a file named .csv, .parquet or .json, or --format, for '{path}'"
        )
    return known


@contextmanager
def open_writer(path: Path, format_: OutputFormat) -> Iterator[Writer]:
    """A writer whose file is there, whole, when the block ends without an error.

    Raises ThriftscoreError where it cannot be written.
    """
    if format_ is OutputFormat.PARQUET:
        from thriftscore.cli.score_parquet import ParquetWriter  # noqa: PLC0415 - an extra

        make: Callable[[BinaryIO], Writer] = ParquetWriter
    else:
        make = CsvWriter if format_ is OutputFormat.CSV else JsonWriter
    destination = _standard_output() if path == STANDARD_STREAM else _replaced(path)
    with destination as file, closing(make(file)) as writer:
        yield writer


class CsvWriter:
    """A line of names and a line for each row. NaN is `nan`, an infinity `inf` or `-inf`."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._named = False

    def write(self, columns: Columns) -> None:
        """See `Writer`."""
        rows = list(zip(*map(_csv_cells, columns.values()), strict=True))
        if not self._named:
            rows.insert(0, tuple(columns))
            self._named = True
        text = _csv_lines(rows, csv.QUOTE_MINIMAL)
        if "\r" in text:  # which is quoted only where it ends lines too
            text = _csv_lines(rows, csv.QUOTE_ALL)
        self._file.write(text.encode())

    def close(self) -> None:
        """See `Writer`."""


class JsonWriter:
    """An object in a line for each row. NaN and infinities, no numbers in JSON, are null."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, columns: Columns) -> None:
        """See `Writer`."""
        names = [json.dumps(name) for name in columns]
        cells = [
            [f"{name}: {value}" for value in _json_cells(column)]
            for name, column in zip(names, columns.values(), strict=True)
        ]
        lines = ["{" + ", ".join(row) + "}\n" for row in zip(*cells, strict=True)]
        self._file.write("".join(lines).encode())

    def close(self) -> None:
        """See `Writer`."""


def _csv_lines(rows: Sequence[tuple[Any, ...]], quoting: Literal[0, 1]) -> str:
    text = StringIO(newline="")
    csv.writer(text, lineterminator="\n", quoting=quoting).writerows(rows)
    return text.getvalue()


def _csv_cells(column: Any) -> Sequence[Any]:  # noqa: ANN401 - see Columns
    if isinstance(column, np.ndarray):
        return _number_texts(column)
    return column if isinstance(column, list) else column.to_pylist()


def _json_cells(column: Any) -> list[str]:  # noqa: ANN401 - see Columns
    if isinstance(column, np.ndarray):
        texts = _number_texts(column)
        return [
            text if finite else "null"
            for text, finite in zip(texts, np.isfinite(column).tolist(), strict=True)
        ]
    values = column if isinstance(column, list) else column.to_pylist()
    return [_json_value(value) for value in values]


def _json_value(value: object) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "null"
    return json.dumps(value, default=str)


def _number_texts(numbers: Any) -> list[str]:  # noqa: ANN401 - see Columns
    """The shortest decimals that read back as the same numbers of their type."""
    return list(map(str, numbers))


@contextmanager
def _standard_output() -> Iterator[BinaryIO]:
    # Not sys.stdout.buffer: that has no buffer, and may write a part, with PYTHONUNBUFFERED.
    with open(sys.stdout.fileno(), "wb", closefd=False) as file:
        yield file


@contextmanager
def _replaced(path: Path) -> Iterator[BinaryIO]:
    """A new file that takes the place of `path` at the end of the block, unless that fails.

    What is there and no regular file, such as a pipe, is written to as it is.
    """
    target = path.resolve()
    if target.exists() and not target.is_file():
        with _open(target, "wb", path) as file:
            yield file
        return
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    with _open(temporary, "xb", path) as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            temporary.replace(target)
        except BaseException:
            temporary.unlink()
            raise


def _open(path: Path, mode: str, named: Path) -> BinaryIO:
    try:
        return path.open(mode)  # type: ignore[return-value] # both modes are binary
    except OSError as error:
        raise ThriftscoreError(f"cannot write '{named}': {error.strerror}") from error
