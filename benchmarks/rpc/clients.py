# SPDX-License-Identifier: Apache-2.0
"""The clients of each language, and the generated one of the same language, against one server.

Each language has a program that measures both in turn, with one caller and with 16, round after
round. A client and its load are one process, on the load's processor.
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
JAVA_WARM_UP_SECONDS = 8.0
"""Of each client and number of callers: so long its machine code takes to become the final one,
as the compiler has one processor together with the callers."""
CALLERS = (1, 16)
STOCK = "generated"
TIMEOUT_S = 300.0


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


PROGRAMS = {"python": _python, "go": _go, "java": _java}


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
        for language in PROGRAMS:
            tell(f"clients: {rounds} rounds, {language}")
            yield from _samples(language, endpoint, model, rounds)


def _samples(
    language: str, endpoint: str, model: ServedModel, rounds: int
) -> Iterator[dict[str, Any]]:
    words = PROGRAMS[language](",".join(["0.5"] * len(model.feature_names)), endpoint)
    words = ["taskset", "-c", str(LOAD_CPU), *words, "--model", "m", "--rounds", str(rounds)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    names = {"ours": language, "stock": f"{language}_{STOCK}"}
    for sample in json.loads(done.stdout)["samples"]:
        if sample["client"] in names:
            yield {
                "scenario": scenario(sample["callers"]),
                "server": names[sample["client"]],
                "round": sample["round"],
                "requests_per_s": sample["calls_per_s"],
                "p50_us": sample["p50_us"],
            }
