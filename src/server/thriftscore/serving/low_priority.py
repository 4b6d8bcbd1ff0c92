# SPDX-License-Identifier: Apache-2.0
"""Threads that stand back behind those that answer requests."""

from __future__ import annotations

import os
import threading

NICENESS = 10
"""How far such threads stand back (Linux). Only a privileged one could come forward again."""


def lower_priority() -> None:
    """Lets the other threads go before the calling one, for the rest of its life."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
