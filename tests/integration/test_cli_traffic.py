# SPDX-License-Identifier: Apache-2.0
"""`thriftscore models split` and `shadow`, as a person would use them."""

import json

import pytest
from command_line import run
from server_process import wait_until

from thriftscore._generated.ttypes import RequestContext, ScoreRequest


@pytest.fixture
def repository(tmp_path, publish_regression):
    """Model "credit" with versions 1 (stable) and 2 (canary)."""
    for version, label in enumerate(("stable", "canary"), start=1):
        publish_regression(tmp_path / "repository", "credit", version)
        assert models(tmp_path / "repository", "label", "credit", label, version)[0] == 0
    return tmp_path / "repository"


def models(repository, *arguments):
    """The status, the output and the errors of `thriftscore models ...`."""
    done = run("models", *arguments, folder=repository.parent)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def settings(repository):
    content = json.loads((repository / "credit" / "labels.json").read_text())
    return content.get("$split", {}), content.get("$shadow", "")


def test_a_split_is_set_shown_and_removed(repository):
    status, output, _ = models(repository, "split", "credit", "stable=95", "canary=5")
    assert (status, output) == (
        0,
        "credit: requests without a version are split: canary 5, stable 95\n",
    )
    assert settings(repository) == ({"stable": 95, "canary": 5}, "")
    assert "canary: 5" in models(repository, "inspect", "credit")[1]
    facts = json.loads(models(repository, "inspect", "credit", "--json")[1])
    assert (facts["split"], facts["shadow"]) == ({"stable": 95, "canary": 5}, None)
    assert models(repository, "split", "credit")[1] == "credit: there is no split\n"
    assert settings(repository) == ({}, "")


def test_a_shadow_is_set_shown_and_removed(repository):
    status, output, _ = models(repository, "shadow", "credit", "2", "--json")
    assert (status, json.loads(output)) == (0, {"split": {}, "shadow": "2"})
    assert settings(repository) == ({}, "2")
    assert json.loads(models(repository, "inspect", "credit", "--json")[1])["shadow"] == "2"
    assert models(repository, "shadow", "credit")[1] == "credit: there is no shadow\n"
    assert settings(repository) == ({}, "")


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["split", "credit", "stable=1", "candidate=1"], 1, "no version or label 'candidate'"),
        (["split", "credit", "9=1"], 1, "no version or label '9'"),
        (["split", "nope", "1=1"], 1, "there is no model 'nope'"),
        (["split", "credit", "stable"], 2, "'stable': expected TARGET=WEIGHT"),
        (["split", "credit", "stable=-1"], 2, "'stable=-1': expected TARGET=WEIGHT"),
        (["split", "credit", "1=1", "1=2"], 2, "'1' is given twice"),
        (["split", "credit", "stable=0"], 2, "expected a weight above 0"),
        (["split", "credit", "stable=1000001"], 2, "1000000"),
        (["split", "credit", "a b=1"], 2, "neither a version nor a label"),
        (["split", "../x", "1=1"], 2, "is not allowed"),
        (["shadow", "credit", "candidate"], 1, "no version or label 'candidate'"),
        (["shadow", "credit", "7"], 1, "no version or label '7'"),
        (["shadow", "credit", "01"], 2, "neither a version nor a label"),
    ],
)
def test_what_cannot_be_is_refused_by_name(repository, arguments, status, says):
    before = (repository / "credit" / "labels.json").read_bytes()
    done = models(repository, *arguments)
    assert (done[0], done[1]) == (status, "")
    assert says in done[2]
    assert done[2].count("\n") == 1
    assert (repository / "credit" / "labels.json").read_bytes() == before


def test_a_running_server_follows(repository, start_server):
    server, row = start_server(repository), bytes(16)

    def versions(calls):
        requests = (
            ScoreRequest("credit", "", row, 12, RequestContext(request_id=f"r-{number}"))
            for number in range(32)
        )
        return {calls.score(request).model_version for request in requests}

    with server.client() as calls:
        assert versions(calls) == {"1"}
        models(repository, "split", "credit", "stable=1", "canary=1")
        wait_until(lambda: versions(calls) == {"1", "2"}, "the split is in force")
        models(repository, "split", "credit")
        wait_until(lambda: versions(calls) == {"1"}, "the split has ended")
