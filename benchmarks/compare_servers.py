#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures thriftscore and its peers, and writes every sample to a JSON file.

The servers run on processor 0 and the load on processor 1. All servers of a scenario, and all
libraries of an embedded model, are measured in turn in each round. `make_report.py` makes the
report of the file.
"""

from __future__ import annotations

import argparse
import datetime
import fnmatch
import json
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from embedded.measure import embedded_samples
from rich.console import Console
from rpc.clients import client_samples
from rpc.connecting import SCENARIO as CONNECTING
from rpc.connecting import connection_samples
from rpc.machine import ROOT, commit, machine, versions
from rpc.measure import Bench
from rpc.models import SEED
from rpc.scenarios import HEADLINE, OWN, PEAK, SCENARIOS, Scenario
from rpc.subjects import NATIVE, subjects

SCHEMA = 1
RESULTS = ROOT / "benchmarks" / "results"
SCRATCH = ROOT / "build" / "bench" / "servers"
ROUNDS, ROUNDS_QUICK = 5, 3
SERVERS_QUICK = ",".join((*HEADLINE, *OWN))
CLIENTS, EMBEDDED = "clients", "embedded"


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="only the headline scenarios")
    parser.add_argument(
        "--only", metavar="PATTERNS", default="*", help="only what is named so: 'rows_*,clients'"
    )
    parser.add_argument(
        "--servers",
        metavar="PATTERNS",
        help="only servers named so: 'echo,grpc_*'; of --quick: thriftscore, those with a target",
    )
    parser.add_argument("--rounds", type=int, help=f"default {ROUNDS}, {ROUNDS_QUICK} with --quick")
    parser.add_argument("--output", type=Path, help="default results/<date>-<commit>.json")
    return parser.parse_args()


def matches(name: str, patterns: str) -> bool:
    """Whether one of the patterns, with commas between them, is that of the name."""
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns.split(","))


def chosen(options: argparse.Namespace) -> list[Scenario]:
    """The scenarios to run; an open loop needs the peak that it is a share of."""
    wanted = [
        scenario
        for scenario in SCENARIOS
        if (scenario.quick or not options.quick) and matches(scenario.name, options.only)
    ]
    peak = next(scenario for scenario in SCENARIOS if scenario.name == PEAK)
    if peak not in wanted and any(scenario.share_of_peak for scenario in wanted):
        wanted.insert(0, peak)
    return wanted


@contextmanager
def part(name: str, missing: dict[str, str]) -> Iterator[None]:
    """What fails in here is missing from the report, which says so; the rest is not lost."""
    try:
        yield
    except Exception as failure:
        traceback.print_exc()
        missing[name] = f"{type(failure).__name__}: {failure}"


def measure(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Everything that was asked for, as the JSON file has it."""
    rounds = options.rounds or (ROUNDS_QUICK if options.quick else ROUNDS)
    named = options.servers or (SERVERS_QUICK if options.quick else "*")
    began = time.monotonic()
    servers = {name: server for name, server in subjects().items() if matches(name, named)}
    SCRATCH.mkdir(parents=True, exist_ok=True)
    with console.status("starting") as status:

        def tell(what: str) -> None:
            status.update(f"[{time.monotonic() - began:4.0f} s] {what}")
            if not console.is_terminal:
                console.print(f"[{time.monotonic() - began:4.0f} s] {what}", highlight=False)

        def asked(part: str) -> bool:
            return not options.quick and matches(part, options.only)

        bench = Bench(servers, SCRATCH, rounds, tell)
        bench.run(chosen(options))
        samples, missing = bench.results.samples, bench.results.missing
        if asked(CONNECTING):
            with part(CONNECTING, missing):
                samples.extend(connection_samples(servers, SCRATCH, rounds, tell, missing))
        if asked(CLIENTS):
            with part(CLIENTS, missing):
                samples.extend(client_samples(servers[NATIVE], SCRATCH, rounds, tell))
        embedded: list[dict[str, Any]] = []
        if asked(EMBEDDED):
            with part(EMBEDDED, missing):
                embedded.extend(embedded_samples(SCRATCH, rounds, tell))
    return {
        "schema": SCHEMA,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "seconds": round(time.monotonic() - began),
        "rounds": rounds,
        "seeds": {"models": SEED},
        "machine": machine(),
        "versions": versions(),
        "servers": {
            name: {"title": one.title, "protocol": one.protocol, "settings": one.settings}
            for name, one in servers.items()
        },
        "scenarios": {scenario.name: scenario.title for scenario in SCENARIOS},
        "samples": samples,
        "embedded": embedded,
        "missing": missing,
    }


def main() -> None:
    """Measures, writes the file and prints its name."""
    options, console = arguments(), Console(stderr=True)
    results = measure(options, console)
    name = f"{results['date'][:10]}-{results['commit'].rstrip('+')}.json"
    output = options.output or RESULTS / name
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(results, indent=1) + "\n")
    print(output)


if __name__ == "__main__":
    main()
