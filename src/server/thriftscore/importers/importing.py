# SPDX-License-Identifier: Apache-2.0
"""One import: read the source, make the native model, compare the two."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

import numpy as np

from thriftscore.errors import InvalidArgument, ModelRefused
from thriftscore.importers.linear_model import (
    Doubles,
    LinearModel,
    MissingValues,
    Precision,
    encode,
)
from thriftscore.importers.onnx_file import ONNX_BYTES_MAX
from thriftscore.importers.onnx_graph import OnnxModel, read_onnx
from thriftscore.importers.onnx_reference import reference_scores
from thriftscore.importers.pickle_source import unpickle
from thriftscore.importers.sample import Sample, check_sample, read_sample, seeded_rows
from thriftscore.importers.source_format import SourceFormat, importable_format
from thriftscore.model import Model
from thriftscore.repository import Golden, ImportReport, NewVersion, Source
from thriftscore.repository.files import read_file
from thriftscore.repository.golden import differences

_TOLERANCES: dict[Precision, float] = {"fp32": 1e-5, "fp64": 1e-10}


@dataclass(frozen=True)
class ImportOptions:
    """How to import a model."""

    precision: Precision = "fp32"
    """What the native model computes and answers in."""
    missing_values: MissingValues = "refuse"
    """What the native model does with NaN in the features."""
    sample: Path | None = None
    """Rows to compare on; None = seeded ones."""
    allow_pickle: bool = False
    """Whether the source may be a pickle, which runs code when it is loaded."""
    pickle_timeout_s: float = 300.0
    """How long converting a pickle may take."""


@dataclass(frozen=True)
class ImportedModel:
    """A native model that answers as its source does, ready to be published."""

    version: NewVersion
    report: ImportReport
    model: Model


@dataclass(frozen=True)
class _Original:
    """The source, understood, and its own answers."""

    linear: LinearModel
    golden: Golden
    computes_in: Precision
    reference: str
    source: Source
    warnings: tuple[str, ...] = ()


def import_model(
    source: Path, options: ImportOptions, progress: Callable[[str], None] = lambda _: None
) -> ImportedModel:
    """Turn `source` into a native model and compare the two, row by row.

    `progress` is called with what is being done. Raises ModelRefused where the source is not
    accepted or the answers differ by more than the tolerance (1e-5; 1e-10 where both the source
    and the native model compute in double), InvalidArgument where an option does not fit.
    """
    progress("reading the source")
    data = _read_source(source)
    sample = read_sample(options.sample) if options.sample is not None else None
    if importable_format(source, data) is SourceFormat.ONNX:
        original = _from_onnx(data, sample, options, progress)
    else:
        original = _from_pickle(data, sample, options, progress)
    origin = original.source.model_copy(update={"file_name": source.name})
    return _finish(replace(original, source=origin), options, progress)


def _read_source(source: Path) -> bytes:
    try:
        return read_file(source, ONNX_BYTES_MAX)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InvalidArgument(f"'{source}' cannot be read: {reason}") from error


def _from_onnx(
    data: bytes, sample: Sample | None, options: ImportOptions, progress: Callable[[str], None]
) -> _Original:
    progress("reading the graph")
    model = read_onnx(data)
    if sample is not None:
        check_sample(sample, model.linear.features, named=False)
    rows = sample.rows if sample is not None else seeded_rows(model.linear)
    if "fp32" in {options.precision, model.precision}:
        rows = _rounded(rows)
    progress("asking ONNX Runtime")
    golden = Golden(rows, reference_scores(data, model, rows))
    return _Original(
        linear=model.linear,
        golden=golden,
        computes_in=model.precision,
        reference="onnxruntime",
        source=_origin("onnx", data, ["onnx", "onnxruntime"]),
    )


def _from_pickle(
    data: bytes, sample: Sample | None, options: ImportOptions, progress: Callable[[str], None]
) -> _Original:
    if not options.allow_pickle:
        raise ModelRefused(
            "a pickle runs code when it is loaded; import it with --allow-pickle if you trust it"
        )
    progress("converting the pickle in a process of its own")
    rows = sample.rows if sample is not None else None
    unpickled = unpickle(data, rows, options.precision, options.pickle_timeout_s)
    model = _with_features(read_onnx(unpickled.onnx), unpickled.features)
    if sample is not None:
        check_sample(sample, model.linear.features, named=bool(unpickled.features))
    return _Original(
        linear=model.linear,
        golden=unpickled.answers,
        computes_in=model.precision,
        reference=f"scikit-learn {unpickled.method}",
        source=_origin("sklearn", data, ["scikit-learn", "skl2onnx", "onnx"]),
        warnings=unpickled.warnings,
    )


def _with_features(model: OnnxModel, names: tuple[str, ...]) -> OnnxModel:
    if not names:
        return model
    if len(names) != len(model.linear.features):
        raise ModelRefused(f"{len(names)} names for {len(model.linear.features)} features")
    return replace(model, linear=replace(model.linear, features=names))


def _origin(source_format: str, data: bytes, libraries: list[str]) -> Source:
    return Source(
        format=source_format,
        sha256=hashlib.sha256(data).hexdigest(),
        libraries={name: metadata.version(name) for name in [*libraries, "numpy"]},
    )


def _finish(
    original: _Original, options: ImportOptions, progress: Callable[[str], None]
) -> ImportedModel:
    """Write the native model, load it the way a server does, and compare."""
    progress("comparing the native model with its source")
    data = encode(original.linear, options.precision, options.missing_values)
    model = Model.load_bytes(data)
    both_double = options.precision == original.computes_in == "fp64"
    tolerance = _TOLERANCES["fp64" if both_double else "fp32"]
    report = _compare(model, original)
    if report.max_relative_difference > tolerance:
        raise ModelRefused(
            f"the native model differs from its source by {report.max_relative_difference:.3g},"
            f" expected at most {tolerance:g} of the score"
            + ("; --precision fp64 is more exact" if options.precision == "fp32" else "")
        )
    version = NewVersion(data, original.golden, tolerance, original.source, report)
    return ImportedModel(version, report, model)


def _compare(model: Model, original: _Original) -> ImportReport:
    scores = model.score(original.golden.features)
    worst = differences(scores, original.golden.scores)
    if not np.isfinite([worst.max_absolute, worst.max_relative]).all():
        raise ModelRefused("the native model or its source gives a score that is not finite")
    disagreements = None
    if original.linear.task != "regression":
        disagreements = int((_labels(scores) != _labels(original.golden.scores)).sum())
    return ImportReport(
        rows=len(scores),
        max_absolute_difference=worst.max_absolute,
        max_relative_difference=worst.max_relative,
        label_disagreements=disagreements,
        reference=original.reference,
        warnings=original.warnings,
    )


def _labels(scores: np.ndarray) -> np.ndarray:
    """The index of the most probable class of each row."""
    return scores.argmax(axis=1) if scores.shape[1] > 1 else (scores[:, 0] > 0.5).astype(np.int64)


def _rounded(rows: Doubles) -> Doubles:
    """Rows as single precision has them, so that both sides get the same numbers."""
    return rows.astype(np.float32).astype(np.float64)
