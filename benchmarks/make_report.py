#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes report.md, its plots and the README's table of a file of compare_servers.py."""

from __future__ import annotations

import argparse
from pathlib import Path

from reporting import tables
from reporting.plots import draw_all
from reporting.results import Results
from rpc.clients import CALLERS
from rpc.clients import scenario as client_scenario
from rpc.connecting import SCENARIO as CONNECTING
from rpc.machine import ROOT
from rpc.scenarios import HEADLINE_REPEATS

RESULTS = ROOT / "benchmarks" / "results"
REPORT = ROOT / "benchmarks" / "report.md"
README = ROOT / "README.md"
BEGIN, END = "<!-- benchmark table: made by make bench -->", "<!-- end of the benchmark table -->"
README_PLOT = "throughput.svg"


def report(results: Results, plots: list[Path]) -> str:
    """The whole report, in Markdown."""
    parts = [
        "<!-- Made by benchmarks/make_report.py: change that, not this. -->",
        "# thriftscore against its peers",
        _where(results),
        _how(results),
        "## Targets",
        tables.targets_table(results),
        "## Where thriftscore loses",
        _losses(results),
        "## Servers",
    ]
    clients = set(map(client_scenario, CALLERS))
    for scenario in results.scenarios():
        if scenario not in clients:
            parts += _scenario(results, scenario)
    if clients & set(results.scenarios()):
        parts += ["## Clients", tables.clients_table(results)]
        parts.append("Reproduce: `python benchmarks/compare_servers.py --only clients`")
    if results.facts["embedded"]:
        parts += ["## Embedded, in one process", tables.embedded_table(results)]
        parts.append("Reproduce: `python benchmarks/compare_servers.py --only embedded`")
    parts += ["## Plots", *(f"![{plot.stem}](plots/{plot.name})" for plot in plots)]
    parts += ["## How each server is configured", _settings(results)]
    if results.facts["missing"]:
        parts += ["## What was not measured", _missing(results)]
    return "\n\n".join(parts) + "\n"


def _where(results: Results) -> str:
    facts, machine = results.facts, results.facts["machine"]
    flags = [flag for flag in machine["cpu_flags"] if flag.startswith(("avx", "fma", "sse4"))]
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    return (
        f"{facts['date']}, commit {facts['commit']}. {machine['cores']} cores of"
        f" {machine['cpu']} ({' '.join(flags)}), {machine['memory_gib']} GiB, Linux"
        f" {machine['kernel']}, Python {machine['python']}. {versions}."
        f" Every sample: [{results.path.name}](results/{results.path.name})."
    )


def _how(results: Results) -> str:
    return (
        f"Each server has processor 0, the load processor 1. All servers of a table were measured"
        f" in turn in each of {results.facts['rounds']} rounds, in those with a target in"
        f" {HEADLINE_REPEATS} times as many shorter ones; a ratio is the median of the"
        f" rounds' quotients, with the lowest and the highest behind it. Read ratios, not absolute"
        f" numbers: the machine is shared. `thriftscore is 3.0x` means three times the requests a"
        f" second. Thrift load comes from our generator, gRPC and REST load from h2load, both with"
        f" requests made before; the first counts latency in an open loop from when a request was"
        f" due, the second from when it could be sent. All servers compute with thriftscore's"
        f" engine (MLServer: with scikit-learn), so that the tables compare the serving."
        f" gRPC C++ is the distribution's package, which keeps some debug checks; it does better"
        f" where calls share a connection, which has a table of its own."
    )


def _losses(results: Results) -> str:
    lines = tables.losses(results)
    return "\n".join(f"- {line}" for line in lines) or "Nowhere in what was measured."


def _scenario(results: Results, scenario: str) -> list[str]:
    title = results.facts["scenarios"].get(scenario, "connections, each with a request on it")
    make = tables.connections_table if scenario == CONNECTING else tables.scenario_table
    again = f"Reproduce: `python benchmarks/compare_servers.py --only {scenario}`"
    return [f"### {title}", make(results, scenario), again]


def _settings(results: Results) -> str:
    lines = []
    for server in results.facts["servers"].values():
        settings = "; ".join(f"{name}: {value}" for name, value in server["settings"].items())
        lines.append(f"- {server['title']}: {settings or 'as it comes'}")
    return "\n".join(lines)


def _missing(results: Results) -> str:
    return "\n".join(f"- {name}: {why}" for name, why in results.facts["missing"].items())


def readme_block(results: Results) -> str:
    """What the README shows: the headline table and one plot."""
    machine, facts = results.facts["machine"], results.facts
    caption = (
        f"{facts['date'][:10]}, {machine['cores']} cores of {machine['cpu']}, one for the server"
        f" and one for the load; medians of interleaved rounds, {facts['rounds']} at least."
        f" [The whole report](benchmarks/report.md) says where thriftscore loses."
    )
    plot = f"![Requests a second against connections](benchmarks/plots/{README_PLOT})"
    return "\n\n".join([BEGIN, tables.headline_table(results), caption, plot, END])


def _written_at(path: Path) -> float:
    return path.stat().st_mtime


def main() -> None:
    """Writes the report, its plots and the README's block."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "results", type=Path, nargs="?", help="results/<date>-<commit>.json; default: the newest"
    )
    parser.add_argument("--report", type=Path, default=REPORT)
    parser.add_argument("--no-readme", action="store_true", help="leave README.md as it is")
    options = parser.parse_args()
    results = Results(options.results or max(RESULTS.glob("*.json"), key=_written_at))
    options.report.write_text(report(results, draw_all(results, options.report.parent / "plots")))
    print(options.report)
    if not options.no_readme:
        text = README.read_text()
        before, after = text.partition(BEGIN)[0], text.partition(END)[2]
        README.write_text(before + readme_block(results) + after)


if __name__ == "__main__":
    main()
