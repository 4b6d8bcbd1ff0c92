# SPDX-License-Identifier: Apache-2.0
"""A reply that comes after its call has timed out is given to no other call: 100,000 times.

Calls that time out share connections with calls that wait longer, so the late replies are read.
"""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from thriftscore_client import AsyncClient, CallTimedOut, Client, ClientOptions, ConnectFailed

TASK_TRIES = 80_000
THREAD_TRIES = 20_000
CLIENTS = 8
PATIENT_S = 60.0
HASTY_S, LATE_MS, LATER_MS = 0.004, 8.0, 12.0
OPTIONS = ClientOptions(timeout_s=PATIENT_S, connect_timeout_s=PATIENT_S)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    script = Path(__file__).with_name("late_server.py")
    process = subprocess.Popen(
        [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    yield f"127.0.0.1:{process.stdout.readline().strip()}"
    process.communicate()
    assert process.returncode == 0


def test_tasks_get_their_own_reply_or_none(endpoint):
    numbers = itertools.count()
    tries = 0

    async def hasty(client: AsyncClient) -> None:
        nonlocal tries
        number = float(next(numbers))
        try:
            values = await client.score_values("m", [number, LATE_MS], timeout_s=HASTY_S)
        except CallTimedOut:
            tries += 1
        except ConnectFailed:
            return  # not connected in so short a time: there is no reply to be late
        else:
            assert values.tolist() == [number, LATE_MS]

    async def patient(client: AsyncClient) -> None:
        number = float(next(numbers))
        values = await client.score_values("m", [number, LATER_MS])
        assert values.tolist() == [number, LATER_MS]

    async def rounds() -> None:
        async with AsyncClient(endpoint, OPTIONS) as client:
            while tries < TASK_TRIES:
                await asyncio.gather(patient(client), *(hasty(client) for _ in range(31)))

    async def main() -> None:
        await asyncio.gather(*(rounds() for _ in range(CLIENTS)))

    asyncio.run(main())
    assert tries >= TASK_TRIES


def test_threads_get_their_own_reply_or_none(endpoint):
    numbers = itertools.count()

    def hasty(client: Client) -> int:
        number = float(next(numbers))
        try:
            values = client.score_values("m", [number, LATE_MS], timeout_s=HASTY_S)
        except CallTimedOut:
            return 1
        except ConnectFailed:
            return 0
        assert values.tolist() == [number, LATE_MS]
        return 0

    def patient(client: Client) -> int:
        number = float(next(numbers))
        values = client.score_values("m", [number, LATER_MS])
        assert values.tolist() == [number, LATER_MS]
        return 0

    tries = 0
    with Client(endpoint, OPTIONS) as client, ThreadPoolExecutor(32) as executor:
        while tries < THREAD_TRIES:
            calls = [executor.submit(patient, client)]
            calls += [executor.submit(hasty, client) for _ in range(31)]
            tries += sum(call.result() for call in calls)
    assert tries >= THREAD_TRIES
