# SPDX-License-Identifier: Apache-2.0
"""Compares this client with the one that the stock Thrift compiler and library make.

Measures, in turns: one caller of each, and many callers: of this client as threads that share one
client and as tasks that share one AsyncClient, of the stock client as threads with a connection
each. A call is `score` of one row. Prints one line of JSON: medians over the rounds, ratios to the
stock client, above 1 where this one is better, and every sample.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

import numpy as np
from thrift.protocol.TBinaryProtocol import TBinaryProtocolAccelerated
from thrift.transport.TSocket import TSocket
from thrift.transport.TTransport import TFramedTransport

from thriftscore_client import AsyncClient, Client, ClientOptions, ThriftscoreError
from thriftscore_client._generated import ScoringService, ttypes

TIMEOUT_S = 10.0
WARM_UP_CALLS = 50

Caller = Callable[[], object]


@dataclass
class Measured:
    """Calls and their times, of all callers of a round."""

    latencies_s: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def calls_per_s(self) -> float:
        """Throughput."""
        return len(self.latencies_s) / self.seconds

    @property
    def p50_us(self) -> float:
        """Median latency."""
        return statistics.median(self.latencies_s) * 1e6


@dataclass(frozen=True)
class Work:
    """What is called."""

    endpoint: str
    model: str
    row: np.ndarray
    seconds: float

    @contextmanager
    def ours(self) -> Iterator[Callable[[], AbstractContextManager[Caller]]]:
        """One client for all callers."""
        with Client(self.endpoint, ClientOptions(timeout_s=TIMEOUT_S)) as client:

            @contextmanager
            def caller() -> Iterator[Caller]:
                yield lambda: client.score(self.model, self.row).scores

            yield caller

    @contextmanager
    def stock(self) -> Iterator[Callable[[], AbstractContextManager[Caller]]]:
        """A client and a connection for each caller."""
        yield self._stock_caller

    @contextmanager
    def _stock_caller(self) -> Iterator[Caller]:
        host, _, port = self.endpoint.rpartition(":")
        source = TSocket(host, int(port))
        source.setTimeout(TIMEOUT_S * 1000)
        stub = ScoringService.Client(TBinaryProtocolAccelerated(TFramedTransport(source)))
        source.open()

        def call() -> np.ndarray:
            request = ttypes.ScoreRequest(
                model_name=self.model, features=self.row.tobytes(), columns=self.row.shape[1]
            )
            answer = stub.score(request)
            return np.frombuffer(answer.scores, "<f4").reshape(answer.rows, answer.columns)

        yield call
        source.close()

    def threads(
        self, kind: Callable[[], AbstractContextManager[Callable[..., object]]], callers: int
    ) -> Measured:
        """One round with this many threads."""
        measured = Measured()
        ready = threading.Barrier(callers + 1)

        def run(make: Callable[[], AbstractContextManager[Caller]]) -> None:
            with make() as call:
                for _ in range(WARM_UP_CALLS):
                    call()
                ready.wait()
                measured.latencies_s += repeated(call, time.perf_counter() + self.seconds)

        with kind() as make:
            threads = [threading.Thread(target=run, args=(make,)) for _ in range(callers)]
            for thread in threads:
                thread.start()
            ready.wait()
            started = time.perf_counter()
            for thread in threads:
                thread.join()
            measured.seconds = time.perf_counter() - started
        return measured

    def tasks(self, callers: int) -> Measured:
        """One round with this many tasks."""
        return asyncio.run(self._tasks(callers))

    async def _tasks(self, callers: int) -> Measured:
        measured = Measured()
        options = ClientOptions(timeout_s=TIMEOUT_S)
        async with AsyncClient(self.endpoint, options) as client:
            for _ in range(WARM_UP_CALLS):
                await client.score(self.model, self.row)
            started = time.perf_counter()

            async def run() -> None:
                now = time.perf_counter()
                while now < started + self.seconds:
                    await client.score(self.model, self.row)
                    before, now = now, time.perf_counter()
                    measured.latencies_s.append(now - before)

            await asyncio.gather(*(run() for _ in range(callers)))
            measured.seconds = time.perf_counter() - started
        return measured


def repeated(call: Caller, ends_at: float) -> list[float]:
    """How long each call took, one after the other until that moment."""
    latencies = []
    now = time.perf_counter()
    while now < ends_at:
        call()
        before, now = now, time.perf_counter()
        latencies.append(now - before)
    return latencies


def compare(work: Work, callers: int, rounds: int) -> dict[str, object]:
    """Runs all kinds in turns."""
    kinds: dict[str, Callable[[], Measured]] = {
        "ours_1": lambda: work.threads(work.ours, 1),
        "stock_1": lambda: work.threads(work.stock, 1),
        f"ours_{callers}": lambda: work.threads(work.ours, callers),
        f"async_{callers}": lambda: work.tasks(callers),
        f"stock_{callers}": lambda: work.threads(work.stock, callers),
    }
    found: dict[str, list[Measured]] = {name: [] for name in kinds}
    for _ in range(rounds):
        for name, measure in kinds.items():
            found[name].append(measure())
    medians = {
        name: {
            "calls_per_s": round(statistics.median(one.calls_per_s for one in all_), 1),
            "p50_us": round(statistics.median(one.p50_us for one in all_), 1),
        }
        for name, all_ in found.items()
    }
    pairs = [("ours_1", "stock_1")]
    pairs += [(f"{name}_{callers}", f"stock_{callers}") for name in ("ours", "async")]
    ratios = {
        ours: {
            "throughput": round(medians[ours]["calls_per_s"] / medians[stock]["calls_per_s"], 3),
            "p50": round(medians[stock]["p50_us"] / medians[ours]["p50_us"], 3),
        }
        for ours, stock in pairs
    }
    samples = [
        {
            "client": name.partition("_")[0],
            "callers": int(name.partition("_")[2]),
            "round": number,
            "calls_per_s": one.calls_per_s,
            "p50_us": one.p50_us,
        }
        for name, all_ in found.items()
        for number, one in enumerate(all_, 1)
    ]
    return {
        "rounds": rounds,
        "callers": callers,
        "medians": medians,
        "ratios": ratios,
        "samples": samples,
    }


def main() -> int:
    """Runs the comparison; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--endpoint", default="127.0.0.1:9090", help="host:port")
    parser.add_argument("--model", required=True)
    parser.add_argument("--row", required=True, help="numbers with commas between them")
    parser.add_argument("--callers", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each kind in each round")
    arguments = parser.parse_args()
    try:
        row = np.array([[float(one) for one in arguments.row.split(",")]], dtype=np.float32)
        work = Work(arguments.endpoint, arguments.model, row, arguments.seconds)
        print(json.dumps(compare(work, arguments.callers, arguments.rounds)))
    except (ThriftscoreError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
