# SPDX-License-Identifier: Apache-2.0
"""The plots of the report: SVG on no background, in colours that read on white and on black."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot
from matplotlib.axes import Axes
from reporting.results import Results
from rpc.scenarios import PEAK
from rpc.subjects import NATIVE

_INK = "#808080"
_OWN = "#d1495b"
_PALETTE = ["#3d85c6", "#6aa84f", "#e69138", "#8e7cc3", "#45a5a5", "#b58900", "#a64d79", "#7f8c8d"]
_STYLE = {
    "svg.hashsalt": "thriftscore",  # the same file for the same numbers
    "svg.fonttype": "path",  # room was measured for this font; readers may have another
    "font.size": 10,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    # Beyond the colours, other marks and lines: no two alike.
    "axes.prop_cycle": mpl.cycler(linestyle=["-", "--"], marker=["o", "s"])
    * mpl.cycler(color=_PALETTE),
    "legend.frameon": False,
    "legend.fontsize": 8,
}
_QUANTILES = {"p50_us": "p50", "p90_us": "p90", "p99_us": "p99", "p999_us": "p99.9"}
_CONNECTIONS = {"one_row_1": 1, PEAK: 16, "one_row_64": 64}


@contextmanager
def _figure(path: Path, title: str, height: float = 4.2) -> Iterator[Axes]:
    with mpl.rc_context(_STYLE):
        figure, axes = pyplot.subplots(figsize=(8, height), layout="constrained")
        axes.set_title(title, color=_INK)
        axes.grid(visible=True, color=_INK, alpha=0.25, linewidth=0.5)
        axes.set_axisbelow(True)
        yield axes
        figure.savefig(path, transparent=True, metadata={"Date": None})
        pyplot.close(figure)


def draw_all(results: Results, folder: Path) -> list[Path]:
    """Draws every plot there are numbers for; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    if results.servers(PEAK):
        drawn = [
            _cost(results, folder / "cost.svg"),
            _throughput(results, folder / "throughput.svg"),
        ]
    drawn += [
        _latencies(results, scenario, folder / f"latency_{scenario}.svg")
        for scenario in ("open_50", "open_80")
        if results.servers(scenario)
    ]
    models = dict.fromkeys(model for model, _, _ in results.embedded_models())
    for model in models:
        name = "".join(letter if letter.isalnum() else "_" for letter in model)
        drawn.append(_batches(results, model, folder / f"batches_{name}.svg"))
    return drawn


def _bars(axes: Axes, names: Sequence[str], values: Sequence[float], own: Sequence[bool]) -> None:
    colours = [_OWN if is_own else _PALETTE[0] for is_own in own]
    bars = axes.barh(range(len(names)), values, color=colours, log=True)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.bar_label(bars, [f"{value:,.0f}" for value in values], padding=3, fontsize=8, color=_INK)
    axes.margins(x=0.12)


def _throughput(results: Results, path: Path) -> Path:
    """Requests a second against connections."""
    with _figure(path, "1 row x 32 features: requests a second against connections") as axes:
        for server in results.servers("one_row_64") or results.servers(PEAK):
            points = [
                (count, rate)
                for scenario, count in _CONNECTIONS.items()
                if (rate := results.median(scenario, server, "requests_per_s"))
            ]
            if points:
                _line(axes, server, results.title(server), points)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(list(_CONNECTIONS.values()), list(map(str, _CONNECTIONS.values())))
        axes.set_xlabel("connections, one request under way on each")
        axes.set_ylabel("requests/s")
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return path


def _line(axes: Axes, name: str, title: str, points: Sequence[tuple[float, float]]) -> None:
    emphasis = {"color": _OWN, "linewidth": 2.5, "zorder": 3} if name == NATIVE else {}
    axes.plot(*zip(*points, strict=True), label=title, **emphasis)


def _cost(results: Results, path: Path) -> Path:
    """Processor time a request."""
    costs = {
        server: 1000 * cost
        for server in results.servers(PEAK)
        if (cost := results.median(PEAK, server, "cpu_s_per_1000")) and "busy" not in server
    }
    names = sorted(costs, key=lambda name: costs[name])
    height = 1.2 + 0.28 * len(names)
    with _figure(path, "processor time of the server, µs a request", height) as axes:
        titles, values = [results.title(name) for name in names], [costs[name] for name in names]
        _bars(axes, titles, values, [name.startswith(NATIVE) for name in names])
    return path


def _latencies(results: Results, scenario: str, path: Path) -> Path:
    """Latency percentiles of each server."""
    title = f"latency in an {results.facts['scenarios'][scenario]}"
    with _figure(path, title) as axes:
        for server in results.servers(scenario):
            points = [
                (place, value)
                for place, metric in enumerate(_QUANTILES)
                if (value := results.median(scenario, server, metric))
            ]
            _line(axes, server, results.title(server), points)
        axes.set_yscale("log")
        axes.set_xticks(range(len(_QUANTILES)), list(_QUANTILES.values()))
        axes.set_ylabel("µs")
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return path


def _batches(results: Results, model: str, path: Path) -> Path:
    """Time a row against rows in a call, on one thread."""
    with _figure(path, f"{model}: time a row against rows in a call, one thread") as axes:
        for library in results.libraries(model):
            points = [
                (rows, 1e9 * seconds / rows)
                for name, rows, threads in results.embedded_models()
                if (name, threads) == (model, 1)
                and (seconds := results.embedded_seconds(model, rows, threads, library))
            ]
            title = "the library it comes from" if library == "source" else library
            _line(axes, library, title, points)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("rows in a call")
        axes.set_ylabel("ns a row")
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return path
