# SPDX-License-Identifier: Apache-2.0
"""The results of `thriftscore bench` as one HTML file, which needs nothing from anywhere else."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from xml.etree.ElementTree import Element, tostring

from thriftscore.cli.bench_plots import Histogram, element, latency_plot, throughput_plot

_STYLE = """
:root { color-scheme: light dark; --ink: #1a1e24; --muted: #5a6472; --rule: #d8dde4;
  --paper: #ffffff; --server: #1a66d0; --echo: #a35c00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --muted: #9aa5b4; --rule: #343b46;
  --paper: #14171c; --server: #6aa8ff; --echo: #f0a84a; } }
body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: var(--ink);
  background: var(--paper); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.1rem; margin-top: 2rem; }
p { color: var(--muted); max-width: 45rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .9rem .25rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--rule); overflow-wrap: anywhere; }
.numbers th, .numbers td { text-align: right; } .numbers :first-child { text-align: left; }
.scroll { overflow-x: auto; }
figure { margin: 0; } figcaption { color: var(--muted); }
svg { width: 100%; height: auto; } svg text { fill: var(--muted); font-size: 12px; }
.grid { stroke: var(--rule); } .line { fill: none; stroke-width: 2; }
.line.server { stroke: var(--server); } .line.echo { stroke: var(--echo); }
.line.echo { stroke-dasharray: 6 3; }
.mark.server { fill: var(--server); } .mark.echo { fill: var(--echo); }
.key.server { color: var(--server); } .key.echo { color: var(--echo); } .key { font-weight: 600; }
pre { padding: .75rem; border: 1px solid var(--rule); white-space: pre-wrap;
  overflow-wrap: anywhere; }
"""
_WHO = {"server": "The server", "echo": "A raw echo on the machine of the load"}
_CLOSED = (
    "Closed loop: a request follows each answer. Latency counts from when a request was sent; a"
    " server that stalls is asked less, so its stalls are understated."
)
_OPEN = (
    "Open loop: requests are due at their rate, whatever comes back. Latency counts from when a"
    " request was due, however late it could be sent."
)


def page(results: Mapping[str, Any]) -> str:
    """The whole file; the same results are in it as JSON, in the element `results`."""
    used = results["options"]
    title = f"{used['method']} at {used['endpoint']}"
    head = element(
        "head",
        element("meta", attributes={"charset": "utf-8"}),
        element("meta", attributes={"name": "viewport", "content": "width=device-width"}),
        element("title", f"thriftscore bench: {title}"),
        element("style", _STYLE),
    )
    body = element("body", element("h1", title), *_body(results), _data(results))
    document = element("html", head, body, attributes={"lang": "en"})
    return f"<!DOCTYPE html>\n{tostring(document, encoding='unicode', method='html')}\n"


def _body(results: Mapping[str, Any]) -> Iterable[Element]:
    used, runs = results["options"], results["runs"]
    what = f"Model {used['model']}, " if used["method"] != "ping" else ""
    load = f"connections x requests under way: {used['connections']} x {used['depth']}"
    when = f"{datetime.fromisoformat(results['date']):%Y-%m-%d %H:%M:%S %Z}"
    yield element("p", f"{what}{load}. Rounds: {results['rounds']}. {when}.")
    yield _section("Result, median of the rounds", _summary_table(results), *_notes(results))
    plot = latency_plot({who: _merged(each) for who, each in runs.items()})
    yield _section("Latency, all rounds", _figure(plot, runs, _OPEN if used["rate"] else _CLOSED))
    plot = throughput_plot({who: _rates(each) for who, each in runs.items()})
    yield _section(
        "Throughput, requests/s",
        _figure(plot, runs, "Rounds that differ much tell of other work on the machine."),
    )
    yield _section("Rounds", _rounds_table(runs))
    yield _section("How it was measured", _facts(used))
    yield _section("Machine of the load", _facts(results["machine"]))
    yield _section("Versions", _facts(results["versions"]))
    yield _section("To measure again", element("pre", results["command"]))


def _section(title: str, *content: Element) -> Element:
    return element("section", element("h2", title), *content)


def _summary_table(results: Mapping[str, Any]) -> Element:
    rows = [[who, *_figures(results[who])] for who in results["runs"]]
    return _table(["", *_figure_names(results["server"])], rows)


def _rounds_table(runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> Element:
    rows = [
        [f"{number}, {who}", *_figures(run)]
        for number in range(1, len(runs["server"]) + 1)
        for who, each in runs.items()
        for run in each[number - 1 : number]
    ]
    return _table(["round", *_figure_names(runs["server"][0])], rows)


def _figure_names(run: Mapping[str, Any]) -> list[str]:
    return ["requests", "requests/s", *(f"{name} µs" for name in run["latency_us"]), "errors"]


def _figures(run: Mapping[str, Any]) -> list[str]:
    measured = run["requests"] > 0
    latency = [f"{value:,.1f}" if measured else "none" for value in run["latency_us"].values()]
    return [f"{run['requests']:,}", f"{run['requests_per_s']:,.0f}", *latency, f"{run['errors']:,}"]


def _notes(results: Mapping[str, Any]) -> Iterable[Element]:
    summary = results["server"]
    if "ratio" in results:
        rate, p50 = results["ratio"], results["p50_ratio"]
        yield element("p", f"Server / echo: {rate:.3f} in requests/s, {p50:.3f} in p50.")
    if summary["failures"]:
        kinds = ", ".join(f"{name} {count:,}" for name, count in summary["failures"].items())
        yield element("p", f"Errors by kind: {kinds}.")
    if summary["unsent"]:
        yield element("p", f"Due but not sent, for want of room: {summary['unsent']:,} requests.")


def _figure(plot: Element, runs: Mapping[str, Any], caption: str) -> Element:
    words: list[Element | str] = []
    for who in runs if len(runs) > 1 else []:
        words += [element("span", _WHO[who], attributes={"class": f"key {who}"}), ". "]
    return element("figure", plot, element("figcaption", *words, caption))


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Element:
    head = element("thead", element("tr", *(element("th", name) for name in columns)))
    body = element("tbody", *(element("tr", *(element("td", c) for c in row)) for row in rows))
    return element(
        "div",
        element("table", head, body, attributes={"class": "numbers"}),
        attributes={"class": "scroll"},
    )


def _facts(facts: Mapping[str, Any]) -> Element:
    shown = {name.replace("_", " "): value for name, value in facts.items() if value is not None}
    rows = (
        element("tr", element("th", name), element("td", str(value)))
        for name, value in shown.items()
    )
    return element("table", *rows)


def _merged(runs: Sequence[Mapping[str, Any]]) -> Histogram:
    counts: Counter[float] = Counter()
    for run in runs:
        counts.update(dict(run["histogram_us"]))
    return sorted(counts.items())


def _rates(runs: Sequence[Mapping[str, Any]]) -> list[float]:
    return [run["requests_per_s"] for run in runs]


def _data(results: Mapping[str, Any]) -> Element:
    text = json.dumps(results).replace("<", "\\u003c")  # nothing in it can end the element
    return element("script", text, attributes={"type": "application/json", "id": "results"})
