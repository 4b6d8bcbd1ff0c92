# SPDX-License-Identifier: Apache-2.0
"""A real thriftscore server, and a server that does what a test tells it to."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.Thrift import TMessageType
from thrift.transport.TTransport import TMemoryBuffer

from thriftscore_client import AttemptEvent, CallEvent
from thriftscore_client._generated import ScoringService, ttypes
from thriftscore_client.compiled import SWITCH

ROOT = Path(__file__).parents[3]
START_TIMEOUT_S = 30


@pytest.fixture(scope="session")
def real_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serves the conformance models; the endpoint."""
    folder = tmp_path_factory.mktemp("server")
    models = ROOT / "tests/conformance/models.py"
    subprocess.run([sys.executable, models, folder / "repository"], check=True)
    ready_file, log = folder / "ready.json", folder / "server.log"
    command = [Path(sys.executable).with_name("thriftscore"), "serve", "--io", "python"]
    command += ["--repository", folder / "repository", "--port", "0", "--admin-port", "0"]
    command += ["--ready-file", ready_file]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        wait_until(lambda: ready_file.exists() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield f"127.0.0.1:{json.loads(ready_file.read_text())['port']}"
    finally:
        process.terminate()
        process.wait(START_TIMEOUT_S)


@pytest.fixture(params=["1", "0"], ids=["compiled", "python"])
def each_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs a test by the compiled part, and by what stands in for it."""
    monkeypatch.setenv(SWITCH, request.param)


def wait_until(condition: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(START_TIMEOUT_S * 50):
        if condition():
            return
        waiting.wait(0.02)
    raise AssertionError("the condition did not become true")


class Peer:
    """The server's end of one connection, speaking framed binary Thrift by the stock library."""

    def __init__(self, accepted: socket.socket) -> None:
        self.socket = accepted

    def receive(self) -> tuple[str, int, object]:
        """The next call: its method, its sequence number and its generated arguments."""
        (length,) = struct.unpack("!i", self._read(4))
        protocol = TBinaryProtocol(TMemoryBuffer(self._read(length)), strictRead=True)
        name, kind, sequence = protocol.readMessageBegin()
        assert kind == TMessageType.CALL
        arguments = getattr(ScoringService, f"{name}_args")()
        arguments.read(protocol)
        return name, sequence, arguments

    def _read(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            part = self.socket.recv(length - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def reply(self, name: str, sequence: int, result: object) -> None:
        self.socket.sendall(framed(encode_reply(name, sequence, result)))


def encode_reply(name: str, sequence: int, result: object, kind: int = TMessageType.REPLY) -> bytes:
    transport = TMemoryBuffer()
    protocol = TBinaryProtocol(transport)
    protocol.writeMessageBegin(name, kind, sequence)
    result.write(protocol)
    protocol.writeMessageEnd()
    return transport.getvalue()


def framed(message: bytes) -> bytes:
    return struct.pack("!i", len(message)) + message


def score_result(value: float, request_id: str | None, rows: int = 1) -> object:
    response = ttypes.ScoreResponse(
        scores=struct.pack("<f", value) * rows,
        rows=rows,
        columns=1,
        model_version="1",
        request_id=request_id,
    )
    return ScoringService.score_result(success=response)


class ScriptedServer:
    """A real listener that gives each connection to a script, in a thread of its own."""

    def __init__(self, listener: socket.socket, endpoint: str) -> None:
        self.endpoint = endpoint
        self.connections = 0
        self.failures: list[BaseException] = []
        self.stopping = threading.Event()
        self._listener = listener
        self._threads: list[threading.Thread] = []

    def run(self, script: Callable[[Peer, int], None]) -> None:
        """Starts accepting; `script` gets each connection and its number, from 1."""
        self._start(self._accept, script)

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args)
        self._threads.append(thread)
        thread.start()

    def _accept(self, script: Callable[[Peer, int], None]) -> None:
        while not self.stopping.is_set():
            try:
                accepted, _ = self._listener.accept()
            except TimeoutError:
                continue
            accepted.settimeout(START_TIMEOUT_S)
            self.connections += 1
            self._start(self._serve, accepted, script, self.connections)

    def _serve(
        self, accepted: socket.socket, script: Callable[[Peer, int], None], number: int
    ) -> None:
        with accepted:
            try:
                script(Peer(accepted), number)
            except (EOFError, OSError):
                pass  # the client closed: what these tests are about
            except BaseException as error:
                self.failures.append(error)

    def stop(self) -> None:
        self.stopping.set()
        for thread in self._threads:
            thread.join(START_TIMEOUT_S)
        self._listener.close()
        assert self.failures == []


@pytest.fixture
def servers() -> Iterator[Callable[[Callable[[Peer, int], None]], ScriptedServer]]:
    """Starts any number of scripted servers."""
    started: list[ScriptedServer] = []

    def start(script: Callable[[Peer, int], None]) -> ScriptedServer:
        server = _listening()
        server.run(script)
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()


def _listening() -> ScriptedServer:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.02)
    return ScriptedServer(listener, f"127.0.0.1:{listener.getsockname()[1]}")


def nobody() -> str:
    """An endpoint at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


class Told:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.attempts: list[AttemptEvent] = []
        self.calls: list[CallEvent] = []

    def attempt_ended(self, event: AttemptEvent) -> None:
        self.attempts.append(event)

    def call_ended(self, event: CallEvent) -> None:
        self.calls.append(event)


@pytest.fixture
def scripted_server() -> Iterator[ScriptedServer]:
    server = _listening()
    yield server
    server.stop()


@pytest.fixture
def unix_server(tmp_path: Path) -> Iterator[ScriptedServer]:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "socket"))
    listener.listen()
    listener.settimeout(0.02)
    server = ScriptedServer(listener, f"unix:{tmp_path / 'socket'}")
    yield server
    server.stop()
