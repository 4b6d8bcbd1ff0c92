# SPDX-License-Identifier: Apache-2.0
"""The labels of the models, on disk and in the table, which changes see in the same order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from thriftscore.errors import ModelNotFound, Unavailable
from thriftscore.repository.labels import Labels, change_labels, read_labels
from thriftscore.repository.model_table import ModelTable
from thriftscore.repository.snapshot import ModelRecord
from thriftscore.repository.version_loader import open_repository


class LabelStore:
    """Reads and changes labels, one at a time. Thread-safe."""

    def __init__(self, root: Path, table: ModelTable) -> None:
        self._root = root
        self._table = table
        self._lock = threading.Lock()

    def take(self, name: str) -> tuple[Labels, ModelRecord, ModelRecord]:
        """Puts the labels on disk in force, save those whose new version is not ready.

        Returns those on disk, and the model before and after. Raises ModelRefused where they are
        damaged, FileNotFoundError where there is no such model on disk, Unavailable where there is
        no repository.
        """
        with self._lock, open_repository(self._root) as root, root.open(name) as directory:
            labels, before = read_labels(directory), self._table.get(name)
            after = self._table.change(name, lambda model: model.with_labels(labels))
        return labels, before, after

    def change(self, name: str, change: Callable[[Labels], Labels]) -> None:
        """Replaces the labels by `change` of them, on disk and then in force.

        Raises ModelNotFound where there is no such model on disk, ModelRefused where its labels
        are damaged, Unavailable where the disk refuses; then nothing has changed.
        """
        try:
            with self._lock, open_repository(self._root) as root, root.open(name) as directory:
                labels = change_labels(directory, change)
                self._table.change(name, lambda model: model.with_labels(labels))
        except FileNotFoundError:
            raise ModelNotFound(f"there is no model '{name}' in '{self._root}'") from None
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise Unavailable(f"the labels of '{name}' cannot be written: {reason}") from error
