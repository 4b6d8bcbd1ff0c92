# SPDX-License-Identifier: Apache-2.0
"""`thriftscore score` while it runs: memory, terminals, pipes, and servers that end or change."""

import os
import pty
import shutil
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from command_line import COMMAND, environment
from numpy.lib.format import write_array_header_1_0
from scored_tables import peak_of, read_json, score, where, write_csv
from server_process import wait_until
from stock_server import CountingHandler, stock_server

from thriftscore._generated.ttypes import (
    DataType,
    ErrorCode,
    LabelRequest,
    ModelMetadata,
    ScoreRequest,
    ScoreResponse,
    ScoringError,
    TensorMetadata,
)

ROW = b"1,2\n"
ROWS = 4_000
"""More than the buffers between this process and its output hold."""


class Running:
    """A `thriftscore score versioned` that reads CSV from a pipe, a batch for each row."""

    def __init__(self, output: Path, *options: str | Path) -> None:
        about = ("versioned", "--input", "-", "--output", output, "--batch-rows", "1", *options)
        self.output = output
        self.process = subprocess.Popen(
            # A job in the background of a script hands an ignored SIGINT on.
            ["env", "--default-signal=INT", *COMMAND, "score", *map(str, about)],
            env=environment(),
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.send(b"first,second\n")

    def send(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def temporary(self) -> list[Path]:
        return list(self.output.parent.glob(f".{self.output.name}.*"))

    def end(self) -> tuple[int, str]:
        """Its status and what it says, once it has read everything."""
        _, said = self.process.communicate(timeout=100)
        return self.process.returncode, said.decode()


def feed(running: Running) -> None:
    """ROWS rows, some of which are scored when this returns."""
    running.send(ROW * ROWS)
    wait_until(running.temporary, "the output is begun", 60)
    wait_until(lambda: running.temporary()[0].stat().st_size, "something is written", 60)


def test_a_server_that_ends_leaves_no_file(start_server, models_repository, tmp_path):
    server = start_server()
    output = tmp_path / "out" / "scores.csv"
    output.parent.mkdir()
    running = Running(output, *where(server, models_repository))
    feed(running)
    server.kill()
    with suppress(BrokenPipeError):
        running.send(ROW)
    status, said = running.end()
    assert status == 1
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert list(output.parent.iterdir()) == []


def test_all_rows_are_scored_by_one_version(start_server, models_repository, tmp_path):
    repository = shutil.copytree(models_repository, tmp_path / "repository")
    server = start_server(repository)
    output = tmp_path / "scores.csv"
    running = Running(output, *where(server, repository))
    feed(running)
    with server.admin() as admin:
        admin.set_label(LabelRequest("versioned", "stable", 2))
    running.send(ROW * 100)
    status, said = running.end()
    assert status == 0, said
    assert "version 1" in said
    assert output.read_text() == "score\n" + "99.0\n" * (ROWS + 100)


def test_an_interrupt_leaves_no_file(models_repository, tmp_path):
    output = tmp_path / "scores.csv"
    running = Running(output, *where(None, models_repository))
    feed(running)
    running.process.send_signal(2)
    assert running.end() == (130, "")
    assert list(tmp_path.iterdir()) == []


def sparse_npy(path: Path, rows: int, order: str) -> Path:
    """Zeros that take no disk."""
    with path.open("wb") as file:
        file.write(b"\x93NUMPY\x01\x00")
        header = {"descr": "<f8", "fortran_order": order == "F", "shape": (rows, 256)}
        file.seek(0)
        write_array_header_1_0(file, header)
        file.truncate(file.tell() + rows * 256 * 8)
    return path


@pytest.mark.parametrize("order", ["C", "F"])
def test_memory_does_not_grow_with_an_npy_file(models_repository, tmp_path, order):
    small = sparse_npy(tmp_path / "small.npy", 1_000, order)
    large = sparse_npy(tmp_path / "large.npy", 150_000, order)
    assert large.stat().st_size > 300_000_000
    grown = peak_of(models_repository, large) - peak_of(models_repository, small)
    assert grown < 16 << 20
    with large.with_suffix(".json").open() as lines:
        assert sum(1 for _ in lines) == 150_000


def test_memory_does_not_grow_with_a_csv_file(models_repository, tmp_path):
    names = [f"f{column:03}" for column in range(256)]
    cells = [f"{value:.17f}" for value in np.linspace(-1, 1, 256)]
    small = write_csv(tmp_path / "small.csv", names, [cells] * 1_000)
    large = write_csv(tmp_path / "large.csv", names, [cells] * 15_000)
    assert large.stat().st_size > 75_000_000
    grown = peak_of(models_repository, large) - peak_of(models_repository, small)
    assert grown < 16 << 20


def run_on_terminal(*arguments: str | Path) -> tuple[int, str]:
    """Status and what a terminal for standard error is sent."""
    ours, theirs = pty.openpty()
    shown: list[bytes] = []

    def read() -> None:
        try:
            while data := os.read(ours, 1 << 16):
                shown.append(data)
        except OSError:  # the other side is closed
            pass

    reader = threading.Thread(target=read)
    reader.start()
    try:
        done = subprocess.run(
            [*COMMAND, "score", *map(str, arguments)],
            env=environment(TERM="xterm", COLUMNS="120"),
            stdout=subprocess.PIPE,
            stderr=theirs,
            check=False,
            timeout=100,
        )
    finally:
        os.close(theirs)
        reader.join()
        os.close(ours)
    return done.returncode, b"".join(shown).decode()


def test_a_terminal_shows_how_far_it_is(models_repository, tmp_path):
    source = write_csv(tmp_path / "rows.csv", ["first", "second"], [(1, 2)] * 100)
    about = ("versioned", "--input", source, *where(None, models_repository))
    status, shown = run_on_terminal(*about)
    assert status == 0
    assert "100%" in shown
    assert "100 rows" in shown
    assert "scored 100 rows" in shown
    assert run_on_terminal(*about, "--quiet") == (0, "")


def test_an_output_that_is_no_file_is_written_to(models_repository, tmp_path):
    source = write_csv(tmp_path / "rows.csv", ["first", "second"], [(1, 2)])
    pipe, read = tmp_path / "pipe.csv", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    score("versioned", "--input", source, "--output", pipe, *where(None, models_repository))
    reader.join()
    assert read == ["score\n99.0\n"]
    assert pipe.is_fifo()


def test_a_link_to_the_output_stays_a_link(models_repository, tmp_path):
    source = write_csv(tmp_path / "rows.csv", ["first", "second"], [(1, 2)])
    target, link = tmp_path / "target.csv", tmp_path / "link.csv"
    link.symlink_to(target)
    score("versioned", "--input", source, "--output", link, *where(None, models_repository))
    assert link.is_symlink()
    assert target.read_text() == "score\n99.0\n"


def test_a_reader_that_leaves_early_is_told_nothing(models_repository, tmp_path):
    source = write_csv(tmp_path / "rows.csv", ["first", "second"], [(1, 2)] * 50_000)
    about = ("versioned", "--input", source, *where(None, models_repository))
    with subprocess.Popen(
        [*COMMAND, "score", *map(str, about)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"score\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(100) == 1


class BusyAtFirst(CountingHandler):
    """Has no room for the first two requests."""

    def model_metadata(self, model_name: str, model_version: str) -> ModelMetadata:
        scores = TensorMetadata(name="scores", datatype=DataType.FP32, shape=[-1, 1])
        return ModelMetadata(
            name=model_name,
            model_version=model_version or "1",
            feature_names=["a", "b", "c"],
            outputs=[scores],
        )

    def score(self, request: ScoreRequest) -> ScoreResponse:
        answer = super().score(request)
        if self.calls["score"] < 3:
            raise ScoringError(
                code=ErrorCode.OVERLOADED, message="no room", retryable=True, retry_after_ms=20
            )
        return answer


def test_a_server_without_room_is_asked_again(tmp_path: Path) -> None:
    rows = tmp_path / "rows.npy"
    np.save(rows, np.ones((3, 3), np.float32))
    handler = BusyAtFirst()
    with stock_server(handler) as server:
        lines = score("m", "--input", rows, "--endpoint", server.endpoint, "--format", "json")
    assert handler.calls["score"] == 3
    assert [row["score"] for row in read_json(lines)] == [0.0, 1.0, 2.0]
