# SPDX-License-Identifier: Apache-2.0
"""`manifest.json`: what a published version consists of and where it came from.

It is the last file written, so a version exists exactly when its manifest does.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from thriftscore.errors import ModelRefused

MANIFEST_FILE = "manifest.json"
MODEL_FILE = "model.safetensors"
ONNX_FILE = "model.onnx"
GOLDEN_FILE = "golden.safetensors"
MANIFEST_BYTES_MAX = 1 << 20
MODEL_BYTES_MAX = 4 << 30
GOLDEN_BYTES_MAX = 256 << 20

FiniteDifference = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileDigest(_Record):
    """Length and SHA-256 (lower-case hexadecimal) of one file of a version."""

    bytes: Annotated[int, Field(ge=1, le=MODEL_BYTES_MAX)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ImportReport(_Record):
    """How the native model's answers compare with those of the framework it came from."""

    rows: Annotated[int, Field(ge=1)]
    max_absolute_difference: FiniteDifference
    max_relative_difference: FiniteDifference
    """Largest |native - source| / max(1, |source|, median |source|)."""
    max_ulp_difference: FiniteDifference | None = None
    """Largest difference in units of the last place of the model's precision."""
    label_disagreements: Annotated[int, Field(ge=0)] | None = None
    """Rows where the most probable class differs; None for regression."""
    reference: str = ""
    """What gave the source's answers, such as "scikit-learn predict_proba"."""
    warnings: tuple[str, ...] = ()


class Source(_Record):
    """What a version was imported from."""

    format: str = "native"
    """"onnx", "sklearn", or "native" for a model that was written as it is."""
    file_name: str = ""
    sha256: str = ""
    libraries: dict[str, str] = {}
    """Versions of the libraries that took part, by name."""


class OnnxBinding(_Record):
    """What the graph of a version means that ONNX Runtime computes."""

    input_name: str
    scores_name: str
    precision: Literal["fp32", "fp64"]
    """The type of the graph's input, which is that of the scores as well."""
    batch: Annotated[int, Field(ge=1, le=65_536)] | None = None
    """How many rows the graph takes at a time; None = any number."""
    features: Annotated[tuple[str, ...], Field(min_length=1, max_length=65_536)]
    outputs: Annotated[int, Field(ge=1, le=65_536)]
    task: Literal["regression", "binary_classification", "multiclass_classification"]
    classes: tuple[str, ...] = ()
    missing_values: Literal["refuse", "propagate"]


class Manifest(_Record):
    """The content of `manifest.json`."""

    manifest_version: Literal[1] = 1
    files: dict[Literal["model.safetensors", "model.onnx", "golden.safetensors"], FileDigest]
    onnx: OnnxBinding | None = None
    """Set exactly where the version has a `model.onnx` in the place of a `model.safetensors`."""
    source: Source = Source()
    tolerance: Annotated[float, Field(gt=0, le=1e-2)] = 1e-5
    """Bound of the relative difference, as in the report, when the golden rows are replayed."""
    report: ImportReport | None = None
    created_at: datetime

    @property
    def digest(self) -> str:
        """SHA-256 of the model file, in lower-case hexadecimal."""
        return self.files[self.model_file].sha256

    @property
    def model_file(self) -> Literal["model.safetensors", "model.onnx"]:
        """The file that the model is in."""
        return "model.safetensors" if self.onnx is None else "model.onnx"

    def encode(self) -> bytes:
        """As the bytes of `manifest.json`."""
        return (self.model_dump_json(indent=2) + "\n").encode()

    @classmethod
    def decode(cls, data: bytes) -> Manifest:
        """Read `manifest.json`. Raises ModelRefused naming the first field that is wrong."""
        try:
            manifest = cls.model_validate_json(data)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "the file"
            raise ModelRefused(f"{MANIFEST_FILE}: {place}: {first['msg']}") from error
        if manifest.model_file not in manifest.files:
            raise ModelRefused(f"{MANIFEST_FILE}: files: {manifest.model_file} is missing")
        return manifest
