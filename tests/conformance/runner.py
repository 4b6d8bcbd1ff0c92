# SPDX-License-Identifier: Apache-2.0
"""Runs the conformance cases with the Python client; README.md says what it prints."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from expectations import difference
from wire_calls import WireClient

from thriftscore_client import AsyncClient, Client, ClientOptions, ServerError, ThriftscoreError
from thriftscore_client._generated import ttypes

DTYPES = {"FP32": np.float32, "FP64": np.float64}
DATATYPES = {np.dtype(dtype): name for name, dtype in DTYPES.items()}
CALL_TIMEOUT_S = 10.0
STYLES = ("sync", "pipelined", "async")
CALLERS = 8


class ClientCalls:
    """Cases `via: client`: arguments to the client's types, results to plain values."""

    def __init__(self, client: Client | LoopClient) -> None:
        self._client = client

    def call(self, method: str, args: Mapping[str, Any]) -> dict[str, Any]:
        convert = getattr(self, f"_{method}", None)
        return convert(args) if convert else self._plain(method, args)

    def _score(self, args: Mapping[str, Any]) -> dict[str, Any]:
        rows = matrix(args["features"], args)
        return scored(self._client.score(args["model"], rows, **call_options(args)))

    def _score_sparse(self, args: Mapping[str, Any]) -> dict[str, Any]:
        indptr = np.array(args["indptr"], dtype=np.int64)
        indices = np.array(args["indices"], dtype=np.int32)
        values = np.array(args["values"], dtype=dtype_of(args))
        options = call_options(args)
        return scored(self._client.score_sparse(args["model"], indptr, indices, values, **options))

    def _score_values(self, args: Mapping[str, Any]) -> dict[str, Any]:
        values = [float(value) for value in args["values"]]
        return {"result": self._client.score_values(args["model"], values).tolist()}

    def _score_named(self, args: Mapping[str, Any]) -> dict[str, Any]:
        features = {name: float(value) for name, value in args["features"].items()}
        return {"result": self._client.score_named(args["model"], features).tolist()}

    def _normalize(self, args: Mapping[str, Any]) -> dict[str, Any]:
        rows = matrix(args["values"], args)
        return normalised(self._client.normalize(args["model"], rows, **call_options(args)))

    def _denormalize(self, args: Mapping[str, Any]) -> dict[str, Any]:
        rows = matrix(args["values"], args)
        return normalised(self._client.denormalize(args["model"], rows, **call_options(args)))

    def _infer(self, args: Mapping[str, Any]) -> dict[str, Any]:
        inputs = {
            one["name"]: matrix(one["rows"], one, self._columns(args["model"]))
            for one in args["inputs"]
        }
        asked = {"outputs": args.get("outputs", ()), "id": args.get("id")}
        result = self._client.infer(args["model"], inputs, **asked, **call_options(args))
        outputs = {
            name: {"shape": list(array.shape), "values": array.ravel().tolist()}
            for name, array in result.outputs.items()
        }
        return {**vars(result), "outputs": outputs}

    def _columns(self, model: str) -> int:
        return len(self._client.model_metadata(model).feature_names)

    def _plain(self, method: str, args: Mapping[str, Any]) -> dict[str, Any]:
        """A method whose arguments and results need no arrays."""
        names = [args[name] for name in ("model", "version") if name in args]
        result = plain(getattr(self._client, method)(*names))
        if method == "model_statistics":
            return {"model_stats": result}
        return result if isinstance(result, dict) else {"result": result}


def dtype_of(args: Mapping[str, Any]) -> type:
    return DTYPES[args.get("datatype", "FP32")]


def matrix(rows: list[list[Any]], args: Mapping[str, Any], columns: int = 0) -> np.ndarray:
    """The rows as an array; no rows are (0, columns)."""
    numbers = [[float(value) for value in row] for row in rows]
    array = np.array(numbers, dtype=dtype_of(args))
    return array if numbers else array.reshape(0, columns)


def call_options(args: Mapping[str, Any]) -> dict[str, Any]:
    options = {name: args[name] for name in ("version", "request_id") if name in args}
    if "deadline_ms" in args:
        options["timeout_s"] = args["deadline_ms"] / 1000
    return options


def scored(result: Any) -> dict[str, Any]:
    return {**vars(result), **described(result.scores), "scores": result.scores.tolist()}


