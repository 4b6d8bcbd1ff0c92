# SPDX-License-Identifier: Apache-2.0
"""How the engine and NumPy, which compute on the caller's thread, use more than one."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
from numpy.typing import NDArray

Score = Callable[[NDArray[np.float32]], NDArray[np.floating]]

# Rows and threads of each measurement: few rows are one thread's work for everybody.
SIZES = ((1, 1), (16, 1), (256, 1), (10_000, 1), (10_000, 2))


def in_threads(score: Score, threads: int) -> Score:
    """`score` with the rows split evenly over threads."""
    if threads == 1:
        return score
    pool = _pool(threads)
    return lambda rows: np.concatenate(list(pool.map(score, np.array_split(rows, threads))))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)
