#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Latency while versions switch, against latency while they do not.

    version_switch.py [--seconds 2] [--switches-per-second 100] [--rounds 15] [--share 0.7]
                      [--rows 100]

One native server, one loop on core 0, two versions of an MLP; the load generator on core 1 with
16 connections, open loop at a share of the peak, and every reply held against its request. In each
round the peak is measured anew, since a shared machine is not the same from minute to minute, and
then the same load runs twice: on one version, and while a label moves between the two. Prints p99
and memory of each round and the median ratio of p99.

With requests of a single row the generator is as busy as the server, and what moves the label comes
in its way: then its delays are measured too. The repository is in memory where there is /dev/shm:
a disk may take longer to make a label durable than there is between two moves.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1] / "tests" / "support")]
from rpc.machine import ROOT  # noqa: E402
from rpc.models import served_model  # noqa: E402
from server_process import THRIFTSCORE, ServerProcess  # noqa: E402 - found through the line above

from thriftscore._generated.ttypes import LabelRequest  # noqa: E402
from thriftscore.importers.importing import ImportOptions, import_model  # noqa: E402
from thriftscore.repository import publish  # noqa: E402

CONNECTIONS = 16
MEMORY = Path("/dev/shm")
PEAK_S = 1.0


def load(served: ServerProcess, rows: int, seconds: float, rate: float = 0.0) -> dict[str, Any]:
    """What the load generator measured; `rate` 0 = closed loop."""
    host, port = served.address
    options = ["--endpoint", f"{host}:{port}", "--connections", CONNECTIONS, "--cpu", 1]
    options += ["--model", "m", "--duration-s", seconds, "--rounds", 1]
    options += ["--rows", rows, "--check", "--json"]
    options += ["--mode", "open", "--rate", rate] if rate else []
    command = [*THRIFTSCORE, "bench", "rpc", *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout)["server"]
    return result


def switching(served: ServerProcess, per_second: float, act: Callable[[], Any]) -> tuple[Any, int]:
    """The result of `act`, and how often the label moved meanwhile."""
    stop, switches = threading.Event(), 0

    def switch() -> None:
        nonlocal switches
        # Who moves the label is on the same two processors, and is not what is measured.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        due = time.monotonic()
        with served.admin() as admin:
            while not stop.is_set():
                admin.set_label(LabelRequest("m", "stable", 1 + switches % 2))
                switches += 1
                due += 1 / per_second
                time.sleep(max(0.0, due - time.monotonic()))

    thread = threading.Thread(target=switch)
    thread.start()
    try:
        result = act()
    finally:
        stop.set()
        thread.join()
    return result, switches


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--switches-per-second", type=float, default=100.0)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--share", type=float, default=0.7, help="of the peak")
    parser.add_argument("--rows", type=int, default=100, help="of a request")
    options = parser.parse_args()
    model = served_model("mlp", ROOT / "build" / "bench" / "servers" / "models")
    assert model.estimator is not None
    version = import_model(model.estimator, ImportOptions(allow_pickle=True)).version
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        repository = Path(folder) / "repository"
        for _ in range(2):
            publish(repository, "m", version)
        served = ServerProcess(repository, Path(folder) / "server", io_threads=1)
        try:
            os.sched_setaffinity(served.process.pid, {0})
            for thread in Path(f"/proc/{served.process.pid}/task").iterdir():
                os.sched_setaffinity(int(thread.name), {0})
            measure(served, options)
        finally:
            served.kill()


def measure(served: ServerProcess, options: argparse.Namespace) -> None:
    ratios = []
    for round_ in range(options.rounds):
        rate = options.share * load(served, options.rows, PEAK_S)["requests_per_s"]
        run = partial(load, served, options.rows, options.seconds, rate)
        still = run()
        before = served.memory_bytes()
        moving, switches = switching(served, options.switches_per_second, run)
        grown = served.memory_bytes() - before
        ratios.append(moving["latency_us"]["p99"] / still["latency_us"]["p99"])
        print(
            f"round {round_ + 1}, {rate:,.0f} requests a second:"
            f" p99 {still['latency_us']['p99']:.0f} us still,"
            f" {moving['latency_us']['p99']:.0f} us with {switches} switches;"
            f" memory {grown / 1024:+,.0f} KiB;"
            f" {moving['errors']} errors, {moving['mismatches']} replies of another request"
        )
    print(f"median ratio of p99: {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
