# SPDX-License-Identifier: Apache-2.0
"""What must not be shared with a child process is made anew in it."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Renewed(Protocol):
    """Something that a forked process may not use as it is."""

    def after_fork(self) -> None:
        """Called in the child, where only the forking thread goes on."""
        ...


_RENEWED: weakref.WeakSet[Renewed] = weakref.WeakSet()


def renew_in_children(thing: Renewed) -> None:
    """Calls `after_fork` of this in every forked process, as long as it is alive."""
    _RENEWED.add(thing)


def _after_fork() -> None:
    for thing in list(_RENEWED):
        thing.after_fork()


os.register_at_fork(after_in_child=_after_fork)
