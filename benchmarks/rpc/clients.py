# SPDX-License-Identifier: Apache-2.0
"""The clients of each language, and the generated one of the same language, against one server.

Each language has a program that measures both in turn, with one caller and with 16; the programs
take turns here. A client and its load are one process, on the load's processor.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rpc.machine import ROOT
from rpc.models import ServedModel, served_model
from rpc.processes import LOAD_CPU
from rpc.subjects import Situation, Subject

SECONDS = 0.7
JAVA_WARM_UP_SECONDS = 2.0
"""Of each client and number of callers: so long its machine code takes to become the final one."""
CALLERS = (1, 16)
STOCK = "generated"
TIMEOUT_S = 120.0

Parse = Callable[[dict[str, Any], int, str], dict[str, float]]
"""From a program's JSON, callers, and `ours` or `stock`, to calls_per_s and p50_us."""


def _python(row: str, endpoint: str) -> list[str]:
    program = ROOT / "clients" / "python" / "samples" / "compare_stock.py"
    words = [sys.executable, str(program), "--endpoint", endpoint, "--row", row]
    return [*words, "--seconds", str(SECONDS)]


def _go(row: str, endpoint: str) -> list[str]:
    words = [str(ROOT / "clients" / "go" / "bin" / "sample"), "compare", "--endpoint", endpoint]
    return [*words, "--columns", str(row.count(",") + 1), "--seconds", str(SECONDS)]


def _java(row: str, endpoint: str) -> list[str]:
    jar = ROOT / "clients" / "java" / "target" / "thriftscore-sample.jar"
    words = ["java", "-jar", str(jar), "compare", "--endpoint", endpoint, "--row", row]
    return [*words, "--seconds", str(SECONDS), "--warm-up", str(JAVA_WARM_UP_SECONDS)]


PROGRAMS: dict[str, tuple[Callable[[str, str], list[str]], Parse]] = {
    "python": (_python, lambda found, callers, who: found["medians"][f"{who}_{callers}"]),
    "go": (_go, lambda found, callers, who: found["callers"][str(callers)][who]),
    "java": (_java, lambda found, callers, who: found[f"{who}_{callers}"]),
}


def scenario(callers: int) -> str:
    """The name of the samples with so many callers."""
    return f"clients_{callers}"


def client_samples(
    server: Subject, folder: Path, rounds: int, tell: Callable[[str], None]
) -> Iterator[dict[str, Any]]:
    """Calls a second and latency of each client in each round."""
    model = served_model("linear_32", folder / "models")
    with ExitStack() as running:
        endpoint = running.enter_context(server.running(Situation(model, folder))).endpoint
        for number in range(1, rounds + 1):
            for language in PROGRAMS:
                tell(f"clients: round {number} of {rounds}, {language}")
                yield from _samples(language, endpoint, model, number)


def _samples(
    language: str, endpoint: str, model: ServedModel, number: int
) -> Iterator[dict[str, Any]]:
    command, parse = PROGRAMS[language]
    words = command(",".join(["0.5"] * len(model.feature_names)), endpoint)
    words = ["taskset", "-c", str(LOAD_CPU), *words, "--model", "m", "--rounds", "1"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    found = json.loads(done.stdout)
    for callers in CALLERS:
        for who, name in (("ours", language), ("stock", f"{language}_{STOCK}")):
            measured = parse(found, callers, who)
            yield {
                "scenario": scenario(callers),
                "server": name,
                "round": number,
                "requests_per_s": measured["calls_per_s"],
                "p50_us": measured["p50_us"],
            }
