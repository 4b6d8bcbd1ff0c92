# SPDX-License-Identifier: Apache-2.0
"""One import: read the source, make the native model, compare the two."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from thriftscore.errors import InvalidArgument, ModelRefused
from thriftscore.importers.native_model import MissingValues, Precision
from thriftscore.importers.pickle_source import Request, unpickle
from thriftscore.importers.sample import Sample, read_sample
from thriftscore.importers.source_format import SourceFormat, importable_format
from thriftscore.importers.source_model import Answered, SourceModel, answer
from thriftscore.importers.stages import Doubles
from thriftscore.model import Model
from thriftscore.repository import AnyModel, ImportReport, NewVersion, OnnxModel, Source
from thriftscore.repository.files import read_file
from thriftscore.repository.golden import differences

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thriftscore.model import Matrix

SOURCE_BYTES_MAX = 2 << 30
_TOLERANCES: dict[Precision, float] = {"fp32": 1e-5, "fp64": 1e-10}


@dataclass(frozen=True)
class ImportOptions:
    """How to import a model."""

    precision: Precision = "fp32"
    """What the native model computes and answers in."""
    missing_values: MissingValues | None = None
    """What the native model does with NaN in the features; None = as the source does."""
    sample: Path | None = None
    """Rows to compare on; None = seeded ones."""
    allow_pickle: bool = False
    """Whether the source may be a pickle, which runs code when it is loaded."""
    backend: Literal["native", "onnxruntime"] = "native"
    """What computes the model: the engine, or ONNX Runtime, which has every operator."""
    pickle_timeout_s: float = 300.0
    """How long converting a pickle may take."""


@dataclass(frozen=True)
class ImportedModel:
    """A native model that answers as its source does, ready to be published."""

    version: NewVersion
    report: ImportReport
    model: AnyModel


@dataclass(frozen=True)
class _Original:
    """The native model of a source, and the source's own answers."""

    answered: Answered
    both_double: bool
    """Whether source and native model both compute in double."""
    reference: str
    format: str
    libraries: tuple[str, ...]
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
    found = importable_format(source, data)
    if options.backend == "onnxruntime":
        return _keep(found, source, (data, sample), options, progress)
    read = _read_by(found) if found not in _IN_A_CHILD else None
    if read is None:
        original = _from_child(found, data, sample, options, progress)
    else:
        progress("understanding the model")
        original = _answered(read(data), sample, options, progress)
    origin = _origin(original.format, source, data, original.libraries)
    return _finish(original, origin, options, progress)


def _origin(kind: str, source: Path, data: bytes, libraries: tuple[str, ...]) -> Source:
    return Source(
        format=kind,
        file_name=source.name,
        sha256=hashlib.sha256(data).hexdigest(),
        libraries={name: metadata.version(_installed(name)) for name in libraries},
    )


def _keep(
    found: SourceFormat,
    source: Path,
    contents: tuple[bytes, Sample | None],
    options: ImportOptions,
    progress: Callable[[str], None],
) -> ImportedModel:
    """An ONNX file as it is, for ONNX Runtime."""
    data, sample = contents
    if found is not SourceFormat.ONNX:
        raise InvalidArgument(
            f"--backend onnxruntime takes ONNX files, '{source}' is {found.value}"
        )
    from thriftscore.importers.onnx_kept import keep_onnx  # noqa: PLC0415 - needs onnx

    progress("asking ONNX Runtime")
    kept = keep_onnx(data, sample, options.missing_values)
    model = OnnxModel(kept.data, kept.binding)
    origin = _origin("onnx", source, data, ("onnx", "onnxruntime", "numpy"))
    original = _Original(
        answered=Answered(kept.data, kept.golden),
        both_double=model.precision == "fp64",
        reference="onnxruntime itself",
        format="onnx",
        libraries=(),
    )
    report = _compare(model, original)
    tolerance = _TOLERANCES[kept.binding.precision]
    version = NewVersion(kept.data, kept.golden, tolerance, origin, report, kept.binding)
    return ImportedModel(version, report, model)


def _read_source(source: Path) -> bytes:
    try:
        return read_file(source, SOURCE_BYTES_MAX)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InvalidArgument(f"'{source}' cannot be read: {reason}") from error


_IN_A_CHILD = {SourceFormat.PICKLE, SourceFormat.COMPRESSED, SourceFormat.SKOPS}
_READERS = {
    SourceFormat.ONNX: ("onnx_source", "read_onnx_file"),
    SourceFormat.XGBOOST: ("booster_source", "read_xgboost_file"),
    SourceFormat.LIGHTGBM: ("booster_source", "read_lightgbm_file"),
    SourceFormat.NPZ: ("plain_weights", "read_npz"),
    SourceFormat.WEIGHTS: ("plain_weights", "read_json"),
}


