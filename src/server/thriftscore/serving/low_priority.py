# SPDX-License-Identifier: Apache-2.0
"""Work that stands back behind the threads that answer requests."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

NICENESS = 10
"""How far such threads stand back (Linux). Only a privileged one could come forward again."""

Result = TypeVar("Result")


def lower_priority() -> None:
    """Lets the other threads go before the calling one, for the rest of its life."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def at_low_priority(act: Callable[[], Result]) -> Result:
    """The result of `act`, or what it raises, from a thread of low priority.

    The end of the process does not wait for it.
    """
    outcome: Future[Result] = Future()

    def run() -> None:
        lower_priority()
        try:
            outcome.set_result(act())
        except BaseException as error:  # whatever it is, it is the caller's
            outcome.set_exception(error)

    threading.Thread(target=run, name="thriftscore-change", daemon=True).start()
    return outcome.result()
