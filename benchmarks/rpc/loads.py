# SPDX-License-Identifier: Apache-2.0
"""Load on a server, from another processor: our generator for Thrift, h2load for gRPC and REST.

h2load (of nghttp2) is as light as ours, so that the load is not what limits a gRPC server. Both
send requests that were made before, and time each one from its sending to its answer; in an open
loop ours counts from when a request was due, h2load from when it had room to send it.
"""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from peers.registry import GRPC_METHOD, MODEL_NAME, REST_PATH
from rpc.processes import LOAD_CPU

from thriftscore.cli.load_generator import failed, run_load
from thriftscore.errors import ThriftscoreError

PERCENTILES = {"p50_us": 50.0, "p90_us": 90.0, "p99_us": 99.0, "p999_us": 99.9}
TIMEOUT_S = 60.0
_GRPC_STREAMS_OPEN_LOOP = 100

_HTTP_OK = 200
_PATHS = {"grpc": GRPC_METHOD, "rest": REST_PATH}
_HTTP_OPTIONS = {
    "grpc": ["-Hcontent-type: application/grpc", "-Hte: trailers"],
    "rest": ["--h1", "-Hcontent-type: application/json"],
}

Protocol = Literal["thrift", "grpc", "rest"]


class LoadError(Exception):
    """A run whose numbers would mean nothing."""


@dataclass(frozen=True)
class Load:
    """What is asked of a server, for how long."""

    connections: int = 16
    depth: int = 1
    """Requests under way on each connection."""
    rows: int = 1
    seconds: float = 0.8
    warm_up_s: float = 0.2
    requests: int = 0
    """For run_requests: how many in all."""
    rate: float = 0.0
    """Requests a second in all, whatever comes back; 0 = a request after each answer."""
    encoding: str = "framed/binary/score"
    """Of Thrift: transport/protocol/method."""


@dataclass(frozen=True)
class Target:
    """Where the load goes, and the request in that protocol."""

    protocol: Protocol
    endpoint: str
    feature_names: tuple[str, ...]
    body: Path | None = None
    """The request's bytes, for gRPC and REST."""


Measured = dict[str, Any]
"""requests_per_s, the percentiles in microseconds, requests and errors of one run."""


def run(target: Target, load: Load) -> Measured:
    """One run. Raises LoadError where a reply was wrong or none came."""
    return _thrift(target, load) if target.protocol == "thrift" else _http(target, load)


def run_requests(target: Target, load: Load) -> None:
    """Sends so many requests as fast as they are answered. Raises LoadError."""
    if target.protocol == "thrift":
        _run_thrift(target, load)
    else:
        _h2load(target, [f"-c{load.connections}", f"-n{load.requests}"])


def reply_bytes(target: Target, load: Load) -> int:
    """The size of a Thrift server's reply, frame included."""
    return int(_run_thrift(target, load)["reply_bytes"])


def _thrift(target: Target, load: Load) -> Measured:
    results = _run_thrift(target, load)
    if not results["requests_per_s"]:
        raise LoadError(f"no answer came within the {load.seconds:g} s")
    latency = results["latency_us"]
    return {
        "requests": results["requests"],
        "requests_per_s": results["requests_per_s"],
        "errors": results["errors"],
        "unsent": results["unsent"],
        **{name: latency[_quantile(name)] for name in PERCENTILES},
    }


def _run_thrift(target: Target, load: Load) -> dict[str, Any]:
    transport, protocol, method = load.encoding.split("/")
    options = {
        "endpoint": target.endpoint,
        "model": MODEL_NAME,
        "method": method,
        "transport": transport,
        "protocol": protocol,
        "features": len(target.feature_names),
        "feature_name": target.feature_names if method == "score_named" else None,
        "rows": load.rows if method == "score" else None,
        "connections": load.connections,
        "depth": load.depth,
        "mode": "open" if load.rate else "closed",
        "rate": load.rate or None,
        "requests": load.requests or None,
        "duration_s": load.seconds,
        "warmup_s": load.warm_up_s,
        "cpu": LOAD_CPU,
    }
    try:
        results = run_load(options)
    except ThriftscoreError as failure:
        raise LoadError(failure.message) from failure
    if reasons := failed(results):
        raise LoadError(", ".join(reasons))
    return results


def _quantile(name: str) -> str:
    """As our generator calls it: p999_us is its p99.9."""
    return name.removesuffix("_us").replace("p999", "p99.9")


def _http(target: Target, load: Load) -> Measured:
    with tempfile.NamedTemporaryFile("r", prefix="h2load-") as log:
        _h2load(target, [*_pace(target, load), f"--log-file={log.name}"])
        answered = _answered(Path(log.name))
    status, times_us = answered[:, 1], answered[:, 2]
    errors = int((status != _HTTP_OK).sum())
    if len(answered) == errors:
        raise LoadError(f"h2load: no request of {len(answered)} succeeded")
    quantiles = np.percentile(times_us[status == _HTTP_OK], list(PERCENTILES.values()))
    return {
        "requests": len(answered) - errors,
        "requests_per_s": (len(answered) - errors) / load.seconds,
        "errors": errors,
        "unsent": 0,
        **dict(zip(PERCENTILES, map(float, quantiles), strict=True)),
    }


def _h2load(target: Target, options: list[str]) -> None:
    words = ["taskset", "-c", str(LOAD_CPU), "h2load", "-t1", f"-d{target.body}", *options]
    words += _HTTP_OPTIONS[target.protocol]
    words.append(f"http://{target.endpoint}{_PATHS[target.protocol]}")
    done = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if done.returncode:
        raise LoadError(f"h2load: {done.stderr.strip() or done.stdout.strip()}")


def _answered(log: Path) -> NDArray[np.int64]:
    """h2load's line for each request: when it began, its status, its microseconds."""
    if not log.stat().st_size:
        raise LoadError("h2load: no request was answered")
    return np.loadtxt(log, dtype=np.int64, ndmin=2)


def _pace(target: Target, load: Load) -> list[str]:
    depth = load.depth
    if load.rate and target.protocol == "grpc":
        depth = _GRPC_STREAMS_OPEN_LOOP
    options = [f"-c{load.connections}", f"-m{depth}"]
    options += [f"-D{_ms(load.seconds)}", f"--warm-up-time={_ms(load.warm_up_s)}"]
    if load.rate:
        options.append(f"--rps={max(1, round(load.rate / load.connections))}")
    return options


def _ms(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"
