# SPDX-License-Identifier: Apache-2.0
"""Calls servers with the Python client and says what came of it; README.md has the contract."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from probe_batch import score_file

from thriftscore_client import (
    AttemptEvent,
    CallEvent,
    Client,
    ClientOptions,
    ServerError,
    ThriftscoreError,
)

NUMBERS = 65_536  # of a caller, before they come again


class LastCall(threading.local):
    """Told by the client how many attempts the last call of this thread took."""

    attempts = 0

    def attempt_ended(self, event: AttemptEvent) -> None:
        """Is in the sum that follows."""

    def call_ended(self, event: CallEvent) -> None:
        self.attempts = event.attempts


class LastCallByLog(logging.Handler):
    """As LastCall, by what the client logs: one that is observed does not take its short way."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._retries = threading.local()
        logger = logging.getLogger("thriftscore_client")
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
        logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if "the next attempt is at" in record.msg:
            self._retries.number = getattr(self._retries, "number", 0) + 1

    @property
    def attempts(self) -> int:
        """Of this thread's last call; to be asked once for each."""
        retries = getattr(self._retries, "number", 0)
        self._retries.number = 0
        return 1 + retries


class Totals:
    """What came of all calls so far."""

    def __init__(self, *, each: bool) -> None:
        self._each = each
        self._lock = threading.Lock()
        self._outcomes: Counter[str] = Counter()
        self._attempts = 0
        self._wrong = 0
        self._ms_max = 0.0

    def add(self, call: dict[str, Any]) -> None:
        with self._lock:
            self._outcomes[call["outcome"]] += 1
            self._attempts += call["attempts"]
            self._wrong += call["ok"] and not call["correct"]
            self._ms_max = max(self._ms_max, call["ms"])
            if self._each:
                print(json.dumps(call), flush=True)

    def summary(self, seconds: float) -> dict[str, Any]:
        calls, ok = self._outcomes.total(), self._outcomes["OK"]
        return {
            "calls": calls,
            "ok": ok,
            "failed": calls - ok,
            "wrong": self._wrong,
            "attempts": self._attempts,
            "outcomes": dict(self._outcomes),
            "ms_max": self._ms_max,
            "calls_per_s": calls / seconds,
        }


class Probe:
    """Makes the calls that the command line asks for."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._last_call = LastCallByLog() if arguments.unobserved else LastCall()
        self._ends_at = time.monotonic() + (arguments.seconds or 0)
        self.totals = Totals(each=arguments.each)

    def run(self) -> None:
        arguments = self._arguments
        options = client_options(arguments)
        if isinstance(self._last_call, LastCall):
            options = replace(options, observers=(self._last_call,))
        client = Client(arguments.endpoints, options)
        threads = [
            threading.Thread(target=self._calls, args=(client, caller))
            for caller in range(arguments.callers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        client.close()

    def _calls(self, client: Client, caller: int) -> None:
        calls, callers = self._arguments.calls, self._arguments.callers
        mine = None if calls is None else calls // callers + (caller < calls % callers)
        number = 0
        while number < mine if mine is not None else time.monotonic() < self._ends_at:
            self.totals.add(self._call(client, caller * NUMBERS + number % NUMBERS))
            number += 1

    def _call(self, client: Client, k: int) -> dict[str, Any]:
        row = np.array([[k, 1]], dtype=np.float32)
        outcome, message, correct = "OK", "", False
        started = time.monotonic()
        try:
            scores = client.score(self._arguments.model, row).scores
            correct = not self._arguments.expect_sum or bool(scores[0, 0] == row.sum())
        except ServerError as error:
            outcome, message = error.code.name, str(error)
        except ThriftscoreError as error:
            outcome, message = type(error).__name__, str(error)
        return {
            "ok": outcome == "OK",
            "correct": correct,
            "outcome": outcome,
            "ms": (time.monotonic() - started) * 1000,
            "attempts": self._last_call.attempts,
            "message": message,
        }


def client_options(arguments: argparse.Namespace) -> ClientOptions:
    return ClientOptions(
        timeout_s=arguments.timeout_ms / 1000,
        attempts_max=arguments.attempts,
        calls_per_connection_max=32 if arguments.pipelined else 1,
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoints", required=True, help="with commas between")
    parser.add_argument("--model", required=True)
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--calls", type=int)
    length.add_argument("--seconds", type=float)
    length.add_argument("--batch-input", type=Path, help="instead of calls: a file of rows")
    parser.add_argument("--batch-output", type=Path)
    parser.add_argument("--columns", type=int, help="of the rows in the file")
    parser.add_argument("--callers", type=int, default=1)
    parser.add_argument("--unobserved", action="store_true", help="count attempts by the log")
    parser.add_argument("--timeout-ms", type=float, default=1000)
    parser.add_argument("--attempts", type=int, default=3)
    parser.add_argument("--pipelined", type=int, choices=(0, 1), default=1)
    parser.add_argument("--expect-sum", action="store_true", help="answers must be k + 1")
    parser.add_argument("--each", action="store_true", help="print each call")
    arguments = parser.parse_args()
    if arguments.batch_input is not None:
        if arguments.batch_output is None or (arguments.columns or 0) < 1:
            parser.error("--batch-input needs --batch-output and --columns")
        if arguments.batch_input.stat().st_size % (4 * arguments.columns):
            parser.error("the rows of --batch-input are not whole")
    return arguments


def main() -> int:
    arguments = parse_arguments()
    if arguments.batch_input is not None:
        print(json.dumps(score_file(arguments, client_options(arguments))))
        return 0
    probe = Probe(arguments)
    started = time.monotonic()
    probe.run()
    print(json.dumps(probe.totals.summary(time.monotonic() - started)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
