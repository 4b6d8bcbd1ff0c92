# SPDX-License-Identifier: Apache-2.0
"""`thriftscore bench rpc` and the programs behind it, on real sockets."""

from __future__ import annotations

import itertools
import json
import os
import re
import socket
import statistics
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from server_process import THRIFTSCORE, ServerProcess
from stock_server import CountingHandler, SocketServer, stock_server
from thrift.Thrift import TMessageType
from thrift.transport.THeaderTransport import THeaderClientType, THeaderTransport
from thrift.transport.TTransport import TFramedTransport, TMemoryBuffer
from thrift_wire import PROTOCOLS

from thriftscore._generated import ScoringService
from thriftscore._generated.ttypes import DataType, ErrorCode, ScoringError
from thriftscore.cli.load_generator import echo_server, program

METHODS = ["ping", "score", "score_values", "score_named"]
TRANSPORTS = ["framed", "unframed", "header"]
WIRES = list(itertools.product(TRANSPORTS, ["binary", "compact"]))
TIMEOUT_S = 60


def output_of(line: list[str], status: int, *, errors: bool = False) -> str:
    """Its output, or its errors where those are asked for or there is no output."""
    process = subprocess.run(line, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert process.returncode == status, process.stderr
    return process.stderr if errors else process.stdout or process.stderr


def run(*arguments: str, status: int = 0, errors: bool = False) -> str:
    """What `thriftscore bench rpc` says."""
    return output_of([*THRIFTSCORE, "bench", "rpc", *arguments], status, errors=errors)


def bench(endpoint: str, *arguments: str, status: int = 0) -> dict[str, Any]:
    """The results of the load generator itself; nothing is discarded."""
    line = ["--endpoint", endpoint, "--warmup-s", "0", "--timeout-s", "20", "--json", *arguments]
    if "--requests" in arguments:
        line += ["--duration-s", "0"]
    return dict(json.loads(output_of([str(program("thriftscore_load")), *line], status)))


def on_wire(transport: str, protocol: str) -> list[str]:
    return ["--transport", transport, "--protocol", protocol]


# ---- what is sent --------------------------------------------------------------------------------


def printed_requests(*arguments: str) -> bytes:
    line = [program("thriftscore_load"), "--print-requests", "3", *arguments]
    return subprocess.run(line, capture_output=True, check=True, timeout=TIMEOUT_S).stdout


def decode_with_stock(stream: bytes, transport: str, protocol: str) -> list[tuple[Any, ...]]:
    """(name, type, sequence id, arguments) of each call in `stream`, to its last byte."""
    buffer = TMemoryBuffer(stream)
    layer: Any = buffer
    if transport == "framed":
        layer = TFramedTransport(buffer)
    if transport == "header":
        layer = THeaderTransport(buffer, [THeaderClientType.HEADERS])
    calls = []
    for _ in range(3):
        if transport == "header":
            layer.readFrame(0)
            assert layer.protocol_id == {"binary": 0, "compact": 2}[protocol]
        codec = PROTOCOLS[protocol](layer)
        name, kind, sequence_id = codec.readMessageBegin()
        if transport == "header":
            assert layer.sequence_id == sequence_id
        arguments = getattr(ScoringService, f"{name}_args")()
        arguments.read(codec)
        codec.readMessageEnd()
        calls.append((name, kind, sequence_id, arguments))
    assert buffer._buffer.read() == b""
    return calls


def check_arguments(method: str, arguments: Any) -> None:
    if method == "ping":
        assert arguments == ScoringService.ping_args()
    elif method == "score":
        assert arguments.request.datatype == DataType.FP32
        values = struct.unpack("<6f", arguments.request.features)
        assert len(set(values)) == 6
        assert all(-1 <= value < 1 for value in values)
    else:
        assert arguments.model_name == "m"
        named = arguments.features if method == "score_named" else None
        values = arguments.values if named is None else list(named.values())
        assert named is None or list(named) == ["a", "b=c", "é"]
        assert len(set(values)) == 3
        assert all(-1 <= value < 1 for value in values)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("transport", "protocol"), WIRES)
def test_the_stock_library_reads_every_kind_of_request(
    transport: str, protocol: str, method: str
) -> None:
    line = ["--method", method, "--model", "m", "--features", "3", "--check"]
    line += ["--rows", "2"] if method == "score" else []
    if method == "score_named":
        line += ["--feature-name", "a", "--feature-name=b=c", "--feature-name", "é"]
    stream = printed_requests(*line, *on_wire(transport, protocol))
    calls = decode_with_stock(stream, transport, protocol)
    assert [call[:2] for call in calls] == [(method, TMessageType.CALL)] * 3
    assert len({call[2] for call in calls}) == 3
    for call in calls:
        check_arguments(method, call[3])
    if method == "score":
        assert len({call[3].request.context.request_id for call in calls}) == 3


