# SPDX-License-Identifier: Apache-2.0
"""The options of `thriftscore bench`. Defaults that are None are the load generator's own."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

DURATION_S = 3.0


class Kind(StrEnum):
    """What is measured."""

    RPC = "rpc"


class Method(StrEnum):
    """What is called."""

    SCORE = "score"
    SCORE_VALUES = "score_values"
    SCORE_NAMED = "score_named"
    PING = "ping"


class Mode(StrEnum):
    """Who decides when the next request is sent: the answers, or a clock."""

    CLOSED = "closed"
    OPEN = "open"


class Arrivals(StrEnum):
    """How the requests of an open loop are spaced."""

    CONSTANT = "constant"
    POISSON = "poisson"


class Transport(StrEnum):
    """How messages are delimited."""

    FRAMED = "framed"
    UNFRAMED = "unframed"
    HEADER = "header"


class Protocol(StrEnum):
    """How values are written."""

    BINARY = "binary"
    COMPACT = "compact"


class Datatype(StrEnum):
    """Type of the features of score."""

    FP32 = "fp32"
    FP64 = "fp64"


KindArgument = Annotated[Kind, typer.Argument(help="What is measured: calls to a server.")]
Endpoint = Annotated[str, typer.Option(help="The server: host:port or unix:/path.")]
MethodOption = Annotated[Method, typer.Option(help="What is called.")]
Model = Annotated[str | None, typer.Option(help="Name of the model.")]
Rows = Annotated[int | None, typer.Option(help="Rows in a request of score; default 1.")]
Features = Annotated[
    int | None, typer.Option(help="Values in a row; default: the model's, asked of the server.")
]
DatatypeOption = Annotated[Datatype, typer.Option(help="Of the features of score.")]
TransportOption = Annotated[Transport, typer.Option(help="How messages are delimited.")]
ProtocolOption = Annotated[Protocol, typer.Option(help="How values are written.")]
ModeOption = Annotated[
    Mode, typer.Option(help="closed: a request after each answer; open: requests at --rate.")
]
Rate = Annotated[float | None, typer.Option(help="Open loop: requests a second in all.")]
ArrivalsOption = Annotated[Arrivals, typer.Option(help="Open loop: how requests are spaced.")]
Connections = Annotated[int | None, typer.Option(help="Connections in all; default 1.")]
Depth = Annotated[
    int | None, typer.Option(help="Requests under way on each connection; default 1.")
]
Threads = Annotated[int | None, typer.Option(help="Threads of the load; default 1.")]
Duration = Annotated[
    float | None,
    typer.Option(
        help=f"Seconds measured in each round; default {DURATION_S:g}, "
        "0 = until --requests are answered."
    ),
]
WarmUp = Annotated[
    float | None, typer.Option(help="Seconds before each round, which are discarded; default 1.")
]
Requests = Annotated[int | None, typer.Option(help="End a round after as many measured requests.")]
Timeout = Annotated[
    float | None, typer.Option(help="Seconds without a reply to give up after; default 10.")
]
Poll = Annotated[bool, typer.Option("--poll", help="Never sleep: lowest latency, for a core.")]
Check = Annotated[
    bool, typer.Option("--check", help="Hold the ids in every reply against its request.")
]
Cpu = Annotated[int | None, typer.Option(help="Pin the load to this processor.")]
Seed = Annotated[int | None, typer.Option(help="Of the values sent and the arrivals; default 1.")]
Histogram = Annotated[
    bool, typer.Option("--histogram", help="JSON: with all latencies of each round as a histogram.")
]
CompareEcho = Annotated[
    bool,
    typer.Option(
        "--compare-echo",
        help="In turns with a server of our own that only echoes: the limit of this machine.",
    ),
]
Rounds = Annotated[
    int, typer.Option(min=1, max=1_000, help="How often it is measured; medians are reported.")
]
ServerCpu = Annotated[
    int | None, typer.Option(help="Pin the echo server to the processor of your server.")
]
Html = Annotated[
    Path | None,
    typer.Option(
        "--html", metavar="FILE", help="Write a report with plots: one file, for a browser."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
