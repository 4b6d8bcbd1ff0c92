# SPDX-License-Identifier: Apache-2.0
"""The rounds of `thriftscore bench`: the same load again and again, on one server or on two."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from thriftscore.cli.load_generator import echo_server, failed, run_load
from thriftscore.cli.output import Step
from thriftscore.errors import ThriftscoreError

Settings = dict[str, Any]
"""Options of the load generator by name."""

Runs = Mapping[str, list[dict[str, Any]]]
"""What the load generator measured in each round: of `server`, and of `echo` if there was one."""

_ECHOED = ("method", "transport", "protocol", "poll")


def measure(
    settings: Settings, rounds: int, step: Step, *, echo: bool, echo_cpu: int | None
) -> Runs:
    """Rounds against the server, in turns with an echo so that both meet the same machine.

    A round that fails is the last. Raises ThriftscoreError where one with an echo does.
    """
    endpoints = {"server": settings["endpoint"]}
    if not echo:
        return _rounds(settings, endpoints, rounds, step)
    with _echo_of(settings, echo_cpu, step) as endpoint:
        runs = _rounds(settings, endpoints | {"echo": endpoint}, rounds, step)
    for run in (*runs["server"], *runs["echo"]):
        refuse_failed(run)
    return runs


def refuse_failed(run: Mapping[str, Any]) -> None:
    """Raise ThriftscoreError where a run was not that of a healthy server."""
    if reasons := failed(run):
        raise ThriftscoreError(f"{run['endpoint']}: {', '.join(reasons)}")


def _rounds(settings: Settings, endpoints: Mapping[str, str], rounds: int, step: Step) -> Runs:
    runs: Runs = {who: [] for who in endpoints}
    for number in range(1, rounds + 1):
        for who, endpoint in endpoints.items():
            what = f"round {number} of {rounds}" + (f", {who}" if len(endpoints) > 1 else "")
            run = _run(settings | {"endpoint": endpoint}, step, what)
            runs[who].append(run)
            if failed(run):
                return runs
    return runs


def _run(settings: Settings, step: Step, what: str) -> dict[str, Any]:
    def show(so_far: Mapping[str, Any]) -> None:
        if so_far["measured_s"]:
            step(f"{what}: {_described(so_far)}")

    step(f"{what}: warming up")
    return run_load(settings, show)


def _described(so_far: Mapping[str, Any]) -> str:
    """What has been measured until now, in a line."""
    text = f"{so_far['requests'] / so_far['measured_s']:,.0f} requests/s"
    if latency := so_far.get("latency_us"):
        text += f", p50 {latency['p50']:,.0f} us, p99 {latency['p99']:,.0f} us"
    return text


@contextmanager
def _echo_of(settings: Settings, cpu: int | None, step: Step) -> Iterator[str]:
    """The endpoint of an echo server whose replies are as long as the server's."""
    probe = {"mode": "closed", "rate": None, "connections": 1, "depth": 1, "threads": 1}
    probe |= {"requests": 1, "warmup_s": 0, "duration_s": 0, "histogram": False}
    first = _run(settings | probe, step, "looking at a reply")
    refuse_failed(first)
    options = {name: settings[name] for name in _ECHOED}
    options |= {"reply_bytes": first["reply_bytes"], "cpu": cpu}
    with echo_server(options, unix=settings["endpoint"].startswith("unix:")) as endpoint:
        yield endpoint