def normalised(result: Any) -> dict[str, Any]:
    return {**vars(result), **described(result.values), "values": result.values.tolist()}


def described(array: np.ndarray) -> dict[str, Any]:
    rows, columns = array.shape
    return {"datatype": DATATYPES[array.dtype], "rows": rows, "columns": columns}


def plain(value: Any) -> Any:
    """Results without arrays as dicts, lists and names."""
    if dataclasses.is_dataclass(value):
        return {
            field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value.name if isinstance(value, Enum) else value


def outcome(calls: ClientCalls | WireClient, case: Mapping[str, Any]) -> dict[str, Any]:
    """The result of a case's call, or its error, as plain values."""
    try:
        return calls.call(case["method"], case["args"])
    except ServerError as error:
        return refusal(error.code.name, error)
    except ttypes.ScoringError as error:
        return refusal(ttypes.ErrorCode._VALUES_TO_NAMES.get(error.code, str(error.code)), error)
    except ThriftscoreError as error:
        return {"error": type(error).__name__, "message": str(error), "retryable": error.retryable}


def refusal(code: str, error: ServerError | ttypes.ScoringError) -> dict[str, Any]:
    return {"error": code, "message": error.message, "retryable": error.retryable}


def run_case(calls: ClientCalls | WireClient, case: Mapping[str, Any]) -> str:
    """Why the case fails; empty where it passes."""
    try:
        return difference(case["expect"], outcome(calls, case))
    except Exception as error:  # a case must not keep the others from running
        return f"{type(error).__name__}: {error}"


@dataclasses.dataclass(frozen=True)
class Combination:
    """What is between a case and the server."""

    transport: str
    protocol: str
    style: str

    @classmethod
    def parse(cls, text: str) -> Combination:
        parts = cls(*text.split("/"))
        if parts.style not in STYLES:
            raise ValueError(f"style is {parts.style!r}, expected one of {STYLES}")
        return parts

    @property
    def options(self) -> ClientOptions:
        """For one connection; one call at a time in style sync."""
        return ClientOptions(
            timeout_s=CALL_TIMEOUT_S,
            transport=self.transport,
            protocol=self.protocol,
            connections_max=1,
            calls_per_connection_max=1 if self.style == "sync" else 32,
        )

    def __str__(self) -> str:
        return f"{self.transport}/{self.protocol}/{self.style}"


class LoopClient:
    """An AsyncClient in an event loop of its own; any thread may call its methods."""

    def __init__(self, endpoint: str, options: ClientOptions) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._client = AsyncClient(endpoint, options)

    def __enter__(self) -> LoopClient:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._client.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)
        return lambda *args, **options: self._run(method(*args, **options))

    def _run(self, call: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(call, self._loop).result()


def problems(
    combination: Combination, endpoint: str, cases: list[Mapping[str, Any]]
) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Runs the cases of a combination; each with why it fails, empty where it passes."""
    options = combination.options
    kind = LoopClient if combination.style == "async" else Client
    threads = 1 if combination.style == "sync" else CALLERS
    with kind(endpoint, options) as client, ThreadPoolExecutor(threads) as executor:
        calls = ClientCalls(client)
        mine = [case for case in cases if case["via"] == "client"]
        yield from zip(mine, executor.map(lambda case: run_case(calls, case), mine), strict=True)
    if combination.style == "sync":
        wire = WireClient(endpoint, combination.transport, combination.protocol)
        for case in cases:
            if case["via"] == "wire":
                yield case, run_case(wire, case)
        wire.close()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=Path, required=True)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--combinations", help="transport/protocol/style, with commas between")
    parser.add_argument("--protocol", choices=("binary", "compact"), default="binary")
    parser.add_argument("--transport", choices=("framed", "unframed", "header"), default="framed")
    return parser.parse_args()


def main() -> int:
    arguments = parse_arguments()
    alone = f"{arguments.transport}/{arguments.protocol}/sync"
    combinations = (arguments.combinations or alone).split(",")
    cases = json.loads(arguments.cases.read_text(encoding="utf-8"))
    failed = passed = 0
    for combination in map(Combination.parse, combinations):
        for case, problem in problems(combination, arguments.endpoint, cases):
            name = f"{combination} {case['name']}" if arguments.combinations else case["name"]
            print(f"FAIL {name}: {problem}" if problem else f"PASS {name}")
            failed += bool(problem)
            passed += not problem
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
