# SPDX-License-Identifier: Apache-2.0
"""How many connections a second a server takes, each with one request on it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rpc import loads
from rpc.loads import Load, LoadError, Target
from rpc.models import served_model
from rpc.processes import StartError
from rpc.requests import write_request
from rpc.subjects import Situation, Subject

SCENARIO = "connecting"
CONNECTIONS = 300


def connection_samples(
    subjects: dict[str, Subject],
    folder: Path,
    rounds: int,
    tell: Callable[[str], None],
    missing: dict[str, str],
) -> Iterator[dict[str, Any]]:
    """Connections a second in each round; the client opens them all and sends a request on each.

    Who could not take them goes into `missing`, with the reason.
    """
    model = served_model("linear_32", folder / "models")
    situation = Situation(model, folder, reply_bytes=100)
    load = Load(connections=CONNECTIONS, seconds=0.0, warm_up_s=0.0, requests=CONNECTIONS)
    nothing = dataclasses.replace(load, connections=1, requests=1)
    with ExitStack() as servers:
        targets: dict[str, Target] = {}
        for name, subject in subjects.items():
            if subject.missing or subject.form == "repeated":  # a connection has no form
                continue
            tell(f"starting {subject.title}")
            try:
                server = servers.enter_context(subject.running(situation))
            except StartError:
                continue
            body = write_request(folder, subject.form, 1, len(model.feature_names))
            targets[name] = Target(subject.protocol, server.endpoint, model.feature_names, body)
        for number in range(1, rounds + 1):
            for name, target in targets.items():
                if f"{name} in {SCENARIO}" in missing:  # the kernel tries for minutes to connect
                    continue
                tell(f"connections: round {number} of {rounds}, {name}")
                try:
                    seconds = _seconds(target, load) - _seconds(target, nothing)
                except LoadError as failure:
                    missing[f"{name} in {SCENARIO}"] = str(failure)
                    continue
                rate = (CONNECTIONS - 1) / max(seconds, 1e-6)
                yield {
                    "scenario": SCENARIO,
                    "server": name,
                    "round": number,
                    "connections_per_s": rate,
                }


def _seconds(target: Target, load: Load) -> float:
    began = time.perf_counter()
    loads.run_requests(target, load)
    return time.perf_counter() - began
