# SPDX-License-Identifier: Apache-2.0
"""The main job on real data: train, import, serve, and score from Python, Java and Go.

Trains three scikit-learn pipelines on the data that ships with scikit-learn, imports them into a
fresh repository, serves it, scores the held-out rows with each client, and compares every score
with scikit-learn's own. Exit code 0 only if all agree within TOLERANCE. Leaves nothing behind.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from thriftscore_client import Client

Array = NDArray[np.float64]

ROOT = Path(__file__).resolve().parents[2]
TOLERANCE = 1e-6  # of |score - reference| / max(1, |reference|): float32 has 24 significant bits
SEED = 20260101
READY_TIMEOUT_S = 30
BENCH_TIMEOUT_S = 120
THRIFTSCORE = Path(sys.executable).with_name("thriftscore")
CLIENTS = {
    "Python": [sys.executable, str(ROOT / "clients/python/samples/bench.py")],
    "Java": ["java", "-jar", str(ROOT / "clients/java/target/thriftscore-sample.jar"), "bench"],
    "Go": [str(ROOT / "clients/go/bin/sample"), "bench"],
}


@dataclass(frozen=True)
class TrainedModel:
    """A fitted pipeline with the rows it has not seen, as float32, and their targets."""

    name: str
    pipeline: Pipeline
    rows: NDArray[np.float32]
    targets: Array
    training_rows: Array

    def reference(self) -> Array:
        """scikit-learn's own scores of `rows`, in float64: (rows, outputs)."""
        rows = self.rows.astype(np.float64)
        if not hasattr(self.pipeline, "predict_proba"):
            return np.asarray(self.pipeline.predict(rows)).reshape(-1, 1)
        probabilities = np.asarray(self.pipeline.predict_proba(rows))
        return probabilities[:, 1:] if probabilities.shape[1] == 2 else probabilities

    def quality(self, scores: Array) -> str:
        """Accuracy of a classifier or R² of a regression, from served scores."""
        if not hasattr(self.pipeline, "predict_proba"):
            return f"R² {r2_score(self.targets, scores[:, 0]):.3f}"
        labels = scores.argmax(axis=1) if scores.shape[1] > 1 else scores[:, 0] > 0.5
        return f"acc. {accuracy_score(self.targets, labels):.3f}"


def train_models() -> list[TrainedModel]:
    """Fits one model for each kind of link."""
    return [
        train("breast_cancer", load_breast_cancer, LogisticRegression(max_iter=1000)),
        train("diabetes", load_diabetes, Ridge()),
        train("digits", load_digits, LogisticRegression(max_iter=1000)),
    ]


def train(name: str, load: Callable[..., tuple[Array, Array]], estimator: object) -> TrainedModel:
    """Fits scaler + estimator on three quarters of a data set."""
    features, targets = load(return_X_y=True)
    training_rows, rows, training_targets, held_out_targets = train_test_split(
        features, targets, random_state=SEED
    )
    pipeline = make_pipeline(StandardScaler(), estimator).fit(training_rows, training_targets)
    return TrainedModel(
        name, pipeline, rows.astype(np.float32), held_out_targets, np.asarray(training_rows)
    )


