# SPDX-License-Identifier: Apache-2.0
"""Starts MLServer through its command line, in its own environment, on a scikit-learn estimator.

What never changes is in settings.json and model-settings.json beside this file; the rest comes in
the environment, where MLServer looks for what the files leave open.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import joblib

ADDRESS = "127.0.0.1"
START_TIMEOUT_S = 60.0
LOOK_S = 0.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--protocol", choices=("grpc", "rest"), required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--model", type=Path, required=True, help="an estimator in joblib")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    free, other = free_ports(2)
    wanted = options.port or free
    ports = {"rest": other, "grpc": other} | {options.protocol: wanted}
    announce_once_ready(wanted, ports)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # its log must not mix with the announcement
    mlserver = str(Path(sys.executable).with_name("mlserver"))
    os.execve(
        mlserver, [mlserver, "start", str(Path(__file__).parent)], environment(options, ports)
    )


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on: MLServer cannot be told to choose one itself."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server((ADDRESS, 0))) for _ in range(count)]
        return [listener.getsockname()[1] for listener in sockets]


def environment(options: argparse.Namespace, ports: dict[str, int]) -> dict[str, str]:
    """For this model, on these ports; one thread scores within the process that serves."""
    has_probabilities = hasattr(joblib.load(options.model), "predict_proba")
    settings = {
        "HTTP_PORT": ports["rest"],
        "GRPC_PORT": ports["grpc"],
        "PARALLEL_WORKERS": options.threads if options.threads > 1 else 0,
        "MODEL_URI": options.model.absolute(),
        "MODEL_EXTRA": json.dumps(
            {"predict_fn": "predict_proba" if has_probabilities else "predict"}
        ),
    }
    return os.environ | {f"MLSERVER_{name}": str(value) for name, value in settings.items()}


def announce_once_ready(wanted: int, ports: dict[str, int]) -> None:
    """Announces `wanted` from a process that is no child of this one: it is no part of the cost."""
    server = os.getpid()
    if child := os.fork():
        os.waitpid(child, 0)
        return
    if os.fork() == 0:
        deadline = time.monotonic() + START_TIMEOUT_S
        while Path(f"/proc/{server}").exists() and time.monotonic() < deadline:
            if is_ready(ports):
                print(json.dumps({"port": wanted}), flush=True)
                break
            time.sleep(LOOK_S)
    os._exit(0)


def is_ready(ports: dict[str, int]) -> bool:
    """True once the model is loaded and both ports take connections."""
    try:
        url = f"http://{ADDRESS}:{ports['rest']}/v2/models/m/ready"
        urllib.request.urlopen(url, timeout=1).close()
        socket.create_connection((ADDRESS, ports["grpc"]), timeout=1).close()
    except (OSError, urllib.error.URLError):
        return False
    return True


if __name__ == "__main__":
    main()
