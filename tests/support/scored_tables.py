# SPDX-License-Identifier: Apache-2.0
"""Tables of rows for `thriftscore score`, and what it made of them."""

from __future__ import annotations

import csv
import json
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from command_line import COMMAND, environment, run, run_with_input
from numpy.typing import NDArray
from server_process import ServerProcess

import thriftscore
from thriftscore.repository import NewVersion, publish


def rows_of(model: thriftscore.Model, count: int, seed: int = 1) -> NDArray[np.float64]:
    """Rows of many magnitudes, whose decimals a float32 does not hold."""
    generator = np.random.default_rng(seed)
    exponents = generator.integers(-3, 3, size=(count, model.columns))
    return generator.normal(size=(count, model.columns)) * 10.0**exponents


def write_csv(path: Path, names: Sequence[str], rows: Iterable[Iterable[object]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(rows)
    return path


def read_csv(text: str) -> dict[str, list[str]]:
    header, *rows = csv.reader(text.splitlines())
    return {name: [row[place] for row in rows] for place, name in enumerate(header)}


def read_json(text: str) -> list[dict[str, Any]]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return [json.loads(line, parse_constant=refuse) for line in text.splitlines()]


def assert_bits(texts: Sequence[str], scores: NDArray[np.generic]) -> None:
    """The texts are the numbers, each bit of them."""
    read = np.array(texts, dtype=scores.dtype)
    assert read.tobytes() == np.ascontiguousarray(scores).tobytes()


def where(server: ServerProcess | None, repository: Path) -> list[str | Path]:
    """The options that say what scores: a server, or the command itself."""
    if server is None:
        return ["--local", "--repository", repository]
    host, port = server.address
    return ["--endpoint", f"{host}:{port}"]


def score(*arguments: str | Path, sent: str | None = None) -> str:
    """What a `thriftscore score` that succeeds writes to standard output."""
    options = ("score", *arguments, "--quiet")
    done = run(*options) if sent is None else run_with_input(sent, *options)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def score_on_both(server: ServerProcess, repository: Path, *arguments: str | Path) -> str:
    """What is written to standard output, which does not depend on what scores."""
    local, remote = (score(*arguments, *where(at, repository)) for at in (None, server))
    assert local == remote
    return local


def peak_of(repository: Path, source: Path) -> int:
    """The most bytes resident while a file is scored with "wide"; the scores are JSON beside it."""
    about = ("wide", "--input", source, "--output", source.with_suffix(".json"))
    process = subprocess.Popen(
        [*COMMAND, "score", *map(str, [*about, *where(None, repository)])],
        env=environment(),
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss * 1024


def publish_sum(
    repository: Path,
    name: str,
    weights: Mapping[str, float],
    categories: Mapping[str, Sequence[str]] | None = None,
) -> thriftscore.Model:
    """A model that adds up weighted features, which may be indices of names."""
    graph = {
        "format_version": 1,
        "precision": "fp64",
        "task": "regression",
        "features": list(weights),
        "classes": [],
        "missing_values": "propagate",
        "categories": categories or {},
        "stages": [{"op": "dense", "weights": "w", "bias": "b", "activation": "identity"}],
    }
    tensors = {"w": np.array([list(weights.values())]), "b": np.array([0.0])}
    data = safetensors.numpy.save(tensors, metadata={"thriftscore": json.dumps(graph)})
    publish(repository, name, NewVersion(data))
    return thriftscore.load(repository / name / "1")


def publish_paint(repository: Path) -> thriftscore.Model:
    """A model with features that are indices of names, of which some look like numbers."""
    weights = {"colour": 100.0, "size": 10.0, "gloss": 1.0}
    categories = {"colour": ["red", "green", "blue"], "size": ["10", "5", "1"]}
    return publish_sum(repository, "paint", weights, categories)
