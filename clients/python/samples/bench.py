# SPDX-License-Identifier: Apache-2.0
"""Scores a file of rows, measures the calls, and prints both as one line of JSON.

Latency is of single-row calls, one after the other; the rate is of calls with all rows.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from thriftscore_client import Client, ClientOptions, ThriftscoreError

WARM_UP_CALLS = 200
SINGLE_ROW_CALLS = 2000
BATCH_SECONDS = 0.5


def row_latencies_us(client: Client, model: str, rows: NDArray[np.float32]) -> Iterator[float]:
    """Times single-row calls over the rows in turn, in microseconds, after a warm-up."""
    for number in range(WARM_UP_CALLS + SINGLE_ROW_CALLS):
        index = number % len(rows)
        row = rows[index : index + 1]
        started = time.perf_counter_ns()
        client.score(model, row)
        elapsed = time.perf_counter_ns() - started
        if number >= WARM_UP_CALLS:
            yield elapsed / 1000


def rows_per_second(client: Client, model: str, rows: NDArray[np.float32]) -> float:
    """Scores all rows again and again for BATCH_SECONDS."""
    calls, started = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < BATCH_SECONDS:
        client.score(model, rows)
        calls += 1
    return calls * len(rows) / elapsed


def main() -> int:
    """Runs the measurement; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--endpoint", default="127.0.0.1:9090")
    parser.add_argument("--model", required=True)
    parser.add_argument("--rows", required=True, help="a file: a row of numbers in each line")
    arguments = parser.parse_args()
    try:
        rows = np.loadtxt(arguments.rows, dtype=np.float32, delimiter=",", ndmin=2)
        with Client(arguments.endpoint, ClientOptions(timeout_s=10.0)) as client:
            scores = client.score(arguments.model, rows).scores
            latencies = np.array(list(row_latencies_us(client, arguments.model, rows)))
            rate = rows_per_second(client, arguments.model, rows)
    except (ThriftscoreError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    p50, p99 = np.percentile(latencies, [50, 99])
    measured = {"p50_us": p50, "p99_us": p99, "rows_per_s": rate}
    print(json.dumps({"scores": scores.tolist(), **measured}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
