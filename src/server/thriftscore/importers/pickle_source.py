# SPDX-License-Identifier: Apache-2.0
"""Pickled scikit-learn models, at arm's length: a child process unpickles, converts and answers.

What comes back is a native model and matrices, and is checked like any file from outside. The
child is no sandbox: `--allow-pickle` means that the user trusts the file.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from thriftscore.errors import ModelRefused
from thriftscore.importers.native_model import MissingValues, Precision
from thriftscore.importers.sample import Sample
from thriftscore.importers.source_model import Answered
from thriftscore.repository.files import Directory
from thriftscore.repository.golden import Golden
from thriftscore.repository.manifest import GOLDEN_BYTES_MAX, MODEL_BYTES_MAX

_FACTS_BYTES_MAX = 8 << 20
_WORKER = "thriftscore.importers.pickle_worker"


@dataclass(frozen=True)
class Unpickled:
    """What the child process made of a source."""

    answered: Answered
    reference: str
    libraries: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Request:
    """What the child process is to do."""

    format: str
    """"pickle" or "skops"."""
    precision: Precision
    missing_values: MissingValues | None
    allow_pickle: bool
    timeout_s: float
    """How long it may take."""


def unpickle(data: bytes, sample: Sample | None, request: Request) -> Unpickled:
    """Convert a pickle or skops file in a child process. Raises ModelRefused.

    `sample` is what to compare on; None lets the child choose.
    """
    with tempfile.TemporaryDirectory(prefix="thriftscore-import-") as name:
        path = Path(name)
        (path / "source").write_bytes(data)
        given = sample or Sample(np.empty((0, 0)))
        texts = {"sample_names": given.names, "sample_texts": given.texts}
        (path / "request.json").write_text(json.dumps(asdict(request) | texts))
        if sample is not None:
            np.save(path / "rows.npy", sample.rows, allow_pickle=False)
        _run_worker(path, request.timeout_s)
        with Directory.open_root(path) as directory:
            return read_results(directory)


def _run_worker(path: Path, timeout_s: float) -> None:
    command = [sys.executable, "-I", "-m", _WORKER, str(path)]
    with (path / "stderr").open("wb") as stderr:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
        )
        try:
            status = child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise ModelRefused(f"the pickle was not converted within {timeout_s:g} s") from None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    if status != 0:
        lines = (path / "stderr").read_bytes()[-4096:].decode("utf-8", "replace").split("\n")
        said = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
        raise ModelRefused(f"converting the pickle failed with status {status}: {said}")


def read_results(directory: Directory) -> Unpickled:
    """What the child left in its directory. Raises ModelRefused where it is not as it should be."""
    with suppress(FileNotFoundError):
        error = _read_json(directory, "error.json").get("error")
        raise ModelRefused(str(error))
    try:
        facts = _read_json(directory, "facts.json")
        golden = Golden.decode(directory.read("answers.safetensors", GOLDEN_BYTES_MAX))
        return Unpickled(
            answered=Answered(directory.read("model.safetensors", MODEL_BYTES_MAX), golden),
            reference=str(facts.get("reference")),
            libraries=_texts(facts.get("libraries")),
            warnings=_texts(facts.get("warnings")),
        )
    except FileNotFoundError as error:
        raise ModelRefused(f"converting the pickle made no '{error.filename}'") from error


def _read_json(directory: Directory, name: str) -> dict[str, Any]:
    try:
        value = json.loads(directory.read(name, _FACTS_BYTES_MAX))
    except (ValueError, RecursionError) as error:
        raise ModelRefused(f"converting the pickle made a bad {name}: {error}") from error
    if not isinstance(value, dict):
        raise ModelRefused(f"converting the pickle made a bad {name}: expected an object")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ModelRefused("converting the pickle made a bad facts.json: expected texts")
    return tuple(value)