def test_the_values_sent_depend_on_the_seed_only() -> None:
    assert printed_requests("--seed", "5") == printed_requests("--seed", "5")
    assert printed_requests("--seed", "5") != printed_requests("--seed", "6")


# ---- what is counted -----------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("transport", "protocol"), WIRES)
def test_a_stock_server_answers_as_many_calls_as_are_counted(
    transport: str, protocol: str, method: str
) -> None:
    handler = CountingHandler()
    with stock_server(handler) as server:
        results = bench(
            server.endpoint,
            *on_wire(transport, protocol),
            *("--method", method, "--model", "any", "--features", "3", "--check"),
            *("--connections", "3", "--depth", "4", "--requests", "60"),
        )
    assert results["requests"] == handler.calls[method] == 60
    assert results["errors"] == results["mismatches"] == results["lost_connections"] == 0
    assert results["requests_per_s"] == pytest.approx(60 / results["measured_s"])
    rows = 0 if method == "ping" else 60
    assert results["rows_per_s"] == pytest.approx(rows / results["measured_s"])
    latency = results["latency_us"]
    assert 0 < latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["max"]


def test_named_features_are_those_of_the_model() -> None:
    names: list[list[str]] = []

    class Named(CountingHandler):
        def score_named(self, model_name: str, features: dict[str, float]) -> list[float]:
            names.append(sorted(features))
            return super().score_named(model_name, features)

    with stock_server(Named()) as server:
        line = ["--endpoint", server.endpoint, "--method", "score_named", "--model", "any"]
        line += ["--requests", "2", "--rounds", "1", "--warmup-s", "0", "--json"]
        results = json.loads(run(*line))
    assert results["server"]["requests"] == 2
    assert results["options"]["features"] == 3
    assert names == [sorted(CountingHandler.FEATURES)] * 2


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("arrivals", ["constant", "poisson"])
def test_an_open_loop_sends_what_is_due_and_nothing_else(threads: int, arrivals: str) -> None:
    handler = CountingHandler()
    with stock_server(handler) as server:
        results = bench(
            server.endpoint,
            *("--method", "ping", "--mode", "open", "--rate", "1000", "--arrivals", arrivals),
            *("--connections", "4", "--threads", str(threads), "--duration-s", "0.5"),
        )
    assert handler.calls["ping"] == results["requests"]
    due = results["requests"] + results["unsent"]
    # Constant arrivals are a matter of arithmetic; the others vary by the root of their number.
    assert due == 500 if arrivals == "constant" else abs(due - 500) < 6 * 500**0.5


def test_a_stall_counts_for_every_request_that_was_due_meanwhile() -> None:
    """In a closed loop, or without the correction, one request would be slow: that of the stall."""
    stalled = threading.Event()
    pause = threading.Event()

    class Stalling(CountingHandler):
        def ping(self) -> bool:
            if not stalled.is_set():
                stalled.set()
                pause.wait(0.3)
            return super().ping()

    with stock_server(Stalling()) as server:
        results = bench(
            server.endpoint,
            *("--method", "ping", "--mode", "open", "--rate", "500", "--duration-s", "1"),
            "--histogram",
        )
    slow = sum(count for us, count in results["histogram_us"] if us >= 100_000)
    assert slow + results["unsent"] >= 100
    assert sum(count for _, count in results["histogram_us"]) == results["requests"]


def test_the_warm_up_is_not_counted() -> None:
    handler = CountingHandler()
    with stock_server(handler) as server:
        line = ["--endpoint", server.endpoint, "--method", "ping", "--json", "--warmup-s", "0.2"]
        results = json.loads(run(*line, "--duration-s", "0.2", "--rounds", "1"))
    assert 0 < results["server"]["requests"] < handler.calls["ping"]


# ---- what goes wrong -----------------------------------------------------------------------------


def test_errors_are_counted_by_kind_and_are_no_successes() -> None:
    turns = itertools.cycle([ErrorCode.OVERLOADED, None, ErrorCode.MODEL_NOT_FOUND, None])

    class Failing(CountingHandler):
        def ping(self) -> bool:
            if code := next(turns):
                raise ScoringError(code=code, message="no")
            return True

    with stock_server(Failing()) as server:
        results = bench(server.endpoint, "--method", "ping", "--requests", "40")
        assert results["requests"] == 20
        assert results["errors"] == 20
        assert results["failures"] == {"MODEL_NOT_FOUND": 10, "OVERLOADED": 10}
        assert results["reply_bytes"] == 4 + 12 + len("ping") + 4 + 1


