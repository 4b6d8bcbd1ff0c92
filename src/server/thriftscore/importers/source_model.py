# SPDX-License-Identifier: Apache-2.0
"""What every importer makes of a source: a native model, and a way to ask the source itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from thriftscore.errors import ModelRefused
from thriftscore.importers.native_model import MissingValues, NativeModel, Precision, encode
from thriftscore.importers.sample import Sample, check_sample, sample_rows
from thriftscore.importers.seeded_rows import seeded_rows
from thriftscore.importers.stages import Doubles
from thriftscore.repository.golden import Golden

_FEATURES_PROBED_MAX = 64


@dataclass(frozen=True)
class SourceModel:
    """A source that was understood."""

    native: NativeModel
    answers: Callable[[Doubles], Doubles]
    """The source's own scores of rows: (rows, columns) to (rows, outputs). Raises ModelRefused."""
    computes_in: Precision
    format: str
    reference: str
    """What gives the answers, for the report."""
    libraries: tuple[str, ...]
    named: bool = False
    """Whether the features have names of their own."""


@dataclass(frozen=True)
class Answered:
    """The native model of a source, written, and the source's answers to compare with."""

    model: bytes
    golden: Golden


def answer(
    source: SourceModel,
    precision: Precision,
    missing_values: MissingValues | None,
    sample: Sample | None,
) -> Answered:
    """Write the native model and ask the source."""
    missing_values, golden = ask(source, precision, missing_values, sample)
    return Answered(encode(source.native, precision, missing_values), golden)


def ask(
    source: SourceModel,
    precision: Precision,
    missing_values: MissingValues | None,
    sample: Sample | None,
) -> tuple[MissingValues, Golden]:
    """Ask the source. Without a choice, NaN is refused where the source has no rule for it."""
    if sample is not None:
        check_sample(sample, source.native.features, named=source.named)
    if missing_values is None:
        missing_values = "propagate" if _accepts_nan(source) else "refuse"
    if sample is not None:
        rows = sample_rows(sample, source.native.features, source.native.categories)
    else:
        rows = _rows(source, missing_values)
    if "fp32" in {precision, source.computes_in}:
        rows = np.asarray(rows, np.float32).astype(np.float64)
    return missing_values, Golden(rows, source.answers(rows))


def _rows(source: SourceModel, missing_values: MissingValues) -> Doubles:
    """Seeded rows; some with NaN where the source answers them."""
    if missing_values == "refuse":
        return seeded_rows(source.native)
    rows = seeded_rows(source.native, missing=True)
    try:
        source.answers(rows)
    except ModelRefused:
        return seeded_rows(source.native)
    return rows


def _accepts_nan(source: SourceModel) -> bool:
    """Whether the source gives a number for a row without some feature."""
    columns = len(source.native.features)
    row = seeded_rows(source.native)[:1]
    for column in [slice(None), *range(min(columns, _FEATURES_PROBED_MAX))]:
        probe = row.copy()
        probe[:, column] = np.nan
        try:
            if np.isfinite(source.answers(probe)).all():
                return True
        except ModelRefused:
            continue
    return False
