# SPDX-License-Identifier: Apache-2.0
"""What `thriftscore bench` says while it measures and afterwards: rounds, JSON, the HTML report."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import statistics
import subprocess
import threading
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from command_line import COMMAND, run
from server_process import ServerProcess
from stock_server import CountingHandler, stock_server

from thriftscore._generated.ttypes import ErrorCode, ScoringError
from thriftscore.cli.load_generator import run_load

VOID = {"meta"}
FOREIGN = re.compile(r"https?:|//[a-z]|\bsrc=|\bhref=|url\(|@import", re.IGNORECASE)


class Page(HTMLParser):
    """An HTML file taken apart; fails where an element does not end where it should."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open:
            assert data.strip() == ""
            return
        self.texts.setdefault(self.open[-1], []).append(data)
        if self.open[-1] in {"td", "th"}:
            self.rows[-1][-1] += data

    def classes(self, tag: str) -> list[str]:
        return [attributes.get("class") or "" for name, attributes in self.seen if name == tag]


def bench(endpoint: str, *arguments: str | Path) -> dict[str, Any]:
    done = run("bench", "--endpoint", endpoint, "--warmup-s", "0", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def written(path: Path) -> Page:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>\n")
    assert FOREIGN.search(text) is None
    assert "prefers-color-scheme: dark" in text
    return Page(text)


def figures(run: Mapping[str, Any]) -> list[str]:
    latency = [f"{value:,.1f}" for value in run["latency_us"].values()]
    return [f"{run['requests']:,}", f"{run['requests_per_s']:,.0f}", *latency, f"{run['errors']:,}"]


def test_the_kind_of_bench_may_be_left_out() -> None:
    handler = CountingHandler()
    with stock_server(handler) as server:
        line = ["--endpoint", server.endpoint, "--method", "ping", "--warmup-s", "0", "--json"]
        line += ["--requests", "4", "--rounds", "2"]
        for kind in ([], ["rpc"]):
            results = json.loads(run("bench", *kind, *line).stdout)
            assert results["command"].startswith(" ".join(["thriftscore bench", *kind, "--end"]))
            assert results["server"]["requests"] == 8
    assert handler.calls["ping"] == 16


def test_rounds_are_added_up_and_their_medians_reported() -> None:
    turns = itertools.cycle([None, ErrorCode.OVERLOADED, None])

    class Failing(CountingHandler):
        def ping(self) -> bool:
            if code := next(turns):
                raise ScoringError(code=code, message="no")
            return True

    with stock_server(Failing()) as server:
        results = bench(server.endpoint, "--method", "ping", "--requests", "30", "--rounds", "3")
    runs, summary = results["runs"]["server"], results["server"]
    assert results["rounds"] == len(runs) == 3
    assert summary["requests"] == 60
    assert summary["failures"] == {"OVERLOADED": 30}
    assert summary["errors"] == 30
    rates = [run["requests_per_s"] for run in runs]
    assert summary["requests_per_s"] == statistics.median(rates)
    for name, value in summary["latency_us"].items():
        assert value == statistics.median(run["latency_us"][name] for run in runs)


def test_json_tells_the_machine_the_versions_and_what_was_asked(
    start_server: Callable[..., ServerProcess],
) -> None:
    host, port = start_server().address
    results = bench(f"{host}:{port}", "--model", "linear", "--requests", "9", "--depth", "2")
    assert results["machine"].keys() == {"cpu", "cores", "memory_gib", "kernel"}
    assert results["versions"]["server"].startswith("thriftscore ")
    assert re.fullmatch(r"linear \d+, [0-9a-f]{64}", results["versions"]["model"])
    assert results["options"].items() >= {"features": 3, "depth": 2, "protocol": "binary"}.items()
    assert "histogram_us" not in results["runs"]["server"][0]


def test_the_html_report_has_the_figures_of_the_json_and_needs_nothing_else(
    start_server: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    host, port = start_server().address
    path = tmp_path / "report.html"
    line = ["--model", "linear", "--connections", "4", "--requests", "500", "--rounds", "3"]
    results = bench(f"{host}:{port}", *line, "--compare-echo", "--html", path)
    page = written(path)
    [data] = page.texts["script"]
    assert json.loads(data) == results
    assert page.texts["pre"] == [results["command"]]
    assert ["server", *figures(results["server"])] in page.rows
    for number, each in enumerate(results["runs"]["echo"], start=1):
        assert [f"{number}, echo", *figures(each)] in page.rows
    for facts in (results["options"], results["machine"], results["versions"]):
        for name, value in facts.items():
            assert value is None or [name.replace("_", " "), str(value)] in page.rows
    assert page.classes("polyline") == ["line server", "line echo"] * 2
    assert page.classes("circle") == ["mark server"] * 3 + ["mark echo"] * 3
    marks = [text for text in page.texts["title"] if text.startswith("server, round ")]
    rates = [run["requests_per_s"] for run in results["runs"]["server"]]
    assert marks == [
        f"server, round {i}: {rate:,.0f} requests/s" for i, rate in enumerate(rates, 1)
    ]


def test_the_plot_of_latency_ends_at_the_slowest_request(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    with stock_server(CountingHandler()) as server:
        results = bench(
            server.endpoint,
            "--method",
            "ping",
            "--requests",
            "200",
            "--rounds",
            "1",
            "--html",
            path,
        )
    histogram = results["runs"]["server"][0]["histogram_us"]
    assert sum(count for _, count in histogram) == 200
    page = written(path)
    line = next(facts["points"] or "" for tag, facts in page.seen if tag == "polyline")
    points = [tuple(map(float, point.split(","))) for point in line.split()]
    assert points == sorted(points, key=lambda point: (point[0], -point[1]))
    names = page.texts["text"]
    assert {"0 %", "50 %", "90 %", "99 %"} <= set(names)
    assert "99.9 %" not in names


@pytest.mark.parametrize("requests", ["1", "2"])
def test_a_report_of_hardly_anything_is_a_report(requests: str, tmp_path: Path) -> None:
    path = tmp_path / "<b>.html"
    with stock_server(CountingHandler()) as server:
        line = ["--method", "ping", "--requests", requests, "--rounds", "1", "--html", path]
        results = bench(server.endpoint, *line)
    page = written(path)
    assert json.loads(page.texts["script"][0]) == results
    assert "b" not in {tag for tag, _ in page.seen}


def test_a_server_that_fails_is_in_the_report_and_in_the_status(tmp_path: Path) -> None:
    class Failing(CountingHandler):
        def ping(self) -> bool:
            raise ScoringError(code=ErrorCode.OVERLOADED, message="no")

    path = tmp_path / "report.html"
    with stock_server(Failing()) as server:
        line = ["--endpoint", server.endpoint, "--method", "ping", "--requests", "5", "--json"]
        done = run("bench", *line, "--warmup-s", "0", "--html", path)
    assert done.returncode == 1
    assert done.stderr == f"error: {server.endpoint}: no request succeeded\n"
    assert json.loads(done.stdout)["rounds"] == 1  # the first that fails is the last
    assert "Errors by kind: OVERLOADED 5." in written(path).texts["p"]


# ---- while it measures ---------------------------------------------------------------------------


def test_progress_tells_the_latency_as_soon_as_there_is_one() -> None:
    told = threading.Event()
    seen: list[Mapping[str, Any]] = []

    class Waiting(CountingHandler):
        """Answers the third request once the latency of the first two has been told."""

        def ping(self) -> bool:
            super().ping()
            return self.calls["ping"] != 3 or told.wait(60)

    def progress(so_far: Mapping[str, Any]) -> None:
        seen.append(so_far)
        if so_far["requests"] == 2:
            told.set()

    with stock_server(Waiting()) as server:
        options = {"endpoint": server.endpoint, "method": "ping", "requests": 3, "timeout_s": 60}
        results = run_load({**options, "duration_s": 0, "warmup_s": 0}, progress)
    assert results["requests"] == 3
    latency = seen[-1]["latency_us"]
    assert 0 < latency["p50"] <= latency["p99"] <= latency["max"]
    assert all((each["latency_us"] is None) == (each["requests"] == 0) for each in seen)


def test_a_terminal_sees_the_round_the_rate_and_the_latency() -> None:
    """On its standard error, for as long as it takes until it has been seen."""
    controller, terminal = os.openpty()
    with stock_server(CountingHandler()) as server:
        line = ["bench", "--endpoint", server.endpoint, "--method", "ping", "--duration-s", "600"]
        with subprocess.Popen(
            # A job in the background of a script hands an ignored SIGINT on.
            ["env", "--default-signal=INT", *COMMAND, *line],
            stdout=subprocess.DEVNULL,
            stderr=terminal,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "200"},
        ) as process:
            os.close(terminal)
            shown = ""
            expected = r"round 1 of 5: [\d,]+ requests/s, p50 [\d,]+ us, p99 [\d,]+ us"
            while re.search(expected, re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)) is None:
                shown += os.read(controller, 4096).decode()
            process.send_signal(signal.SIGINT)
            reader = threading.Thread(target=read_all, args=(controller,))
            reader.start()
            assert process.wait(60) == 130
    reader.join()
    os.close(controller)


def read_all(descriptor: int) -> None:
    """Until the other end of a terminal is closed, so that nobody waits to write to it."""
    try:
        while os.read(descriptor, 4096):
            continue
    except OSError:
        return
