# SPDX-License-Identifier: Apache-2.0
"""Publishing: a new version appears in the repository complete, or not at all.

The files are written to a hidden directory beside their destination and brought to disk, the
manifest last; then one rename makes the version visible. A publisher that dies on the way leaves a
hidden directory that nobody reads.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from thriftscore.errors import Internal, InvalidArgument
from thriftscore.repository.files import Directory
from thriftscore.repository.golden import Golden
from thriftscore.repository.labels import Labels, change_labels, locked
from thriftscore.repository.manifest import (
    MANIFEST_FILE,
    FileDigest,
    ImportReport,
    Manifest,
    OnnxBinding,
    Source,
)
from thriftscore.repository.names import check_label, check_model_name, parse_version

_TEMPORARY_PREFIX = ".publish-"
_FileName = Literal["model.safetensors", "model.onnx", "golden.safetensors"]


@dataclass(frozen=True)
class NewVersion:
    """What a version is made of, before it has a number."""

    model: bytes
    """The model file; see the format's description. Not checked here."""
    golden: Golden | None = None
    tolerance: float = 1e-5
    source: Source = field(default_factory=Source)
    report: ImportReport | None = None
    onnx: OnnxBinding | None = None
    """What the model file means where it is ONNX, for ONNX Runtime; None = a native one."""


def publish(repository: Path, name: str, new: NewVersion) -> int:
    """Write `new` as the next version of the model `name` and return its number.

    The repository and the model's directory are made where absent. Any number of publishers may
    run at once: each gets a number of its own. When this returns, the version is on disk.

    Raises InvalidArgument for a bad name and Internal where the disk refuses; then no version was
    published, unless the message says otherwise.
    """
    check_model_name(name)
    if not new.model:
        raise InvalidArgument(f"the model file of '{name}' is empty")
    try:
        repository.mkdir(parents=True, exist_ok=True)
        with Directory.open_root(repository) as root, root.create(name) as model:
            temporary = _write_files(model, _files(new))
            return _make_visible(model, temporary)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise Internal(f"cannot publish '{name}' in '{repository}': {reason}") from error


def set_published_label(repository: Path, name: str, label: str, version: int) -> Labels:
    """Point `label` at a version that is published; return all labels of the model.

    Raises InvalidArgument for a bad name or label, ModelRefused where `labels.json` is damaged and
    Internal where the disk refuses.
    """
    check_model_name(name)
    check_label(label)
    try:
        with Directory.open_root(repository) as root, root.open(name) as model:
            return change_labels(model, lambda labels: labels.with_label(label, version))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise Internal(f"cannot label version {version} of '{name}': {reason}") from error


def _files(new: NewVersion) -> dict[str, bytes]:
    """The files of a version in the order they are written."""
    name: _FileName = "model.safetensors" if new.onnx is None else "model.onnx"
    contents: dict[_FileName, bytes] = {name: new.model}
    if new.golden is not None:
        contents["golden.safetensors"] = new.golden.encode()
    manifest = Manifest(
        files={name: _digest(data) for name, data in contents.items()},
        onnx=new.onnx,
        source=new.source,
        tolerance=new.tolerance,
        report=new.report,
        created_at=datetime.now(UTC),
    )
    files: dict[str, bytes] = dict(contents.items())
    return {**files, MANIFEST_FILE: manifest.encode()}


def _digest(data: bytes) -> FileDigest:
    return FileDigest(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())


def _write_files(model: Directory, files: dict[str, bytes]) -> str:
    """Write the files to a new hidden directory of the model; return its name."""
    temporary = f"{_TEMPORARY_PREFIX}{os.getpid()}-{secrets.token_hex(8)}"
    os.mkdir(temporary, 0o755, dir_fd=model.descriptor)
    try:
        with model.open(temporary) as directory:
            for name, data in files.items():
                directory.write(name, data)
            directory.sync()
    except BaseException:
        _discard(model, temporary)
        raise
    return temporary


def _make_visible(model: Directory, temporary: str) -> int:
    try:
        with locked(model):
            version = _next_version(model)
            os.rename(
                temporary, str(version), src_dir_fd=model.descriptor, dst_dir_fd=model.descriptor
            )
    except BaseException:
        _discard(model, temporary)
        raise
    try:
        model.sync()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise Internal(
            f"version {version} was written to '{model.path}' and may not survive a power loss:"
            f" {reason}"
        ) from error
    return version


def _next_version(model: Directory) -> int:
    """One more than the largest version, whatever state the others are in."""
    versions = (parse_version(name) for name in model.names())
    return max((version for version in versions if version is not None), default=0) + 1


def _discard(model: Directory, temporary: str) -> None:
    """Remove what was written; where even that fails, the first error is the one to tell."""
    with suppress(OSError):
        with model.open(temporary) as directory:
            for name in directory.names():
                directory.remove(name)
        os.rmdir(temporary, dir_fd=model.descriptor)
