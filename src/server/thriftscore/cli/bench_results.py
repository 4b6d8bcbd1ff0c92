# SPDX-License-Identifier: Apache-2.0
"""What rounds of load amount to, and where and how they were measured."""

from __future__ import annotations

import os
import platform
import shlex
import statistics
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from thriftscore import _native
from thriftscore.cli.bench_rounds import Runs, Settings
from thriftscore.cli.server_connection import ServerConnection
from thriftscore.errors import ThriftscoreError

_USED = (
    *("endpoint", "method", "model", "rows", "features", "datatype", "transport", "protocol"),
    *("mode", "arrivals", "rate", "connections", "depth", "threads", "poll", "check", "seed"),
)
"""Options as the load generator names them in its results, with the defaults that it chose."""

_SUMS = ("requests", "measured_s", "errors", "mismatches", "unsent", "lost_connections", "cpu_s")
_MEDIANS = ("requests_per_s", "rows_per_s", "bytes_in_per_s", "bytes_out_per_s")
_TOLD_TIMEOUT_MS = 1_000
_CPU_INFO = Path("/proc/cpuinfo")


def results_of(runs: Runs, settings: Settings) -> dict[str, Any]:
    """Everything about a measurement, ready to be JSON."""
    first = runs["server"][0]
    given = {name: value for name, value in settings.items() if value not in (None, False)}
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["thriftscore", *sys.argv[1:]]),
        "machine": _machine(),
        "versions": _versions(settings),
        "options": given | {name: first[name] for name in _USED},
        "rounds": len(runs["server"]),
        **{who: _summary(results) for who, results in runs.items()},
        **(_ratios(runs) if "echo" in runs else {}),
        "runs": dict(runs),
    }


def _summary(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Sums of what was counted, and medians of the rounds for what was measured."""
    failures: Counter[str] = Counter()
    for run in results:
        failures.update(run["failures"])
    return {
        **{name: sum(run[name] for run in results) for name in _SUMS},
        "failures": dict(failures),
        **{name: statistics.median(run[name] for run in results) for name in _MEDIANS},
        "latency_us": {
            name: statistics.median(run["latency_us"][name] for run in results)
            for name in results[0]["latency_us"]
        },
    }


def _ratios(runs: Runs) -> dict[str, Any]:
    """Quotients of each round, server by echo, and their medians."""
    pairs = list(zip(runs["server"], runs["echo"], strict=True))
    ratios = [a["requests_per_s"] / b["requests_per_s"] for a, b in pairs]
    p50_ratios = [a["latency_us"]["p50"] / b["latency_us"]["p50"] for a, b in pairs]
    return {
        "ratio": statistics.median(ratios),
        "ratios": ratios,
        "p50_ratio": statistics.median(p50_ratios),
    }


def _machine() -> dict[str, Any]:
    """Where the load ran, which is where the server is as well, or is not."""
    lines = _CPU_INFO.read_text().splitlines() if _CPU_INFO.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory_bytes / 2**30, 1),
        "kernel": f"{platform.system()} {platform.release()}",
    }


def _versions(settings: Settings) -> dict[str, str]:
    """Of what measured and, as far as it tells, of what was measured."""
    versions = {
        "thriftscore": metadata.version("thriftscore"),
        "python": platform.python_version(),
        "simd_target": _native.simd_target(),
    }
    try:
        with ServerConnection(settings["endpoint"], timeout_ms=_TOLD_TIMEOUT_MS) as server:
            told = server.call("server_metadata")
            versions["server"] = f"{told.name} {told.version}, {told.io_mode}, {told.simd_target}"
            if settings["model"]:
                model = server.call("model_metadata", settings["model"], "")
                versions["model"] = f"{model.name} {model.model_version}, {model.digest}"
    except ThriftscoreError:  # a server of another kind, which has no such methods
        return versions
    return versions
