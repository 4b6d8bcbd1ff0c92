# SPDX-License-Identifier: Apache-2.0
"""`thriftscore bench`: how fast a server answers, and how near that is to the limit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from thriftscore.cli import bench_options as options
from thriftscore.cli.bench_options import (
    Arrivals,
    Datatype,
    Kind,
    Method,
    Mode,
    Protocol,
    Transport,
)
from thriftscore.cli.bench_results import results_of
from thriftscore.cli.bench_rounds import measure, refuse_failed
from thriftscore.cli.output import print_facts, print_json, print_rows, progress
from thriftscore.cli.server_connection import ServerConnection
from thriftscore.errors import ConfigurationError


def bench(
    kind: options.KindArgument = Kind.RPC,
    *,
    endpoint: options.Endpoint,
    method: options.MethodOption = Method.SCORE,
    model: options.Model = None,
    rows: options.Rows = None,
    features: options.Features = None,
    datatype: options.DatatypeOption = Datatype.FP32,
    transport: options.TransportOption = Transport.FRAMED,
    protocol: options.ProtocolOption = Protocol.BINARY,
    mode: options.ModeOption = Mode.CLOSED,
    rate: options.Rate = None,
    arrivals: options.ArrivalsOption = Arrivals.CONSTANT,
    connections: options.Connections = None,
    depth: options.Depth = None,
    threads: options.Threads = None,
    duration_s: options.Duration = None,
    warmup_s: options.WarmUp = None,
    requests: options.Requests = None,
    timeout_s: options.Timeout = None,
    poll: options.Poll = False,
    check: options.Check = False,
    cpu: options.Cpu = None,
    seed: options.Seed = None,
    histogram: options.Histogram = False,
    compare_echo: options.CompareEcho = False,
    rounds: options.Rounds = 5,
    server_cpu: options.ServerCpu = None,
    html: options.Html = None,
    as_json: options.Json = False,
) -> None:
    """Put a server under load and report its throughput and latency.

    Latency counts from when a request was due in an open loop, however late it could be sent, and
    from when it was sent in a closed one. Pin the server to one core and the load to another.
    The status is 1 where replies were wrong, missing, or all of them errors.
    """
    settings: dict[str, Any] = dict(locals())
    for ours in ("kind", "compare_echo", "rounds", "server_cpu", "html", "as_json"):
        del settings[ours]
    if duration_s is None:
        settings["duration_s"] = 0.0 if requests else options.DURATION_S
    settings["histogram"] = histogram or html is not None
    if compare_echo and check:
        raise ConfigurationError("--check: an echo server echoes no ids; compare without it")
    if html is not None and not html.absolute().parent.is_dir():
        raise ConfigurationError(f"--html: there is no folder '{html.parent}'")
    _complete(settings)
    with progress() as step:
        runs = measure(settings, rounds, step, echo=compare_echo, echo_cpu=server_cpu)
    results = results_of(runs, settings)
    print_json(results) if as_json else _show(results)
    if html is not None:
        _write_report(html, results)
    for run in runs["server"]:
        refuse_failed(run)


def _complete(settings: dict[str, Any]) -> None:
    """Find out about the model what the load generator has to know."""
    method = settings["method"]
    if method is Method.PING:
        return
    if not settings["model"]:
        raise ConfigurationError(f"--model: expected the model that {method} is to use")
    is_named = method is Method.SCORE_NAMED
    if settings["features"] is not None and not is_named:
        return
    with ServerConnection(settings["endpoint"]) as server:
        names = list(server.call("model_metadata", settings["model"], "").feature_names)
    if is_named:
        settings["feature_name"] = names
    if settings["features"] is None:
        settings["features"] = len(names)


def _write_report(path: Path, results: dict[str, Any]) -> None:
    from thriftscore.cli.bench_html import page  # noqa: PLC0415 - only few ask for it

    path.write_text(page(results), encoding="utf-8")


def _show(results: dict[str, Any]) -> None:
    _show_server(results)
    if "echo" in results:
        _show_comparison(results)


def _show_server(results: dict[str, Any]) -> None:
    summary, used = results["server"], results["options"]
    rates = [run["requests_per_s"] for run in results["runs"]["server"]]
    failures = ", ".join(f"{name} {count:,}" for name, count in summary["failures"].items())
    latency = ", ".join(f"{name} {value:,.1f}" for name, value in summary["latency_us"].items())
    facts = {
        "requests": f"{summary['requests']:,} in {summary['measured_s']:.1f} s",
        "errors": failures or "none",
        "requests/s": f"{summary['requests_per_s']:,.0f} ({min(rates):,.0f} to {max(rates):,.0f})",
        "rows/s": f"{summary['rows_per_s']:,.0f}",
        "bytes/s": f"{summary['bytes_out_per_s']:,.0f} out, {summary['bytes_in_per_s']:,.0f} in",
        "latency, us": latency if summary["requests"] else "none",
        "CPU of the load": f"{summary['cpu_s']:.2f} s",
    }
    if used["mode"] == Mode.OPEN:
        facts["due but not sent"] = (
            f"{summary['unsent']:,}; {used['rate']:,.0f} requests/s were due"
        )
    if used["check"]:
        facts["mismatches"] = f"{summary['mismatches']:,}"
    title = f"{used['method']} at {used['endpoint']}, {used['connections']} x {used['depth']}"
    print_facts(f"{title} requests under way, median of {results['rounds']}", facts)


def _show_comparison(results: dict[str, Any]) -> None:
    rows: list[list[object]] = []
    for who in ("server", "echo"):
        summary = results[who]
        latency = [f"{value:,.1f}" for value in summary["latency_us"].values()]
        rows.append([who, f"{summary['requests_per_s']:,.0f}", *latency])
    names = [f"{name} us" for name in results["server"]["latency_us"]]
    print_rows(["", "requests/s", *names], rows)
    spread = f"{min(results['ratios']):.3f} to {max(results['ratios']):.3f}"
    facts = {
        "requests/s": f"{results['ratio']:.3f} ({spread})",
        "p50": f"{results['p50_ratio']:.3f}",
    }
    print_facts("server / echo", facts)
