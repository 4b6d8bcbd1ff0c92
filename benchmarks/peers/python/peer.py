# SPDX-License-Identifier: Apache-2.0
"""What every peer does alike: its options, its model, and the line that says it serves."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import thriftscore

ADDRESS = "127.0.0.1"
MESSAGE_BYTES_MAX = 64 << 20  # so that ten megabytes of rows fit


@dataclass(frozen=True)
class PeerOptions:
    """How a peer was started."""

    port: int
    threads: int
    model: thriftscore.Model

    @property
    def address(self) -> str:
        """Where to listen; port 0 = any that is free."""
        return f"{ADDRESS}:{self.port}"


def read_options(purpose: str) -> PeerOptions:
    """The options on the command line, and the model they name. SIGTERM ends the process."""
    parser = argparse.ArgumentParser(description=purpose)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--model", type=Path, required=True, help="the directory of a version")
    parser.add_argument("--threads", type=int, default=1, help="where the server has such a number")
    options = parser.parse_args()
    return PeerOptions(options.port, options.threads, thriftscore.load(options.model))


def announce(port: int) -> None:
    """Tells the harness, on standard output, that connections to `port` are answered."""
    print(json.dumps({"port": port}), flush=True)
