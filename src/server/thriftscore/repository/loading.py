# SPDX-License-Identifier: Apache-2.0
"""Loading one version: what is checked before a model may answer."""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from thriftscore.errors import ModelNotFound, ModelRefused
from thriftscore.model import Model
from thriftscore.repository.files import Directory
from thriftscore.repository.golden import Golden, differences
from thriftscore.repository.manifest import (
    GOLDEN_BYTES_MAX,
    GOLDEN_FILE,
    MANIFEST_BYTES_MAX,
    MANIFEST_FILE,
    MODEL_BYTES_MAX,
    FileDigest,
    Manifest,
)
from thriftscore.repository.names import is_model_name, parse_version
from thriftscore.repository.onnx_model import OnnxModel

ONNX_FIRST_SCORES_S_MAX = 60.0
"""How long an ONNX graph, which may loop, has for the golden rows; the engine's models end."""

AnyModel: TypeAlias = Model | OnnxModel
"""What computes a version."""


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A version that passed every check. Immutable; any number of threads may score with it."""

    name: str
    version: int
    model: AnyModel
    manifest: Manifest

    @property
    def digest(self) -> str:
        """SHA-256 of the model file, in lower-case hexadecimal."""
        return self.manifest.digest


def published_models(root: Directory) -> list[str]:
    """The models of a repository: its directories whose names are allowed."""
    return [name for name in root.names() if is_model_name(name) and root.is_directory(name)]


def published_versions(model: Directory) -> list[int]:
    """The versions of a model, rising; whether each can be loaded is another question."""
    versions = (parse_version(name) for name in model.names())
    return sorted(version for version in versions if version is not None)


def load_version(root: Directory, name: str, version: int) -> ServedModel:
    """Read, check, parse, warm up and replay one version.

    Every file is read once; the bytes whose digest was checked are the bytes that are parsed.

    Raises ModelNotFound where the version is absent and ModelRefused, naming the check that
    failed, where it is not fit to serve.
    """
    try:
        with root.open(name) as folder, folder.open(str(version)) as directory:
            manifest, model_bytes, golden = _read_files(directory)
    except FileNotFoundError as error:
        raise ModelNotFound(f"model '{name}' has no version {version}") from error
    model = _load_model(model_bytes, manifest)
    served = ServedModel(name, version, model, manifest)
    with _time_limit(model):
        _replay(served, golden)
    return served


def _time_limit(model: AnyModel) -> AbstractContextManager[None]:
    if isinstance(model, OnnxModel):
        return model.time_limit(ONNX_FIRST_SCORES_S_MAX)
    return nullcontext()


def _read_files(directory: Directory) -> tuple[Manifest, bytes, Golden | None]:
    manifest = Manifest.decode(_read(directory, MANIFEST_FILE, MANIFEST_BYTES_MAX))
    name = manifest.model_file
    model = _read_digested(directory, name, manifest.files[name])
    digest = manifest.files.get("golden.safetensors")
    if digest is None:
        return manifest, model, None
    return manifest, model, Golden.decode(_read_digested(directory, GOLDEN_FILE, digest))


def _load_model(data: bytes, manifest: Manifest) -> AnyModel:
    return Model.load_bytes(data) if manifest.onnx is None else OnnxModel(data, manifest.onnx)


def _read(directory: Directory, name: str, bytes_max: int) -> bytes:
    try:
        return directory.read(name, bytes_max)
    except FileNotFoundError:
        raise ModelRefused(f"'{directory.path}' has no {name}") from None


def _read_digested(directory: Directory, name: str, expected: FileDigest) -> bytes:
    limit = GOLDEN_BYTES_MAX if name == GOLDEN_FILE else MODEL_BYTES_MAX
    data = _read(directory, name, min(expected.bytes, limit))
    if len(data) != expected.bytes:
        raise ModelRefused(
            f"'{directory.path / name}' has {len(data):,} bytes,"
            f" its manifest says {expected.bytes:,}"
        )
    received = hashlib.sha256(data).hexdigest()
    if received != expected.sha256:
        raise ModelRefused(
            f"'{directory.path / name}' has the SHA-256 {received},"
            f" its manifest says {expected.sha256}"
        )
    return data


def _replay(served: ServedModel, golden: Golden | None) -> None:
    """Score the golden rows, which also warms the model up; without any, score one row of zeros."""
    model = served.model
    if golden is None:
        model.score(np.zeros((1, model.columns)))
        return
    if golden.features.shape[1] != model.columns:
        raise ModelRefused(
            f"{GOLDEN_FILE}: rows have {golden.features.shape[1]} features,"
            f" the model has {model.columns}"
        )
    try:
        scores = model.score(golden.features)
    except ValueError as error:
        raise ModelRefused(f"{GOLDEN_FILE}: the model refuses its own rows: {error}") from error
    worst = differences(scores, golden.scores).max_relative
    if worst > served.manifest.tolerance:
        raise ModelRefused(
            f"{GOLDEN_FILE}: answers differ from the golden ones by {worst:.3g},"
            f" expected at most {served.manifest.tolerance:.3g}"
        )
