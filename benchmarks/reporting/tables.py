# SPDX-License-Identifier: Apache-2.0
"""The tables of the report, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reporting.results import Ratio, Results
from rpc.clients import CALLERS, PROGRAMS, STOCK, scenario
from rpc.scenarios import PEAK
from rpc.subjects import ECHO, NATIVE

_US = 1e6


@dataclass(frozen=True)
class Target:
    """A ratio that is aimed for: thriftscore's requests a second to a peer's."""

    title: str
    scenario: str
    peer: str
    at_least: float


TARGETS = (
    Target("raw echo, 16 connections", PEAK, ECHO, 0.85),
    Target("libthrift C++ non-blocking, 16 connections", PEAK, "thrift_cpp_nonblocking", 1.6),
    Target("gRPC C++ synchronous, 16 connections", PEAK, "grpc_cpp_sync", 2.5),
    Target("gRPC C++ callback, 16 connections", PEAK, "grpc_cpp_callback", 2.5),
    Target("gRPC Python threads, 16 connections", PEAK, "grpc_python_threads", 30.0),
    Target("raw echo, 4 x 32 pipelined", "pipelined", ECHO, 0.6),
    Target("libthrift C++ non-blocking, 4 x 32", "pipelined", "thrift_cpp_nonblocking", 30.0),
)


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table: the first column is text, the others are numbers."""
    lines = [_line(titles), _line(["---"] + ["--:"] * (len(titles) - 1))]
    return "\n".join([*lines, *map(_line, rows)])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def times(ratio: Ratio | None, *, spread: bool = False) -> str:
    """`3.2x`, or nothing where there is no ratio; with the rounds' extremes where asked for."""
    if ratio is None:
        return ""
    text = _figure(ratio.median)
    return f"{text} ({_figure(ratio.lowest)}-{_figure(ratio.highest)})" if spread else text


def _figure(value: float) -> str:
    if value >= 100:
        return f"{value:.0f}x"
    return f"{value:.1f}x" if value >= 10 else f"{value:.2f}x"


def _number(value: float | None, digits: int = 0) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def scenario_table(results: Results, scenario: str) -> str:
    """Each server's rate, latency and cost in a scenario, and thriftscore's rate by its rate."""
    titles = ["server", "requests/s", "thriftscore is", "p50 µs", "p99 µs", "p99.9 µs"]
    titles += ["CPU µs a request", "memory MiB"]
    rows = []
    for server in results.servers(scenario):
        cost = results.median(scenario, server, "cpu_s_per_1000")
        ratio = results.ratio(scenario, "requests_per_s", NATIVE, server)
        rows.append(
            [
                results.title(server),
                _number(results.median(scenario, server, "requests_per_s")),
                "" if server == NATIVE else times(ratio, spread=True),
                *(
                    _number(results.median(scenario, server, metric))
                    for metric in ("p50_us", "p99_us", "p999_us")
                ),
                _number(None if cost is None else cost * 1000, 1),
                _number(results.median(scenario, server, "peak_rss_mib")),
            ]
        )
    return table(titles, rows)


def connections_table(results: Results, scenario: str) -> str:
    """Connections a second."""
    metric = "connections_per_s"
    rows = [
        [
            results.title(server),
            _number(results.median(scenario, server, metric)),
            "" if server == NATIVE else times(results.ratio(scenario, metric, NATIVE, server)),
        ]
        for server in results.servers(scenario)
    ]
    return table(["server", "connections/s", "thriftscore is"], rows)


def clients_table(results: Results) -> str:
    """Each language's client beside the generated one of that language."""
    rows = []
    for callers in CALLERS:
        for language in PROGRAMS:
            where, stock = scenario(callers), f"{language}_{STOCK}"
            rows.append(
                [
                    f"{language}, {callers} {'caller' if callers == 1 else 'callers'}",
                    _number(results.median(where, language, "requests_per_s")),
                    times(results.ratio(where, "requests_per_s", language, stock), spread=True),
                    _number(results.median(where, language, "p50_us")),
                    times(results.ratio(where, "p50_us", language, stock), spread=True),
                ]
            )
    titles = ["client", "calls/s", "the generated client's", "p50 µs", "of the generated one's"]
    return table(titles, rows)


