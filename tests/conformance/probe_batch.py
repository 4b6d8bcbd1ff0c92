# SPDX-License-Identifier: Apache-2.0
"""The probe's batch mode: a file of rows through one call of the client's batch method."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from typing import Any

import numpy as np

from thriftscore_client import AttemptEvent, CallEvent, Client, ClientOptions


class Attempts:
    """The attempts of all chunks. Its methods may be called by several threads at once."""

    def __init__(self) -> None:
        self.events: list[AttemptEvent] = []

    def attempt_ended(self, event: AttemptEvent) -> None:
        self.events.append(event)

    def call_ended(self, event: CallEvent) -> None:
        """Its attempts are known already."""


def score_file(arguments: argparse.Namespace, options: ClientOptions) -> dict[str, Any]:
    """Scores --batch-input into --batch-output; the summary."""
    rows = np.fromfile(arguments.batch_input, "<f4").reshape(-1, arguments.columns)
    attempts = Attempts()
    with Client(arguments.endpoints, replace(options, observers=(attempts,))) as client:
        started = time.monotonic()
        result = client.score_batch(arguments.model, rows)
        seconds = time.monotonic() - started
    result.scores.astype("<f8").tofile(arguments.batch_output)
    return {
        "rows": len(result.scores),
        "columns": result.scores.shape[1],
        "model_version": result.model_version,
        "seconds": seconds,
        "attempts": len(attempts.events),
    }
