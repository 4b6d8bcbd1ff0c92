# SPDX-License-Identifier: Apache-2.0
"""From the cells of a table to the values of features."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from thriftscore.errors import ErrorCode, ThriftscoreError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Doubles: TypeAlias = NDArray[np.float64]

MISSING = frozenset({"", "NA", "N/A", "NULL", "null"})
"""Cells that stand for a missing value, as NaN in any case does, which float() reads."""

_NAMES_SHOWN = 10


class InputError(ThriftscoreError):
    """Rows that cannot be scored; the command line exits with status 1."""

    code = ErrorCode.INVALID_ARGUMENT


@dataclass(frozen=True)
class Features:
    """What has to be known of a model to make its rows from a table."""

    model: str
    names: tuple[str, ...]
    """In the order of a row."""
    categories: Mapping[str, Sequence[str]]
    """For each feature whose value is an index of names: the names."""


class CellError(Exception):
    """A cell that is no value of its feature."""

    def __init__(self, row: int, message: str) -> None:
        """`row` counts from 0 in the cells that were given."""
        super().__init__(message)
        self.row = row


def feature_values(cells: Sequence[str], names: Sequence[str] = ()) -> Doubles:
    """The values of one feature, (rows,), from texts; NaN for a missing one.

    With `names` the value of a name is its index; an index itself is accepted where no name looks
    like a number. Raises CellError.
    """
    if not names and "_" not in "".join(cells):  # float() takes 1_000, which may be anything
        try:
            return np.fromiter(map(float, cells), np.float64, len(cells))
        except ValueError:
            pass  # a missing value, or a wrong one: look at each
    indices = {name: float(index) for index, name in enumerate(names)}
    take_numbers = all(_number(name) is None for name in names)
    values = np.empty(len(cells))
    for row, cell in enumerate(cells):
        value = indices.get(cell)
        if value is None and cell.strip() in MISSING:
            value = math.nan
        if value is None and (number := _number(cell)) is not None:
            value = number if take_numbers or math.isnan(number) else None
        if value is None:
            raise CellError(row, f"expected {_expected(names)}, received {_shown(cell)}")
        values[row] = value
    return values


def column_places(features: Features, header: Sequence[str], what: str) -> list[int]:
    """Where in a header the features are, in the order of a row.

    Raises InputError, naming the features that it has not or has twice.
    """
    return _named_places(features.names, header, f"{what}: model '{features.model}' needs")


def kept_places(keep: Sequence[str], header: Sequence[str], what: str) -> list[int]:
    """Where in a header the columns to keep are. Raises InputError, see `column_places`."""
    list_like = any("," in name and name not in header for name in keep)
    hint = "; --keep takes one name, and may be repeated" if list_like else ""
    return _named_places(keep, header, f"{what}: --keep needs", hint)


def _named_places(
    names: Sequence[str], header: Sequence[str], needs: str, hint: str = ""
) -> list[int]:
    """Raises InputError, beginning with `needs`; the hint is for names that are not there."""
    places: dict[str, int] = {}
    twice: set[str] = set()
    for place, name in enumerate(header):
        twice |= {name} & places.keys()
        places[name] = place
    if missing := [name for name in names if name not in places]:
        found = f", of which there is none{_other_separator(header)}{hint}"
        raise InputError(f"{needs} {_columns(missing)}{found}")
    if doubled := [name for name in names if name in twice]:
        raise InputError(f"{needs} {_columns(doubled)} once, and it is there twice")
    return [places[name] for name in names]


def _other_separator(header: Sequence[str]) -> str:
    """A hint where the only name looks like several."""
    if len(header) == 1:
        for separator, shown in {";": "semicolons", "\t": "tabs"}.items():
            if separator in header[0]:
                return f"; its cells are separated by {shown}, expected commas"
    return ""


def _number(cell: str) -> float | None:
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def _columns(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:_NAMES_SHOWN])
    more = f" and {len(names) - _NAMES_SHOWN:,} more" if len(names) > _NAMES_SHOWN else ""
    return f"the column{'s' if len(names) > 1 else ''} {shown}{more}"


def _expected(names: Sequence[str]) -> str:
    if not names:
        return "a number"
    more = ", ..." if len(names) > _NAMES_SHOWN else ""
    return "one of " + ", ".join(map(repr, names[:_NAMES_SHOWN])) + more


def _shown(cell: str) -> str:
    return repr(cell if len(cell) <= 80 else cell[:80] + "...")
