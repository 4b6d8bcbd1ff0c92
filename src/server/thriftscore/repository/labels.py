# SPDX-License-Identifier: Apache-2.0
"""`labels.json`: names such as "stable" for versions of a model."""

from __future__ import annotations

import fcntl
import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from thriftscore.errors import ModelRefused
from thriftscore.repository.files import Directory
from thriftscore.repository.names import is_label

LABELS_FILE = "labels.json"
STABLE = "stable"
"""The label that a request without a version gets, where it is set."""

_LABELS_BYTES_MAX = 1 << 20
_VERSION_MAX = 10**18 - 1


@contextmanager
def locked(model: Directory) -> Iterator[None]:
    """Hold the lock of a model's directory: one writer at a time, freed when its holder dies."""
    fcntl.flock(model.descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(model.descriptor, fcntl.LOCK_UN)


def read_labels(model: Directory) -> dict[str, int]:
    """The labels of a model; none where the file is absent. Raises ModelRefused."""
    try:
        data = model.read(LABELS_FILE, _LABELS_BYTES_MAX)
    except FileNotFoundError:
        return {}
    path = model.path / LABELS_FILE
    try:
        labels: Any = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ModelRefused(f"'{path}' is not JSON: {error}") from error
    if not isinstance(labels, dict):
        raise ModelRefused(f"'{path}' holds {type(labels).__name__}, expected an object")
    for label, version in labels.items():
        valid = type(version) is int and 1 <= version <= _VERSION_MAX
        if not is_label(label) or not valid:
            raise ModelRefused(
                f"'{path}': expected a label and its version, received {label!a}: {version!a}"
            )
    return dict(labels)


def change_labels(
    model: Directory, change: Callable[[dict[str, int]], dict[str, int]]
) -> dict[str, int]:
    """Replace the labels of a model by `change` of them, atomically; return the new ones.

    Raises ModelRefused where the present ones cannot be read, OSError where writing fails.
    """
    with locked(model):
        labels = change(read_labels(model))
        temporary = f".{LABELS_FILE}.{secrets.token_hex(8)}"
        try:
            model.write(temporary, (json.dumps(labels, indent=2, sort_keys=True) + "\n").encode())
            model.rename(temporary, LABELS_FILE)
        finally:
            model.remove(temporary)
    return labels