def import_model(model: TrainedModel, folder: Path) -> None:
    """Hands the pipeline over as a user would: a joblib file and the import command."""
    source, sample = folder / f"{model.name}.joblib", folder / f"{model.name}.npy"
    joblib.dump(model.pipeline, source)
    np.save(sample, model.training_rows)
    command = [THRIFTSCORE, "import", source, "--name", model.name, "--allow-pickle"]
    command += ["--sample", sample, "--repository", folder / "repository", "--json"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Serves folder/repository on a free port; yields the endpoint; stops the server at the end."""
    ready_file, log = folder / "ready.json", folder / "server.log"
    command = [THRIFTSCORE, "serve", "--repository", folder / "repository", "--port", "0"]
    command += ["--admin-port", "0", "--ready-file", ready_file]
    with log.open("wb") as log_file:
        process = subprocess.Popen(command, stdout=log_file, stderr=log_file)
    try:
        yield f"127.0.0.1:{wait_until_ready(process, ready_file, log)}"
    finally:
        process.terminate()
        try:
            process.wait(timeout=READY_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_ready(process: subprocess.Popen[bytes], ready_file: Path, log: Path) -> int:
    """Returns the data port once the server has written its ready file."""
    for _ in range(READY_TIMEOUT_S * 20):
        if ready_file.exists():
            return int(json.loads(ready_file.read_text())["port"])
        try:
            process.wait(timeout=0.05)
        except subprocess.TimeoutExpired:
            continue
        break
    raise SystemExit(f"error: the server did not become ready; its log:\n{log.read_text()}")


def bench(language: str, endpoint: str, model: TrainedModel, folder: Path) -> dict[str, float]:
    """Scores the held-out rows with one client; returns what it printed."""
    rows_file = folder / f"{model.name}.csv"
    rows_file.write_text("".join(",".join(map(repr, row)) + "\n" for row in model.rows.tolist()))
    command = [*CLIENTS[language], "--endpoint", endpoint, "--model", model.name]
    command += ["--rows", str(rows_file)]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=BENCH_TIMEOUT_S
    )
    return dict(json.loads(done.stdout))


def worst_difference(scores: Array, reference: Array) -> float:
    """max |score - reference| / max(1, |reference|); infinite if the shapes differ."""
    if scores.shape != reference.shape:
        return float("inf")
    return float(np.max(np.abs(scores - reference) / np.maximum(1, np.abs(reference))))


def run(folder: Path, console: Console) -> bool:
    """Runs the demo under `folder`; returns whether all scores agree."""
    with console.status("Training on breast_cancer, diabetes and digits"):
        models = train_models()
    names = ", ".join(model.name for model in models)
    with console.status(f"Importing {names}"), ThreadPoolExecutor() as imports:
        list(imports.map(lambda model: import_model(model, folder), models))
    table = Table(
        title="Held-out rows, scored by one server", box=SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    for column in ("model", "client", "rows", "max diff.", "quality", "p50", "p99", "rows/s"):
        left = column in {"model", "client"}
        table.add_column(column, justify="left" if left else "right", no_wrap=True)
    agreed = True
    with server(folder) as endpoint:
        for model in models:
            with Client(endpoint) as client:
                features = len(client.model_metadata(model.name).feature_names)
            console.print(f"{model.name}: {features} features, served at {endpoint}")
            for language in CLIENTS:
                with console.status(f"Scoring {model.name} from {language}"):
                    result = bench(language, endpoint, model, folder)
                agreed &= add_row(table, model, language, result)
    console.print(table)
    return agreed


def add_row(table: Table, model: TrainedModel, language: str, result: dict[str, float]) -> bool:
    """Adds one client's line to the table; returns whether its scores agree with the reference."""
    scores = np.asarray(result["scores"], dtype=np.float64)
    difference = worst_difference(scores, model.reference())
    agrees = difference <= TOLERANCE
    table.add_row(
        model.name,
        language,
        str(len(scores)),
        f"{difference:.1e}" if agrees else f"[red]{difference:.1e}[/red]",
        model.quality(scores),
        f"{result['p50_us']:.0f} µs",
        f"{result['p99_us']:.0f} µs",
        f"{result['rows_per_s'] / 1e6:.2f} M",
    )
    return agrees


def main() -> int:
    """Runs the demo in a folder of its own; returns the exit code."""
    console = Console()
    with tempfile.TemporaryDirectory(prefix="thriftscore-demo-") as folder:
        try:
            agreed = run(Path(folder), console)
        except subprocess.CalledProcessError as failure:
            console.print(f"error: {failure}\n{failure.stderr or ''}", style="red", markup=False)
            return 1
    what = f"|score - scikit-learn| / max(1, |scikit-learn|) <= {TOLERANCE:g}"
    console.print(f"{'All agree' if agreed else 'NOT ALL AGREE'}: {what}", markup=False)
    return 0 if agreed else 1


if __name__ == "__main__":
    raise SystemExit(main())
