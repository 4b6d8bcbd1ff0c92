# SPDX-License-Identifier: Apache-2.0
"""Times the scorers of each model in turn, round after round, so that all meet one machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from embedded.dense import FEATURES, KINDS, dense_rows, dense_scorers
from embedded.forests import CASES, forest_rows, forest_scorers
from embedded.scorers import OnThreads, Rows, Score
from embedded.threads import SIZES
from threadpoolctl import threadpool_limits

ROUNDS = 7
SAMPLE_S = 0.02
CALLS_MAX = 2_000

Sample = dict[str, Any]


@dataclass(frozen=True)
class Family:
    """One model in several libraries."""

    name: str
    scorers: dict[str, OnThreads]
    rows: Callable[[int], Rows]


def families(folder: Path) -> Iterator[Family]:
    """Every model that is scored, made as it is needed."""
    for kind in KINDS:
        home = folder / kind.replace(" ", "_")
        home.mkdir(parents=True, exist_ok=True)
        yield Family(f"{kind}, {FEATURES} features", dense_scorers(kind, home), dense_rows)
    for library in dict.fromkeys(library for library, _ in CASES):
        home = folder / library
        home.mkdir(parents=True, exist_ok=True)
        yield Family(f"forest of {library}", forest_scorers(library, home), forest_rows)


def embedded_samples(
    folder: Path, rounds: int, tell: Callable[[str], None], sizes: Sequence[Any] = SIZES
) -> Iterator[Sample]:
    """Seconds a call, of every model, size and library, in each round."""
    tell("embedded: fitting models")
    for family in families(folder):
        for rows, threads in sizes:
            tell(f"embedded: {family.name}, {rows} rows, {threads} threads")
            data = family.rows(rows)
            scorers = {name: make(threads) for name, make in family.scorers.items()}
            with threadpool_limits(threads):
                _require_equal_scores(scorers, data)
                calls = {name: _calls(score, data) for name, score in scorers.items()}
                for number in range(1, rounds + 1):
                    for name, score in scorers.items():
                        yield {
                            "model": family.name,
                            "rows": rows,
                            "threads": threads,
                            "library": name,
                            "round": number,
                            "seconds": _seconds_per_call(score, data, calls[name]),
                        }


def _require_equal_scores(scorers: dict[str, Score], data: Rows) -> None:
    """Of several outputs the last one: some libraries give one of two classes, others both."""
    last = [np.reshape(score(data), (len(data), -1))[:, -1] for score in scorers.values()]
    for scores in last[1:]:
        np.testing.assert_allclose(scores, last[0], rtol=1e-3, atol=1e-4)


def _calls(score: Score, data: Rows) -> int:
    """How many calls take SAMPLE_S."""
    score(data)
    seconds = max(_seconds_per_call(score, data, 1), 1e-7)
    return int(np.clip(SAMPLE_S / seconds, 1, CALLS_MAX))


def _seconds_per_call(score: Score, data: Rows, calls: int) -> float:
    began = time.perf_counter()
    for _ in range(calls):
        score(data)
    return (time.perf_counter() - began) / calls
