# SPDX-License-Identifier: Apache-2.0
"""What is measured: thriftscore in its ways, the raw echo that is the limit, and every peer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from peers.registry import PEERS, Form, Peer
from rpc.loads import Protocol
from rpc.models import ServedModel
from rpc.processes import ServerProcess

from thriftscore.cli.load_generator import program

ECHO = "echo"
NATIVE = "thriftscore"


@dataclass(frozen=True)
class Situation:
    """What a server is started for."""

    model: ServedModel
    folder: Path
    """For its log and its sockets."""
    reply_bytes: int = 0
    """Of thriftscore's reply in this scenario, for the echo."""
    encoding: str = "framed/binary/score"


@dataclass(frozen=True)
class Running:
    """A server that takes requests."""

    process: ServerProcess
    endpoint: str


Start = Callable[[Situation], Running]


@dataclass(frozen=True)
class Subject:
    """One server, configured in one way."""

    name: str
    title: str
    protocol: Protocol
    form: Form
    start: Start
    fresh: bool = False
    """Started for each sample: it would disturb the others, or depends on the scenario."""
    missing: str | None = None
    """Why it cannot be started here."""
    settings: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def running(self, situation: Situation) -> Iterator[Running]:
        """The server, from when it takes requests until the block ends."""
        server = self.start(situation)
        with server.process:
            yield server


def _thriftscore(name: str, **options: object) -> Start:
    def start(situation: Situation) -> Running:
        ready = situation.folder / f"{name}.ready.json"
        ready.unlink(missing_ok=True)
        socket = situation.folder / f"{name}.socket"
        settings: dict[str, object] = {"repository": situation.model.repository, "port": 0}
        settings |= {"admin-port": 0, "ready-file": ready, "watch": "off", **options}
        if options.get("unix-socket"):
            settings["unix-socket"] = socket
        words = [str(Path(sys.executable).with_name("thriftscore")), "serve"]
        words += [f"--{key}={value}" for key, value in settings.items() if value is not True]
        words += [f"--{key}" for key, value in settings.items() if value is True]
        process = ServerProcess(words, situation.folder / f"{name}.log", ready)
        where = f"unix:{socket}" if options.get("unix-socket") else f"127.0.0.1:{process.port}"
        return Running(process, where)

    return start


def _echo(situation: Situation) -> Running:
    transport, protocol, method = situation.encoding.split("/")
    words = [str(program("thriftscore_echo")), f"--reply-bytes={situation.reply_bytes}"]
    words += [f"--transport={transport}", f"--protocol={protocol}", f"--method={method}"]
    process = ServerProcess(words, situation.folder / "echo.log")
    return Running(process, f"127.0.0.1:{process.port}")


def _peer(peer: Peer, form: Form) -> Subject:
    name = peer.name if form == peer.forms[0] else f"{peer.name}_{form}"
    title = peer.title if len(peer.forms) == 1 else f"{peer.title}, {form}"

    def start(situation: Situation) -> Running:
        model = situation.model
        source = model.version_directory if peer.model_kind == "version" else model.estimator
        if source is None:
            raise LookupError(f"{peer.name} cannot serve {model.kind}")
        process = ServerProcess(peer.start_command(source), situation.folder / f"{peer.name}.log")
        return Running(process, f"127.0.0.1:{process.port}")

    return Subject(
        name, title, peer.protocol, form, start, missing=peer.missing(), settings=peer.settings
    )


def subjects() -> dict[str, Subject]:
    """Every server by name, thriftscore's own first."""
    one_loop = {"io-threads": 1}
    ways: dict[str, tuple[str, dict[str, object]]] = {
        NATIVE: ("thriftscore, TCP", {}),
        "thriftscore_unix": ("thriftscore, Unix socket", {"unix-socket": True}),
        "thriftscore_busy_poll": ("thriftscore, busy-poll", {"busy-poll": True}),
        "thriftscore_python": ("thriftscore, --io python", {"io": "python"}),
    }
    own = [
        Subject(
            name,
            title,
            "thrift",
            "binary",
            _thriftscore(name, **one_loop, **options),
            fresh="busy-poll" in options,
            settings={key: str(value) for key, value in (one_loop | options).items()},
        )
        for name, (title, options) in ways.items()
    ]
    echo = Subject(ECHO, "raw echo (the limit)", "thrift", "binary", _echo, fresh=True)
    peers = [_peer(peer, form) for peer in PEERS for form in peer.forms]
    return {subject.name: subject for subject in [echo, *own, *peers]}
