# SPDX-License-Identifier: Apache-2.0
"""All that is known of the models: one immutable mapping that is replaced as a whole."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from thriftscore.repository.snapshot import ModelRecord

_UNKNOWN = ModelRecord()


class ModelTable:
    """Readers take no lock; those who change it hold one that nobody keeps for long.

    Nothing is read or written under the lock but memory, so a load that takes minutes delays no
    change of another model.
    """

    def __init__(self) -> None:
        self.models: Mapping[str, ModelRecord] = {}
        self._changing = threading.Lock()
        self._observer: Callable[[], None] | None = None

    def get(self, name: str) -> ModelRecord:
        """What is known of a model; nothing where it is unknown."""
        return self.models.get(name, _UNKNOWN)

    def change(self, name: str, change: Callable[[ModelRecord], ModelRecord]) -> ModelRecord:
        """Replace a model by `change` of it and return that; one without versions is forgotten."""
        with self._changing:
            before = self.get(name)
            after = change(before)
            if after is before:
                return after
            others = {key: model for key, model in self.models.items() if key != name}
            self.models = {**others, name: after} if after.versions else others
            moved = (before.targets, before.traffic) != (after.targets, after.traffic)
            if self._observer is not None and moved:
                self._observer()
        return after

    def observe(self, observer: Callable[[], None] | None) -> None:
        """Call `observer` now and within each change of what requests get; None ends it."""
        with self._changing:
            self._observer = observer
            if observer is not None:
                observer()