def _read_by(found: SourceFormat) -> Callable[[bytes], SourceModel]:
    """The reader of a format; its module needs libraries that other formats do not."""
    module, name = _READERS[found]
    try:
        reader = getattr(importlib.import_module(f"thriftscore.importers.{module}"), name)
    except ImportError as error:
        raise ModelRefused(
            f"importing {found.value} needs {error.name}: pip install 'thriftscore[import]'"
        ) from error
    return cast("Callable[[bytes], SourceModel]", reader)


def _answered(
    source: SourceModel,
    sample: Sample | None,
    options: ImportOptions,
    progress: Callable[[str], None],
) -> _Original:
    progress("asking the source for its own answers")
    return _Original(
        answered=answer(source, options.precision, options.missing_values, sample),
        both_double=options.precision == source.computes_in == "fp64",
        reference=source.reference,
        format=source.format,
        libraries=(*source.libraries, "numpy"),
    )


def _from_child(
    found: SourceFormat,
    data: bytes,
    sample: Sample | None,
    options: ImportOptions,
    progress: Callable[[str], None],
) -> _Original:
    skops = found is SourceFormat.SKOPS
    if not skops and not options.allow_pickle:
        raise ModelRefused(
            "a pickle runs code when it is loaded; import it with --allow-pickle if you trust it"
        )
    what = "skops" if skops else "pickle"
    progress(f"converting the {what} in a process of its own")
    request = Request(
        format=what,
        precision=options.precision,
        missing_values=options.missing_values,
        allow_pickle=options.allow_pickle,
        timeout_s=options.pickle_timeout_s,
    )
    done = unpickle(data, sample, request)
    return _Original(
        answered=done.answered,
        both_double=options.precision == "fp64",
        reference=done.reference,
        format="sklearn",
        libraries=(*done.libraries, "numpy"),
        warnings=done.warnings,
    )


def _installed(name: str) -> str:
    """The package that a library was installed from: XGBoost's CPU build has a name of its own."""
    if name != "xgboost":
        return name
    return (
        "xgboost" if metadata.packages_distributions()["xgboost"] == ["xgboost"] else "xgboost-cpu"
    )


def _finish(
    original: _Original,
    origin: Source,
    options: ImportOptions,
    progress: Callable[[str], None],
) -> ImportedModel:
    """Load the native model the way a server does, and compare."""
    progress("comparing the native model with its source")
    data, golden = original.answered.model, original.answered.golden
    model = Model.load_bytes(data)
    tolerance = _TOLERANCES["fp64" if original.both_double else "fp32"]
    report = _compare(model, original)
    if report.max_relative_difference > tolerance:
        raise ModelRefused(
            f"the native model differs from its source by {report.max_relative_difference:.3g},"
            f" expected at most {tolerance:g} of the score"
            + ("; --precision fp64 is more exact" if options.precision == "fp32" else "")
        )
    version = NewVersion(data, golden, tolerance, origin, report)
    return ImportedModel(version, report, model)


def _compare(model: AnyModel, original: _Original) -> ImportReport:
    golden = original.answered.golden
    scores = model.score(golden.features)
    worst = differences(scores, golden.scores)
    if not np.isfinite([worst.max_absolute, worst.max_relative]).all():
        raise ModelRefused("the native model or its source gives a score that is not finite")
    disagreements = None
    if model.task != "regression":
        expected = labels(golden.scores, model.label_threshold)
        disagreements = int((labels(scores, model.label_threshold) != expected).sum())
    return ImportReport(
        rows=len(scores),
        max_absolute_difference=worst.max_absolute,
        max_relative_difference=worst.max_relative,
        max_ulp_difference=ulp_difference(scores, golden.scores),
        label_disagreements=disagreements,
        reference=original.reference,
        warnings=original.warnings,
    )


def labels(scores: Matrix, threshold: float) -> NDArray[np.int64]:
    """The index of each row's class."""
    if scores.shape[1] > 1:
        return np.asarray(scores.argmax(axis=1))
    return (scores[:, 0] > threshold).astype(np.int64)


def ulp_difference(scores: Matrix, golden: Doubles) -> float:
    """The largest difference in units of the last place that scores of this precision have."""
    expected = golden.astype(scores.dtype)
    both = np.isfinite(expected) & np.isfinite(scores)
    difference = np.abs(scores[both].astype(np.float64) - expected[both].astype(np.float64))
    largest = np.maximum(np.abs(scores[both]), np.abs(expected[both]))
    return float((difference / np.spacing(largest).astype(np.float64)).max(initial=0.0))