def test_an_open_loop_far_beyond_the_server_says_so_and_not_that_nothing_succeeded() -> None:
    """Of a million due each second, those that are sent were all due before it was measured."""
    with stock_server(CountingHandler()) as server:
        line = ["--endpoint", server.endpoint, "--method", "ping", "--mode", "open"]
        line += ["--rate", "1e6", "--warmup-s", "0.2", "--duration-s", "0.1"]
        errors = run(*line, "--json", "--html", os.devnull, status=1, errors=True)
    assert "1,000,000 requests/s were due" in errors
    assert re.search(r" [1-9][\d,]* answered, and 100,000 requests not sent", errors)
    assert "no request succeeded" not in errors
    assert errors.count("\n") == 1


def test_an_exception_of_thrift_itself_is_an_error_too() -> None:
    class Broken(CountingHandler):
        def ping(self) -> bool:
            raise RuntimeError

    with stock_server(Broken()) as server:
        results = bench(server.endpoint, "--method", "ping", "--requests", "3", status=1)
    assert results["failures"] == {"EXCEPTION_INTERNAL_ERROR": 3}
    assert results["requests"] == 0


def receive_frame(connection: socket.socket) -> bytes:
    stream = connection.makefile("rb", buffering=0)
    length = struct.unpack(">I", stream.read(4) or bytes(4))[0]
    body = b""
    while len(body) < length:
        body += stream.read(length - len(body)) or b""
    if not body:
        raise EOFError
    return body


def reply_of(call: bytes) -> bytes:
    """The reply of the stock processor."""
    output = TMemoryBuffer()
    source = PROTOCOLS["binary"](TMemoryBuffer(call))
    ScoringService.Processor(CountingHandler()).process(source, PROTOCOLS["binary"](output))
    return bytes(output.getvalue())


def request_id_of(call: bytes) -> bytes:
    codec = PROTOCOLS["binary"](TMemoryBuffer(call))
    codec.readMessageBegin()
    arguments = ScoringService.score_args()
    arguments.read(codec)
    return bytes(arguments.request.context.request_id.encode())


def mixed_up(calls: list[bytes], mix_up: str) -> list[bytes]:
    """The replies to two calls in the other order, or with each other's request id."""
    replies = [reply_of(call) for call in calls]
    if mix_up == "order":
        return replies[::-1]
    first, second = (request_id_of(call) for call in calls)
    return [replies[0].replace(first, second), replies[1].replace(second, first)]


@pytest.mark.parametrize("mix_up", ["order", "request_id"])
def test_check_catches_replies_that_are_mixed_up(mix_up: str) -> None:
    """Of 100 requests, the replies to the 11th and the 12th are exchanged, or only their ids."""

    def serve(connection: socket.socket) -> None:
        for pair in itertools.count():
            calls = [receive_frame(connection) for _ in range(2)]
            replies = mixed_up(calls, mix_up) if pair == 5 else [reply_of(call) for call in calls]
            connection.sendall(b"".join(struct.pack(">I", len(r)) + r for r in replies))

    line = ["--model", "any", "--features", "3", "--depth", "2", "--requests", "100"]
    with SocketServer(serve) as server:
        results = bench(server.endpoint, *line, "--check", status=1)
    assert results["mismatches"] == 2
    assert results["requests"] == 98


def test_a_connection_that_the_server_closes_is_told() -> None:
    def serve(connection: socket.socket) -> None:
        receive_frame(connection)

    with SocketServer(serve) as server:
        results = bench(
            server.endpoint, "--method", "ping", "--requests", "9", "--connections", "2", status=1
        )
    assert results["lost_connections"] == 2
    assert results["failures"] == {"CONNECTION_CLOSED": 2}


def test_a_server_that_never_answers_is_given_up() -> None:
    def serve(connection: socket.socket) -> None:
        while connection.recv(4096):
            continue

    with SocketServer(serve) as server:
        line = ["--method", "ping", "--requests", "9", "--depth", "3", "--timeout-s", "0.2"]
        results = bench(server.endpoint, *line, status=1)
    assert results["failures"] == {"UNANSWERED": 3}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["--endpoint", "nowhere", "--method", "ping"], "--endpoint: expected host:port"),
        (["--endpoint", "127.0.0.1:1"], "--model: expected the model that score is to use"),
        (["--endpoint", "127.0.0.1:1", "--method", "pong"], "'pong' is not one of"),
        (["--endpoint", "a:1", "--method", "ping", "--depth", "0"], "--depth: expected 1 to 65536"),
        (["--endpoint", "a:1", "--method", "ping", "--mode", "open"], "--rate: an open loop needs"),
        (["--endpoint", "a:1", "--method", "ping", "--rate", "5"], "--rate: only an open loop has"),
        (
            ["--endpoint", "a:1", "--method", "ping", "--check", "--compare-echo"],
            "--check: an echo",
        ),
        (
            ["--endpoint", "a:1", "--method", "ping", "--html", "none/report.html"],
            "--html: there is no folder 'none'",
        ),
        (
            ["--endpoint", "a:1", "--method", "ping", "--threads", "2"],
            "--threads: expected at most",
        ),
    ],
)
def test_wrong_options_are_refused_in_one_line(line: list[str], message: str) -> None:
    errors = run(*line, status=2)
    assert errors.startswith("error: ")
    assert message in errors
    assert errors.count("\n") == 1


