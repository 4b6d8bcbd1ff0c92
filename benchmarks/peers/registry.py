# SPDX-License-Identifier: Apache-2.0
"""The servers that thriftscore is compared with: what each is, and how it is started.

    from peers.registry import PEERS, Peer

    words = peer.start_command(model=version_directory, threads=1)
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    port = json.loads(server.stdout.readline())["port"]  # it serves from then on
    server.terminate()                                   # it ends within 2 s

Every peer binds 127.0.0.1 and serves its model under the name MODEL_NAME. Its memory and CPU time
are those of its process and of all that process started.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).parents[2]
PLACES = {
    "python": sys.executable,
    "peers": str(Path(__file__).parent),
    "bin": str(ROOT / "build" / "release" / "bin"),
    "mlserver_python": str(ROOT / "build" / "mlserver-venv" / "bin" / "python"),
}
MODEL_NAME = "m"
GRPC_METHOD = "/inference.GRPCInferenceService/ModelInfer"
REST_PATH = f"/v2/models/{MODEL_NAME}/infer"

Form = Literal["binary", "raw", "repeated", "json"]


@dataclass(frozen=True)
class Peer:
    """One server. Frozen; the same for every scenario."""

    name: str
    title: str
    protocol: Literal["thrift", "grpc", "rest"]
    command: tuple[str, ...]
    """The words before --port, --model and --threads, with {places} in them."""
    forms: tuple[Form, ...]
    """How a request may carry its features; the reply carries the scores in the same form.

    `binary`: as the IDL has them. `raw`: raw_input_contents. `repeated`: fp32_contents.
    """
    model_kind: Literal["version", "joblib"] = "version"
    """What --model takes: the directory of a version, or a scikit-learn estimator in joblib."""
    settings: dict[str, str] = field(default_factory=dict)
    """How it is configured, and on whose advice: for the report."""

    def program(self) -> tuple[str, ...]:
        """The command with every place filled in."""
        return tuple(word.format_map(PLACES) for word in self.command)

    def missing(self) -> str | None:
        """What has to be built or installed before it can start; None = nothing."""
        absent = [word for word in self.program() if "/" in word and not Path(word).exists()]
        if not absent:
            return None
        return f"{os.path.relpath(absent[0], ROOT)} is missing: make build/stamps/peers"

    def start_command(self, model: Path, threads: int = 1, port: int = 0) -> list[str]:
        """What starts it on 127.0.0.1; port 0 = any that is free."""
        options = {"--port": port, "--model": model, "--threads": threads}
        return [*self.program(), *(str(word) for pair in options.items() for word in pair)]


PEERS = (
    Peer(
        "thrift_cpp_nonblocking",
        "Apache Thrift C++, TNonblockingServer",
        "thrift",
        ("{bin}/peer_thrift_nonblocking",),
        ("binary",),
        settings={
            "threads": "--threads for I/O, which score what they read; no thread manager",
            "codec": "binary, generated with `cpp:templates` (no virtual call for each field)",
        },
    ),
    Peer(
        "thrift_cpp_threaded",
        "Apache Thrift C++, TThreadedServer",
        "thrift",
        ("{bin}/peer_thrift_threaded",),
        ("binary",),
        settings={
            "threads": "one for each connection",
            "codec": "binary, generated with `cpp:templates`; TFramedTransport",
        },
    ),
    Peer(
        "thrift_python_threaded",
        "Apache Thrift Python, TThreadedServer",
        "thrift",
        ("{python}", "{peers}/python/thrift_threaded.py"),
        ("binary",),
        settings={
            "threads": "one for each connection",
            "codec": "TBinaryProtocolAccelerated (in C); TFramedTransport",
        },
    ),
    Peer(
        "thrift_python_nonblocking",
        "Apache Thrift Python, TNonblockingServer",
        "thrift",
        ("{python}", "{peers}/python/thrift_nonblocking.py"),
        ("binary",),
        settings={
            "threads": "1 for sockets, --threads for scoring",
            "codec": "TBinaryProtocolAccelerated (in C)",
        },
    ),
    Peer(
        "grpc_cpp_sync",
        "gRPC C++, synchronous",
        "grpc",
        ("{bin}/peer_grpc_sync",),
        ("raw", "repeated"),
        settings={
            "threads": "--threads completion queues, 1 to 2 pollers each (the default)",
            "locks": "Abseil's deadlock detection off, as in a release build",
        },
    ),
    Peer(
        "grpc_cpp_callback",
        "gRPC C++, callback",
        "grpc",
        ("{bin}/peer_grpc_callback",),
        ("raw", "repeated"),
        settings={
            "threads": "the library's own",
            "locks": "Abseil's deadlock detection off, as in a release build",
        },
    ),
    Peer(
        "grpc_python_threads",
        "gRPC Python, threads",
        "grpc",
        ("{python}", "{peers}/python/grpc_threads.py"),
        ("raw", "repeated"),
        settings={
            "threads": "ThreadPoolExecutor of --threads",
        },
    ),
    Peer(
        "grpc_python_asyncio",
        "gRPC Python, asyncio",
        "grpc",
        ("{python}", "{peers}/python/grpc_asyncio.py"),
        ("raw", "repeated"),
        settings={
            "event loop": "uvloop; scores on the loop",
        },
    ),
    Peer(
        "rest_fastapi",
        "REST: FastAPI, uvicorn, orjson",
        "rest",
        ("{python}", "{peers}/python/rest.py"),
        ("json",),
        settings={
            "event loop": "uvloop, httptools; 1 worker",
            "handler": "async, reads and writes JSON with orjson, no schema",
            "log": "no access log",
        },
    ),
    Peer(
        "mlserver_grpc",
        "MLServer, gRPC",
        "grpc",
        ("{mlserver_python}", "{peers}/mlserver/serve.py", "--protocol", "grpc"),
        ("raw", "repeated"),
        model_kind="joblib",
        settings={
            "parallel_workers": "0: scores in the process that serves",
            "off": "access log, metrics",
        },
    ),
    Peer(
        "mlserver_rest",
        "MLServer, REST",
        "rest",
        ("{mlserver_python}", "{peers}/mlserver/serve.py", "--protocol", "rest"),
        ("json",),
        model_kind="joblib",
        settings={
            "parallel_workers": "0: scores in the process that serves",
            "off": "access log, metrics",
        },
    ),
)