def headline_table(results: Results) -> str:
    """Each server's rate at 16 connections, and thriftscore's by it, there and pipelined."""
    rows = []
    for server in results.servers(PEAK):
        piped = results.ratio("pipelined", "requests_per_s", NATIVE, server)
        ratio = results.ratio(PEAK, "requests_per_s", NATIVE, server)
        rows.append(
            [
                results.title(server),
                _number(results.median(PEAK, server, "requests_per_s")),
                _number(results.median(PEAK, server, "p50_us")),
                "" if server == NATIVE else times(ratio),
                "" if server == NATIVE else times(piped),
            ]
        )
    titles = ["server, one processor", "requests/s", "p50 µs", "thriftscore is", "pipelined it is"]
    return table(titles, rows)


def targets_table(results: Results) -> str:
    """What was aimed for and what was reached."""
    rows = []
    for target in TARGETS:
        ratio = results.ratio(target.scenario, "requests_per_s", NATIVE, target.peer)
        if ratio is not None:
            verdict = "met" if ratio.median >= target.at_least else _missed(results, target)
            rows.append([target.title, f"{target.at_least:g}x", times(ratio, spread=True), verdict])
    return table(["thriftscore's requests a second to those of", "target", "measured", ""], rows)


def _missed(results: Results, target: Target) -> str:
    """With how much it asks for: no server does more than the echo, which only returns bytes."""
    limit = results.ratio(target.scenario, "requests_per_s", ECHO, target.peer)
    if limit is None or target.peer == ECHO:
        return "**missed**"
    share = target.at_least / limit.median
    return f"**missed**: it asks for {share:.0%} of the raw echo, which does {times(limit)} there"


def embedded_table(results: Results) -> str:
    """The engine's time a call, and how many times as long each library takes."""
    rows = []
    for model, count, threads in results.embedded_models():
        own = results.embedded_seconds(model, count, threads, "thriftscore")
        others = [
            f"{library} {times(results.speedup(model, count, threads, library))}"
            for library in results.libraries(model)
            if library != "thriftscore"
        ]
        where = f"{model}, {count:,} rows" + (f", {threads} threads" if threads > 1 else "")
        rows.append([where, _number(None if own is None else own * _US, 2), ", ".join(others)])
    return table(["model", "thriftscore µs a call", "as long as that takes"], rows)


def losses(results: Results) -> list[str]:
    """Where a peer was faster than thriftscore, as lines of a list."""
    found = []
    for name in results.scenarios():
        for server in results.servers(name):
            ratio = results.ratio(name, "requests_per_s", NATIVE, server)
            if ratio is not None and ratio.median < 1 and not _is_own(server):
                title = results.facts["scenarios"].get(name, name)
                found.append(f"{title}: {times(ratio, spread=True)} of {results.title(server)}")
    for callers in CALLERS:
        for language in PROGRAMS:
            stock = f"{language}_{STOCK}"
            ratio = results.ratio(scenario(callers), "requests_per_s", language, stock)
            if ratio is not None and ratio.median < 1:
                found.append(f"{language} client, {callers} callers: {times(ratio, spread=True)}")
    for model, rows, threads in results.embedded_models():
        for library in results.libraries(model):
            ratio = results.speedup(model, rows, threads, library)
            if ratio is not None and ratio.median < 1:
                where = f"{model}, {rows:,} rows, {threads} threads"
                found.append(f"embedded, {where}: {times(ratio, spread=True)} of {library}")
    return found


def _is_own(server: str) -> bool:
    return server == ECHO or server.startswith(NATIVE)