def test_a_server_that_is_not_there_is_told_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    endpoint = f"127.0.0.1:{port}"
    refused = f"error: cannot connect to {endpoint}: Connection refused\n"
    assert run("--endpoint", endpoint, "--method", "ping", status=1) == refused
    assert endpoint in run("--endpoint", endpoint, "--model", "any", status=1)


# ---- the echo server -----------------------------------------------------------------------------


@pytest.mark.parametrize("unix", [False, True])
@pytest.mark.parametrize(("transport", "protocol"), WIRES)
def test_the_echo_server_answers_every_frame_with_its_reply(
    transport: str, protocol: str, unix: bool
) -> None:
    options = {"reply_bytes": 200, "transport": transport, "protocol": protocol}
    line = [*on_wire(transport, protocol), "--model", "any", "--features", "3"]
    line += ["--connections", "4", "--depth", "8", "--requests", "5000"]
    with echo_server(options, unix=unix) as endpoint:
        results = bench(endpoint, *line)
        checked = bench(endpoint, *line, "--check", status=1)
    assert results["requests"] == 5000
    assert results["reply_bytes"] == 200
    assert checked["mismatches"] == 5000
    assert checked["requests"] == 0


def test_the_echo_server_ends_on_a_signal() -> None:
    with subprocess.Popen([program("thriftscore_echo")], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        facts = json.loads(process.stdout.readline())
        socket.create_connection(("127.0.0.1", facts["port"])).close()
        process.terminate()
        assert process.wait(TIMEOUT_S) == 0
    assert facts["pid"] == process.pid


def test_a_comparison_takes_turns_with_an_echo_of_the_same_size() -> None:
    with stock_server(CountingHandler()) as server:
        line = ["--endpoint", server.endpoint, "--model", "any", "--compare-echo", "--rounds", "3"]
        line += ["--warmup-s", "0", "--requests", "50"]
        comparison = json.loads(run(*line, "--json"))
        table = run(*line)
    runs = comparison["runs"]
    assert [len(runs[who]) for who in ("server", "echo")] == [3, 3]
    assert {run["reply_bytes"] for run in runs["server"]} == {
        run["reply_bytes"] for run in runs["echo"]
    }
    assert {run["endpoint"] for run in runs["server"]} == {server.endpoint}
    rates = {who: [run["requests_per_s"] for run in runs[who]] for who in runs}
    quotients = [a / b for a, b in zip(rates["server"], rates["echo"], strict=True)]
    assert comparison["ratios"] == pytest.approx(quotients)
    assert comparison["ratio"] == pytest.approx(statistics.median(quotients))
    assert "server / echo" in table


# ---- a real server -------------------------------------------------------------------------------


@pytest.mark.parametrize("io", ["python", "native"])
def test_our_own_servers_pass_the_check(
    io: str, start_server: Callable[..., ServerProcess]
) -> None:
    host, port = start_server(io=io).address
    wires = WIRES if io == "native" else [("framed", "binary"), ("framed", "compact")]
    line = ["--model", "linear", "--features", "3", "--check"]
    line += [f"--feature-name={name}" for name in ("area", "rooms", "age")]
    line += ["--connections", "8", "--depth", "5", "--requests", "400"]
    for (transport, protocol), method in itertools.product(wires, METHODS):
        results = bench(f"{host}:{port}", *on_wire(transport, protocol), "--method", method, *line)
        assert results["requests"] == 400, (transport, protocol, method)
        assert results["errors"] == results["mismatches"] == 0


def test_the_table_for_people_has_the_figures() -> None:
    with stock_server(CountingHandler()) as server:
        line = ["--endpoint", server.endpoint, "--method", "ping", "--requests", "7", "--check"]
        table = run(*line, "--warmup-s", "0")
    for words in ("requests", "requests/s", "latency, us", "p99.9", "mismatches"):
        assert words in table


def test_the_programs_are_installed_with_the_package() -> None:
    for name in ("thriftscore_load", "thriftscore_echo"):
        path = program(name)
        assert path.parent.name == "bin"
        help_text = subprocess.run([path, "--help"], capture_output=True, text=True, check=True)
        assert help_text.stdout.startswith(f"usage: {name}")
        assert Path(sys.prefix) in path.parents
