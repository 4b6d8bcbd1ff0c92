# SPDX-License-Identifier: Apache-2.0
"""`thriftscore models`: versions managed as a person would, with and without a server."""

import json
import shutil

import command_line
import pytest
from server_process import wait_until

from thriftscore._generated.ttypes import DataType, ScoreRequest


@pytest.fixture
def repository(tmp_path, publish_regression):
    """Model "credit" with versions 1 to 3, which answer (1, 0) with 1, 2 and 3."""
    for version in (1, 2, 3):
        publish_regression(tmp_path / "repository", "credit", version)
    return tmp_path / "repository"


@pytest.fixture
def run(repository):
    """Runs `thriftscore models ...` and gives its status, output and errors."""

    def run(*arguments):
        done = command_line.run("models", *arguments, folder=repository.parent)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    return run


def labels(repository):
    content = json.loads((repository / "credit" / "labels.json").read_text())
    return {label: version for label, version in content.items() if not label.startswith("$")}


def test_a_label_moves_and_is_rolled_back(run, repository):
    for version in (1, 2, 3):
        status, output, _ = run("label", "credit", "stable", version)
        assert (status, labels(repository)) == (0, {"stable": version})
        assert f"the label stable names version {version}" in output
    for version in (2, 1):
        status, output, _ = run("rollback", "credit")
        assert (status, labels(repository)) == (0, {"stable": version})
        assert f"names version {version} again" in output
    status, output, errors = run("rollback", "credit")
    assert (status, output) == (1, "")
    assert errors == "error: model 'credit': the label 'stable' has no version to go back to\n"
    assert run("label", "credit", "stable", "--remove")[0] == 0
    assert labels(repository) == {}
    assert "rollback stable: 2 -> 1" in run("inspect", "credit", "1")[1]


def test_a_label_moves_only_to_a_version_that_is_fit(run, repository):
    (repository / "credit" / "3" / "model.safetensors").write_bytes(b"x")
    status, _, errors = run("label", "credit", "stable", 3)
    assert (status, errors.count("\n")) == (1, 1)
    assert "its manifest says" in errors
    assert not (repository / "credit" / "labels.json").exists()


def test_verify_tells_what_is_unfit(run, repository):
    status, output, _ = run("verify")
    assert status == 0
    assert "3 of 3 versions are fit to serve" in output
    (repository / "credit" / "2" / "manifest.json").write_text("{")
    status, output, _ = run("verify", "credit", "--json")
    assert status == 1
    states = {entry["version"]: entry["state"] for entry in json.loads(output)}
    assert states == {1: "AVAILABLE", 2: "FAILED", 3: "AVAILABLE"}


def test_remove_spares_what_a_label_needs(run, repository):
    run("label", "credit", "stable", 1)
    status, _, errors = run("remove", "credit", 1)
    assert (status, errors) == (
        1,
        "error: version 1 of 'credit' is needed by stable: move that first\n",
    )
    assert run("remove", "credit", 2)[0] == 0
    assert sorted(path.name for path in (repository / "credit").glob("[0-9]*")) == ["1", "3"]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("label", "credit", "7", "1"), 2, "label '7'"),
        (("label", "credit", "stable"), 2, "expected either a VERSION or --remove"),
        (("label", "credit", "stable", "9"), 1, "no version or label '9'"),
        (("label", "nope", "stable", "1"), 1, "no model 'nope'"),
        (("label", "../credit", "stable", "1"), 2, "'../credit'"),
        (("remove", "credit", "9"), 1, "no version 9"),
        (("rollback", "nope"), 1, "no model 'nope'"),
        (("verify", "nope"), 1, "no model 'nope'"),
        (("load", "credit", "--server", "127.0.0.1:1"), 1, "cannot connect"),
        (("load", "credit", "--server", "nowhere"), 2, "expected host:port"),
    ],
)
def test_what_is_wrong_is_one_line(run, arguments, status, said):
    code, output, errors = run(*arguments)
    assert (code, output) == (status, "")
    assert said in errors
    assert errors.count("\n") == 1


def test_a_running_server_is_managed(run, repository, start_server, tmp_path):
    """The server follows the repository, and takes orders at its admin port."""
    served = start_server(repository, version_policy="latest 1")
    server = "--server={}:{}".format(*served.admin_address)

    def answers(version=""):
        with served.client() as calls:
            return calls.score(
                ScoreRequest("credit", version, bytes(16), DataType.FP64)
            ).model_version

    assert answers() == "3"
    assert run("load", "credit", 1, server)[0] == 0
    assert answers("1") == "1"
    assert run("label", "credit", "stable", 1, server)[0] == 0
    assert (answers(), answers("stable")) == ("1", "1")
    status, _, errors = run("label", "credit", "stable", 2, server)
    assert (status, "load it before a label names it" in errors) == (1, True)
    run("label", "credit", "stable", 3, server)
    assert answers() == "3"
    status, output, _ = run("rollback", "credit", "stable", server)
    assert (status, answers()) == (0, "1")
    run("label", "credit", "canary", 2)  # of the directory, which the server follows
    wait_until(lambda: "canary" in run("list", server)[1], "the server has seen the label")
    wait_until(lambda: answers("canary") == "2", "the label names a version that is loaded")
    assert run("label", "credit", "canary", "--remove", server)[0] == 0
    assert run("unload", "credit", 3, server)[0] == 0
    status, output, errors = run("unload", "credit", "stable", server)
    assert (status, errors) == (
        0,
        "warning: requests for stable fail until version 1 is loaded\n",
    )
    assert "UNLOADED" in run("list", server)[1]
    assert run("load", "credit", "stable", server)[0] == 0
    states = {
        entry["version"]: entry["state"] for entry in json.loads(run("list", server, "--json")[1])
    }
    assert (states[1], states[3]) == ("AVAILABLE", "UNLOADED")
    shutil.move(repository, tmp_path / "away")
    status, output, errors = run("list", server)
    assert status == 0
    assert "warning: the server cannot read its repository" in errors
    assert "AVAILABLE" in output
