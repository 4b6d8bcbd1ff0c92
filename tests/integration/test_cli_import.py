# SPDX-License-Identifier: Apache-2.0
"""The command line as its users run it: a process, its output and its exit status."""

import json
import os
import pty
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from command_line import COMMAND, assert_fails, run
from onnx import TensorProto, helper

WEIGHTS = np.array([[0.5], [-1.5]], np.float32)


def write_onnx(path: Path, operator: str = "Sigmoid") -> Path:
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["X", "w"], ["z"], "sum"),
            helper.make_node(operator, ["z"], ["Y"], "last"),
        ],
        "graph",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, [None, 1])],
        [onnx.numpy_helper.from_array(WEIGHTS, "w")],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A repository with one model, and the report of its import."""
    folder = tmp_path_factory.mktemp("imported")
    source = write_onnx(folder / "credit.onnx")
    repository = folder / "repository"
    done = run(
        *("import", source, "--name", "credit", "--repository", repository),
        *("--label", "stable", "--json"),
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return repository, json.loads(done.stdout)


def test_import_publishes_and_reports(imported: tuple[Path, dict[str, Any]]) -> None:
    repository, report = imported
    assert (report["model"], report["version"], report["label"]) == ("credit", 1, "stable")
    assert (report["task"], report["features"]) == ("binary_classification", 2)
    assert report["report"]["rows"] >= 100
    assert report["report"]["max_relative_difference"] <= report["tolerance"] == 1e-5
    files = sorted(str(path.relative_to(repository)) for path in repository.rglob("*.*"))
    assert files == [
        "credit/1/golden.safetensors",
        "credit/1/manifest.json",
        "credit/1/model.safetensors",
        "credit/labels.json",
    ]


def test_import_prints_a_report_for_people_without_colours(tmp_path: Path) -> None:
    source = write_onnx(tmp_path / "model.onnx")
    done = run("import", source, "--name", "m", THRIFTSCORE_REPOSITORY=str(tmp_path / "r"))
    assert done.returncode == 0, done.stderr
    assert "published m version 1" in done.stdout
    assert "onnxruntime on 256 rows" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr


def test_progress_is_shown_on_a_terminal_only(tmp_path: Path) -> None:
    source = write_onnx(tmp_path / "model.onnx")
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            [*COMMAND, "import", source, "--name", "m", "--repository", tmp_path / "r", "--json"],
            env={**os.environ, "TERM": "xterm"},
            stdout=subprocess.PIPE,
            stderr=theirs,
            check=True,
            timeout=100,
        )
        shown = os.read(ours, 1 << 16).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert "publishing" in shown or "comparing" in shown or "reading" in shown
    assert json.loads(done.stdout)["version"] == 1


def test_models_list_and_inspect_tell_what_is_there(
    imported: tuple[Path, dict[str, Any]],
) -> None:
    repository, report = imported
    (listed,) = json.loads(run("models", "list", "--repository", repository, "--json").stdout)
    assert (listed["model"], listed["version"], listed["state"]) == ("credit", 1, "AVAILABLE")
    assert (listed["labels"], listed["is_default"]) == (["stable"], True)
    inspected = json.loads(
        run("models", "inspect", "credit", "stable", "--repository", repository, "--json").stdout
    )
    assert inspected["digest"] == listed["digest"]
    assert inspected["report"] == report["report"]
    assert any("dense" in line for line in inspected["plan"])
    for arguments in (["list"], ["inspect", "credit"]):
        shown = run("models", *arguments, "--repository", repository)
        assert shown.returncode == 0
        assert listed["digest"][:12] in shown.stdout
    assert_fails(run("models", "inspect", "nope", "--repository", repository), 1, "nope")


def test_models_list_tells_why_a_version_cannot_be_served(tmp_path: Path) -> None:
    source = write_onnx(tmp_path / "model.onnx")
    assert run("import", source, "--name", "m", "--repository", tmp_path / "r").returncode == 0
    with (tmp_path / "r" / "m" / "1" / "model.safetensors").open("ab") as file:
        file.write(b"x")
    (listed,) = json.loads(run("models", "list", "--repository", tmp_path / "r", "--json").stdout)
    assert listed["state"] == "FAILED"
    assert "model.safetensors" in listed["reason"]


def test_version_tells_what_is_installed() -> None:
    facts = json.loads(run("version", "--json").stdout)
    assert facts["simd_target"] in facts["simd_targets"]
    assert facts["simd_targets"][0] == "scalar"
    assert facts["version"] in run("version").stdout
    assert run("--version").stdout == f"thriftscore {facts['version']}\n"
    scalar = json.loads(run("version", "--json", THRIFTSCORE_SIMD="scalar").stdout)
    assert scalar["simd_target"] == "scalar"


def test_an_unknown_instruction_set_is_a_configuration_error() -> None:
    assert_fails(run("version", THRIFTSCORE_SIMD="mmx"), 2, "THRIFTSCORE_SIMD", "mmx", "scalar")


def test_refused_models_exit_1_and_publish_nothing(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    erf = write_onnx(tmp_path / "erf.onnx", "Erf")
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(erf.read_bytes()[:60])
    pickled = tmp_path / "model.pkl"
    pickled.write_bytes(b"\x80\x04.")
    for source, said in {
        erf: "operator Erf (node 'last') has no native stage",
        cut: "ONNX",
        pickled: "--allow-pickle",
    }.items():
        assert_fails(run("import", source, "--name", "m", "--repository", repository), 1, said)
    assert not repository.exists()


def test_wrong_usage_exits_2(tmp_path: Path) -> None:
    source = write_onnx(tmp_path / "model.onnx")
    sample = tmp_path / "rows.csv"
    sample.write_text("1,2,3\n")
    for arguments, said in (
        (["import", source], "--name"),
        (["import", source, "--name", "../m"], "../m"),
        (["import", source, "--name", "m", "--label", "7"], "label '7'"),
        (["import", source, "--name", "m", "--precision", "fp16"], "fp16"),
        (["import", source, "--name", "m", "--sample", sample], "3 columns, the model 2"),
        (["import", tmp_path / "absent.onnx", "--name", "m"], "absent.onnx"),
        (["models", "list", "--repository", tmp_path / "absent"], "absent"),
        (["import", source, "--name", b"\xff".decode("utf-8", "surrogateescape")], "model name"),
        (["nonsense"], "nonsense"),
    ):
        assert_fails(run(*arguments), 2, said)
    assert not (tmp_path / "repository").exists()


def test_a_repository_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    source = write_onnx(tmp_path / "model.onnx")
    (tmp_path / "file").touch()
    assert_fails(
        run("import", source, "--name", "m", "--repository", tmp_path / "file"),
        1,
        "cannot publish 'm'",
    )


def test_a_reader_that_leaves_early_is_told_nothing(imported: tuple[Path, dict[str, Any]]) -> None:
    repository, _ = imported
    with subprocess.Popen(
        [*COMMAND, "models", "inspect", "credit", "--repository", repository, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(100) == 1


def test_help_names_every_command() -> None:
    shown = run("--help")
    assert shown.returncode == 0
    assert all(name in shown.stdout for name in ("import", "models", "serve", "version"))
