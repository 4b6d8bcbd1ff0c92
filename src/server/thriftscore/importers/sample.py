# SPDX-License-Identifier: Apache-2.0
"""The rows on which a native model is compared with the one it came from."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from thriftscore.errors import InvalidArgument
from thriftscore.importers.stages import Doubles

SAMPLE_BYTES_MAX = 256 << 20
SAMPLE_ROWS_MAX = 100_000


@dataclass(frozen=True)
class Sample:
    """Rows that the user gave: float64 of shape (rows, columns), and names where there are any."""

    rows: Doubles
    names: tuple[str, ...] = ()
    texts: tuple[tuple[int, int, str], ...] = ()
    """Row, column and text of each cell that is no number; NaN in `rows`."""


def read_sample(path: Path) -> Sample:
    """Read `.npy` (a numeric matrix) or `.csv` (with or without a line of names).

    Raises InvalidArgument where it is anything else, too large, or has values that are not finite.
    """
    readers = {".npy": _read_npy, ".csv": _read_csv}
    if path.suffix.lower() not in readers:
        raise InvalidArgument(f"sample '{path}': expected a file named .npy or .csv")
    try:
        size = path.stat().st_size
        if not path.is_file() or size > SAMPLE_BYTES_MAX:
            raise InvalidArgument(
                f"sample '{path}': expected a file of at most {SAMPLE_BYTES_MAX:,} bytes"
            )
        sample = readers[path.suffix.lower()](path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidArgument(f"sample '{path}' cannot be read: {reason}") from error
    count = len(sample.rows)
    if not 1 <= count <= SAMPLE_ROWS_MAX:
        raise InvalidArgument(
            f"sample '{path}' has {count:,} rows, expected 1 to {SAMPLE_ROWS_MAX:,}"
        )
    finite = np.isfinite(sample.rows)
    for row, column, _ in sample.texts:
        finite[row, column] = True
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise InvalidArgument(f"sample '{path}': row {row}, column {column} is not finite")
    return sample


def sample_rows(
    sample: Sample, features: Sequence[str], categories: Mapping[str, Sequence[str]]
) -> Doubles:
    """The rows with each text as the index of a category; NaN where it is empty.

    Raises InvalidArgument for a text that the model does not know.
    """
    rows = sample.rows.copy()
    known = [categories.get(name, ()) for name in features]
    for row, column, text in sample.texts:
        if text and text not in known[column]:
            expected = f"one of {', '.join(known[column])}" if known[column] else "a number"
            raise InvalidArgument(
                f"the sample has {text!a} in row {row}, column {column}, expected {expected}"
            )
        rows[row, column] = known[column].index(text) if text else np.nan
    return rows


def check_sample(sample: Sample, features: Sequence[str], *, named: bool) -> None:
    """Check that a sample fits a model. Names are compared where the model has real ones.

    Raises InvalidArgument.
    """
    columns = sample.rows.shape[1]
    if columns != len(features):
        raise InvalidArgument(f"the sample has {columns} columns, the model {len(features)}")
    if named and sample.names and sample.names != tuple(features):
        first = next(i for i, name in enumerate(features) if sample.names[i] != name)
        raise InvalidArgument(
            f"column {first} of the sample is '{sample.names[first]}',"
            f" the model expects '{features[first]}'"
        )


def _read_npy(path: Path) -> Sample:
    try:  # mapped, so that a header which promises more than the file has is refused
        rows = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, TypeError, OverflowError) as error:
        raise InvalidArgument(f"sample '{path}' is not a numeric .npy file: {error}") from error
    if rows.ndim != 2 or rows.dtype.kind not in "fiu":
        raise InvalidArgument(
            f"sample '{path}' is {rows.dtype} of rank {rows.ndim}, expected numbers of rank 2"
        )
    return Sample(np.asarray(rows, np.float64))


def _read_csv(path: Path) -> Sample:
    rows: list[list[float]] = []
    names: tuple[str, ...] = ()
    texts: list[tuple[int, int, str]] = []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file, strict=True)
            for cells in reader:
                if not cells:
                    continue
                values = _numbers(cells)
                if values is None and not rows and not names:
                    names = tuple(cells)
                    continue
                if values is None and len(cells) == len(names):
                    values, found = _mixed(cells)
                    texts += [(len(rows), column, text) for column, text in found]
                if values is None or len(values) != len(names or (rows or [values])[0]):
                    raise InvalidArgument(
                        f"sample '{path}', line {reader.line_num}: expected as many numbers as in"
                        " the lines before"
                    )
                rows.append(values)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidArgument(f"sample '{path}' is not CSV in UTF-8: {error}") from error
    if not rows:
        raise InvalidArgument(f"sample '{path}' has no rows")
    return Sample(np.asarray(rows, np.float64), names, tuple(texts))


def _numbers(cells: list[str]) -> list[float] | None:
    try:
        return [float(cell) for cell in cells]
    except ValueError:
        return None


def _mixed(cells: list[str]) -> tuple[list[float], list[tuple[int, str]]]:
    """Numbers, NaN in the place of texts, and the texts with their columns."""
    numbers = [_numbers([cell]) for cell in cells]
    texts = [(column, cells[column]) for column, number in enumerate(numbers) if number is None]
    return [math.nan if number is None else number[0] for number in numbers], texts
