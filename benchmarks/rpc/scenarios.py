# SPDX-License-Identifier: Apache-2.0
"""Every situation that servers are compared in."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from peers.registry import PEERS
from rpc.loads import Load
from rpc.subjects import ECHO, NATIVE

OWN = (ECHO, NATIVE, "thriftscore_unix", "thriftscore_busy_poll", "thriftscore_python")
REPEATED = tuple(
    f"{peer.name}_repeated" for peer in PEERS if "repeated" in peer.forms and "cpp" in peer.name
)
COMPILED = (ECHO, NATIVE, "thrift_cpp_nonblocking", "grpc_cpp_sync", "grpc_cpp_callback")
HEADLINE = (*COMPILED, "grpc_python_threads")
"""Those with a target: measured within seconds of each other, whatever the machine does then."""
EVERY = tuple(dict.fromkeys((*HEADLINE, *OWN, *(peer.name for peer in PEERS), *REPEATED)))
MAIN = (
    *COMPILED,
    "thriftscore_python",
    "thrift_cpp_threaded",
    "thrift_python_threaded",
    "grpc_python_threads",
    "rest_fastapi",
)
ALONE = tuple(dict.fromkeys((*OWN, *MAIN)))
"""With one connection, where latency is all there is to see."""
PEAK = "one_row_16"
"""The scenario whose throughput counts as each server's own peak."""
BRIEF = Load(seconds=0.3, warm_up_s=0.1)
HEADLINE_REPEATS = 4


@dataclass(frozen=True)
class Scenario:
    """One load on some servers."""

    name: str
    title: str
    load: Load
    subjects: tuple[str, ...]
    model: str = "linear_32"
    share_of_peak: float = 0.0
    """Open loop at this share of each server's own peak; 0 = closed loop."""
    quick: bool = False
    """Whether `make bench-quick` has it too."""
    repeats: int = 1
    """As many rounds for each of the others': a median of many stands more of a shared machine."""


def _encodings() -> list[Scenario]:
    ways = [
        f"{t}/{p}/score" for t in ("framed", "unframed", "header") for p in ("binary", "compact")
    ]
    ways += ["framed/binary/score_values", "framed/binary/score_named"]
    return [
        Scenario(f"encoding_{way.replace('/', '_')}", way, Load(encoding=way), (NATIVE,))
        for way in ways
    ]


SCENARIOS = (
    Scenario(
        PEAK,
        "1 row x 32 features, 16 connections",
        BRIEF,
        EVERY,
        quick=True,
        repeats=HEADLINE_REPEATS,
    ),
    Scenario("one_row_1", "1 row, 1 connection", Load(connections=1), ALONE),
    Scenario("one_row_64", "1 row, 64 connections", Load(connections=64), MAIN),
    Scenario(
        "pipelined",
        "1 row, 4 connections x 32 under way",
        dataclasses.replace(BRIEF, connections=4, depth=32),
        (*COMPILED, "thriftscore_unix", "thriftscore_python"),
        quick=True,
        repeats=HEADLINE_REPEATS,
    ),
    Scenario(
        "shared",
        "1 row, 1 connection x 16 under way",
        Load(connections=1, depth=16),
        COMPILED,
        quick=True,
    ),
    Scenario("features_8", "1 row x 8 features", Load(), COMPILED, "linear_8"),
    Scenario("features_256", "1 row x 256 features", Load(), COMPILED, "linear_256"),
    Scenario("rows_100", "100 rows x 32 features", Load(rows=100), MAIN, quick=True),
    Scenario("rows_10000", "10,000 rows x 32 features", Load(rows=10_000, connections=4), MAIN),
    Scenario(
        "message_10_mb",
        "78,125 rows: 10 MB in a message",
        Load(rows=78_125, connections=1, seconds=1.5),
        COMPILED,
    ),
    Scenario("mlp", "MLP of 64-64, 1 row", Load(), (*COMPILED, "mlserver_grpc"), "mlp"),
    Scenario("mlp_rows_100", "MLP of 64-64, 100 rows", Load(rows=100), COMPILED, "mlp"),
    Scenario("trees", "200 trees, 1 row x 50", Load(), COMPILED, "trees"),
    Scenario("trees_rows_100", "200 trees, 100 rows x 50", Load(rows=100), COMPILED, "trees"),
    Scenario(
        "open_50",
        "open loop at 50 % of its own peak",
        Load(seconds=1.2),
        MAIN,
        share_of_peak=0.5,
    ),
    Scenario(
        "open_80",
        "open loop at 80 % of its own peak",
        Load(seconds=1.2),
        MAIN,
        share_of_peak=0.8,
    ),
    *_encodings(),
)
