# SPDX-License-Identifier: Apache-2.0
"""`thriftscore bench`: how fast a server answers, and how near that is to the limit."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import typer

from thriftscore.cli import bench_options as options
from thriftscore.cli.bench_options import Arrivals, Datatype, Method, Mode, Protocol, Transport
from thriftscore.cli.load_generator import echo_server, failed, run_load
from thriftscore.cli.output import Step, print_facts, print_json, print_rows, progress
from thriftscore.cli.server_connection import ServerConnection
from thriftscore.errors import ConfigurationError, ThriftscoreError

bench = typer.Typer(no_args_is_help=True, help="Measure a server.")


@bench.callback()
def _group() -> None:
    """Measure a server."""


@bench.command("rpc")
def rpc(
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
    as_json: options.Json = False,
) -> None:
    """Put a server under load and report its throughput and latency.

    Latency counts from when a request was due in an open loop, however late it could be sent, and
    from when it was sent in a closed one. Pin the server to one core and the load to another.
    The status is 1 where replies were wrong, missing, or all of them errors.
    """
    settings: dict[str, Any] = dict(locals())
    for ours in ("compare_echo", "rounds", "server_cpu", "as_json"):
        del settings[ours]
    if duration_s is None:
        settings["duration_s"] = _default_duration_s(requests, compare_echo=compare_echo)
    if compare_echo and check:
        raise ConfigurationError("--check: an echo server echoes no ids; compare without it")
    _complete(settings)
    if compare_echo:
        comparison = _compare(settings, rounds, server_cpu)
        print_json(comparison) if as_json else _show_comparison(comparison)
        return
    with progress() as step:
        results = _run(settings, step, "measuring")
    print_json(results) if as_json else _show(results)
    _refuse_failed(results)


def _default_duration_s(requests: int | None, *, compare_echo: bool) -> float:
    """As long as the requests take, where their number is given."""
    if requests:
        return 0.0
    return options.ROUND_DURATION_S if compare_echo else options.DURATION_S


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


def _run(settings: dict[str, Any], step: Step, what: str) -> dict[str, Any]:
    def show(measured_s: float, requests: int) -> None:
        step(f"{what}: {requests:,} requests in {measured_s:.1f} s")

    step(f"{what}: warming up")
    return run_load(settings, show)


def _refuse_failed(results: dict[str, Any]) -> None:
    if reasons := failed(results):
        raise ThriftscoreError(f"{results['endpoint']}: {', '.join(reasons)}")


def _compare(settings: dict[str, Any], rounds: int, server_cpu: int | None) -> dict[str, Any]:
    """Rounds against the server and the echo in turns, so that both meet the same machine."""
    probe = {"mode": "closed", "rate": None, "connections": 1, "depth": 1, "threads": 1}
    probe |= {"requests": 1, "warmup_s": 0, "duration_s": 0, "histogram": False}
    with progress() as step:
        first = _run(settings | probe, step, "looking at a reply")
        _refuse_failed(first)
        echo = {name: settings[name] for name in ("method", "transport", "protocol", "poll")}
        echo |= {"reply_bytes": first["reply_bytes"], "cpu": server_cpu}
        runs: dict[str, list[dict[str, Any]]] = {"server": [], "echo": []}
        with echo_server(echo, unix=settings["endpoint"].startswith("unix:")) as endpoint:
            endpoints = {"server": settings["endpoint"], "echo": endpoint}
            for number in range(1, rounds + 1):
                for who, where in endpoints.items():
                    what = f"round {number} of {rounds}, {who}"
                    results = _run(settings | {"endpoint": where}, step, what)
                    _refuse_failed(results)
                    runs[who].append(results)
    return _comparison(runs)


def _comparison(runs: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Medians of each, and of the quotients of each round: server by echo."""

    def median(values: Sequence[float]) -> float:
        return float(statistics.median(values))

    def summary(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
        return {
            "requests_per_s": median([run["requests_per_s"] for run in results]),
            "latency_us": {
                name: median([run["latency_us"][name] for run in results])
                for name in results[0]["latency_us"]
            },
        }

    pairs = list(zip(runs["server"], runs["echo"], strict=True))
    ratios = [a["requests_per_s"] / b["requests_per_s"] for a, b in pairs]
    p50_ratios = [a["latency_us"]["p50"] / b["latency_us"]["p50"] for a, b in pairs]
    return {
        "rounds": len(pairs),
        "ratio": median(ratios),
        "ratios": ratios,
        "p50_ratio": median(p50_ratios),
        "server": summary(runs["server"]),
        "echo": summary(runs["echo"]),
        "runs": runs,
    }


def _show(results: dict[str, Any]) -> None:
    latency = ", ".join(f"{name} {value:,.1f}" for name, value in results["latency_us"].items())
    failures = ", ".join(f"{name} {count:,}" for name, count in results["failures"].items())
    facts = {
        "requests": f"{results['requests']:,} in {results['measured_s']:.1f} s",
        "errors": failures or "none",
        "requests/s": f"{results['requests_per_s']:,.0f}",
        "rows/s": f"{results['rows_per_s']:,.0f}",
        "bytes/s": f"{results['bytes_out_per_s']:,.0f} out, {results['bytes_in_per_s']:,.0f} in",
        "latency, us": latency,
        "CPU of the load": f"{results['cpu_s']:.2f} s",
    }
    if results["mode"] == Mode.OPEN:
        facts["due but not sent"] = f"{results['unsent']:,}"
    if results["check"]:
        facts["mismatches"] = f"{results['mismatches']:,}"
    title = f"{results['method']} at {results['endpoint']}, {results['connections']} x "
    print_facts(f"{title}{results['depth']} requests under way", facts)


def _show_comparison(comparison: dict[str, Any]) -> None:
    rows: list[list[object]] = []
    for who in ("server", "echo"):
        summary = comparison[who]
        latency = [f"{value:,.1f}" for value in summary["latency_us"].values()]
        rows.append([who, f"{summary['requests_per_s']:,.0f}", *latency])
    names = [f"{name} us" for name in comparison["server"]["latency_us"]]
    print_rows([f"median of {comparison['rounds']}", "requests/s", *names], rows)
    spread = f"{min(comparison['ratios']):.3f} to {max(comparison['ratios']):.3f}"
    facts = {
        "requests/s": f"{comparison['ratio']:.3f} ({spread})",
        "p50": f"{comparison['p50_ratio']:.3f}",
    }
    print_facts("server / echo", facts)
