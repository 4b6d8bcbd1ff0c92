# SPDX-License-Identifier: Apache-2.0
"""Publishing: a new version appears in the repository complete, or not at all.

The files are written to a hidden directory beside their destination and brought to disk, the
manifest last; then one rename makes the version visible. A publisher that dies on the way leaves a
hidden directory that nobody reads and that the next publisher removes: it can tell from a lock
which the kernel frees when its holder dies.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from thriftscore.errors import Internal, InvalidArgument, ModelNotFound, ModelRefused
from thriftscore.repository.files import Directory
from thriftscore.repository.golden import Golden
from thriftscore.repository.labels import locked, read_labels
from thriftscore.repository.loading import published_versions
from thriftscore.repository.manifest import (
    MANIFEST_FILE,
    FileDigest,
    ImportReport,
    Manifest,
    OnnxBinding,
    Source,
)
from thriftscore.repository.names import (
    VERSION_MAX,
    check_model_name,
    parse_version,
)

_TEMPORARY_PREFIX = ".publish-"
_NEWEST_FILE = ".newest-version"
"""The number of the newest version, where that was removed: no number is used twice."""
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


def publish(repository: Path, name: str, new: NewVersion, version: int | None = None) -> int:
    """Write `new` as a version of the model `name` and return its number.

    That is `version`, which must be above all others, or else the next one. The repository and the
    model's directory are made where absent. Any number of publishers may run at once: each gets a
    number of its own, and of those who ask for the same one, the first. When this returns, the
    version is on disk.

    Raises InvalidArgument for a bad name or version and Internal where the disk refuses; then no
    version was published, unless the message says otherwise.
    """
    check_model_name(name)
    if not new.model:
        raise InvalidArgument(f"the model file of '{name}' is empty")
    if version is not None and parse_version(str(version)) is None:
        raise InvalidArgument(f"version {version} of '{name}': expected 1 to {VERSION_MAX}")
    try:
        repository.mkdir(parents=True, exist_ok=True)
        with (
            Directory.open_root(repository) as root,
            root.create(name) as model,
            _temporary_directory(model) as temporary,
        ):
            _write_files(temporary, _files(new))
            return _make_visible(model, temporary.path.name, version)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise Internal(f"cannot publish '{name}' in '{repository}': {reason}") from error


def remove_version(repository: Path, name: str, version: int) -> None:
    """Remove a version from the disk; a server that has it loaded keeps it.

    Raises ModelNotFound where there is none, ModelRefused where a label needs it or the labels
    are damaged, and Internal where the disk refuses.
    """
    check_model_name(name)
    try:
        with Directory.open_root(repository) as root, root.open(name) as model, locked(model):
            _check_unneeded(model, version)
            _remove(model, version)
    except FileNotFoundError:
        raise ModelNotFound(f"there is no model '{name}'") from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise Internal(f"cannot remove version {version} of '{name}': {reason}") from error


def _check_unneeded(model: Directory, version: int) -> None:
    """Raise where a version is absent or a label needs it."""
    name, labels = model.path.name, read_labels(model)
    if version not in published_versions(model):
        raise ModelNotFound(f"model '{name}' has no version {version}")
    if version in labels.numbers():
        named = [label for label, to in labels.versions.items() if to == version]
        raise ModelRefused(
            f"version {version} of '{name}' is needed by"
            f" {', '.join(named) or 'the split or the shadow'}: move that first"
        )


def _remove(model: Directory, version: int) -> None:
    """Hide a version with one rename, then remove its files."""
    if version == _newest_version(model):
        model.remove(_NEWEST_FILE)
        model.write(_NEWEST_FILE, str(version).encode())
    hidden = f"{_TEMPORARY_PREFIX}{os.getpid()}-{secrets.token_hex(8)}"
    model.rename(str(version), hidden)
    _discard(model, hidden)


def _newest_version(model: Directory) -> int:
    """The largest number that a version has or had; 0 where there was none."""
    removed = 0
    with suppress(FileNotFoundError):
        text = model.read(_NEWEST_FILE, 32).decode(errors="replace")
        removed = parse_version(text) or 0
    return max([removed, *published_versions(model)])


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


@contextmanager
def _temporary_directory(model: Directory) -> Iterator[Directory]:
    """A new hidden directory of the model, locked; removed at the end unless it was renamed.

    Those of publishers that died are removed first.
    """
    name = f"{_TEMPORARY_PREFIX}{os.getpid()}-{secrets.token_hex(8)}"
    with locked(model):  # between its making and its locking it looks like one of the dead
        _remove_debris(model)
        os.mkdir(name, 0o755, dir_fd=model.descriptor)
        directory = model.open(name)
        fcntl.flock(directory.descriptor, fcntl.LOCK_EX)
    with directory:
        try:
            yield directory
        except BaseException:
            _discard(model, name)
            raise


def _remove_debris(model: Directory) -> None:
    """Remove the temporary directories whose publishers are dead, with the model's lock held."""
    for name in model.names():
        if not name.startswith(_TEMPORARY_PREFIX):
            continue
        with suppress(OSError, ModelRefused), model.open(name) as directory:
            fcntl.flock(directory.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _discard(model, name)


def _write_files(directory: Directory, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        directory.write(name, data)
    directory.sync()


def _make_visible(model: Directory, temporary: str, wanted: int | None) -> int:
    """Rename to the version that is wanted, or to the next one; return its number."""
    with locked(model):
        newest = _newest_version(model)
        version = newest + 1 if wanted is None else wanted
        if version <= newest:
            what = "exists already" if version in published_versions(model) else "is not new"
            raise InvalidArgument(
                f"version {version} of '{model.path.name}' {what}: expected more than {newest}"
            )
        os.rename(temporary, str(version), src_dir_fd=model.descriptor, dst_dir_fd=model.descriptor)
    try:
        model.sync()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise Internal(
            f"version {version} was written to '{model.path}' and may not survive a power loss:"
            f" {reason}"
        ) from error
    return version


def _discard(model: Directory, temporary: str) -> None:
    """Remove what was written; where even that fails, the first error is the one to tell."""
    with suppress(OSError):
        with model.open(temporary) as directory:
            for name in directory.names():
                directory.remove(name)
        os.rmdir(temporary, dir_fd=model.descriptor)
