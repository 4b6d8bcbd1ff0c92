# SPDX-License-Identifier: Apache-2.0
"""Shadow versions: what was answered is scored again, and the differences are counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thriftscore import _native
from thriftscore.serving.statistics import VersionStatistics

if TYPE_CHECKING:
    from thriftscore.config import ServerConfig
    from thriftscore.repository import ServedModel


class Shadowing:
    """The native shadow scorer, which has a thread of its own. Thread-safe."""

    def __init__(self, config: ServerConfig) -> None:
        self.scorer = _native.ShadowScorer(
            config.shadow_queue_calls_max, config.shadow_queue_bytes_max
        )

    def offer(
        self, pair: tuple[ServedModel, ServedModel], features: bytes, datatype: str, scores: bytes
    ) -> None:
        """Has rows compared that the first of `pair` answered and the second is to score.

        Returns at once: what there is no room for is dropped and counted. Only versions that the
        engine computes are compared.
        """
        served, shadow = pair
        if served.model.native is None or shadow.model.native is None:
            return
        comparison = self.scorer.comparison(
            served.name,
            (served.version, served.model.native),
            (shadow.version, shadow.model.native),
        )
        self.scorer.offer(comparison, features, datatype, scores)

    def add_statistics(self, served: ServedModel, into: VersionStatistics) -> None:
        """Adds what the comparisons of a version with its shadows have found."""
        if served.model.native is not None:
            into.shadows = self.scorer.figures(served.name, served.model.native)

    def stop(self) -> None:
        """Ends the thread; rows that wait are forgotten."""
        self.scorer.stop()
