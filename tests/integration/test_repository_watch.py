# SPDX-License-Identifier: Apache-2.0
"""A server follows its repository: new versions, labels, damage, and the repository going away."""

import json
import os
import shutil

import pytest
from server_process import wait_until

from thriftscore._generated.ttypes import (
    DataType,
    LabelRequest,
    ModelVersionRequest,
    RepositoryIndexRequest,
    RequestContext,
    ScoreRequest,
    VersionState,
)
from thriftscore.repository import Registry

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def repository(tmp_path, publish_regression):
    publish_regression(tmp_path / "repository", "m", 1)
    return tmp_path / "repository"


@pytest.fixture
def publish(repository, publish_regression):
    return lambda version: publish_regression(repository, "m", version)


@pytest.fixture(params=["events", "poll"])
def served(request, repository, start_server):
    return start_server(repository, watch=request.param, watch_interval_ms=100)


def version_that_answers(served, version=""):
    with served.client() as calls:
        return calls.score(ScoreRequest("m", version, bytes(16), DataType.FP64)).model_version


def state(served, version):
    with served.admin() as calls:
        for status in calls.repository_index(RepositoryIndexRequest("m")).versions:
            if status.version == version:
                return status
    return None


def wait_for_version(served, version):
    wait_until(lambda: version_that_answers(served) == version, f"version {version} answers")


def test_published_versions_and_labels_are_served(served, publish, repository):
    assert version_that_answers(served) == "1"
    publish(2)
    wait_for_version(served, "2")
    publish(3)
    wait_for_version(served, "3")
    wait_until(lambda: state(served, 1).state == VersionState.UNLOADED, "the oldest is let go")
    (repository / "m" / "labels.json").write_text('{"stable": 1}')
    wait_for_version(served, "1")
    loaded = [event["version"] for event in served.events("model_loaded")]
    assert loaded == [1, 2, 3, 1]


def test_a_damaged_version_changes_nothing_and_its_reason_is_told(served, publish, repository):
    publish(2)
    wait_for_version(served, "2")
    shutil.copytree(repository / "m" / "2", repository / ".incoming")
    (repository / ".incoming" / "model.safetensors").write_bytes(b"damaged")
    (repository / ".incoming").rename(repository / "m" / "3")
    wait_until(lambda: state(served, 3) is not None, "the version is seen")
    wait_until(lambda: state(served, 3).state == VersionState.FAILED, "it is refused")
    assert "its manifest says" in state(served, 3).reason
    assert version_that_answers(served) == "2"
    wait_until(lambda: len(served.events("model_refused")) >= 2, "it is tried again")
    with served.client() as calls:
        assert calls.server_ready() is True


def test_what_happens_to_the_files_of_a_served_version_is_not_noticed(served, publish, repository):
    publish(2)
    wait_for_version(served, "2")
    version = repository / "m" / "2"
    (version / "model.safetensors").write_bytes(b"")
    publish(3)  # after which the server has looked at everything
    wait_for_version(served, "3")
    assert version_that_answers(served, "2") == "2"
    shutil.rmtree(version)
    (repository / "m" / "labels.json").write_text('{"stable": 1, "seen": 3}')
    wait_for_version(served, "1")
    assert version_that_answers(served, "3") == "3"


def test_a_repository_that_goes_away_and_comes_back(served, publish, repository, tmp_path):
    repository.rename(tmp_path / "away")
    wait_until(lambda: served.events("repository_unavailable"), "the log tells of it")
    assert version_that_answers(served) == "1"
    with served.admin() as calls:
        assert "cannot be read" in calls.repository_index(RepositoryIndexRequest()).repository_error
    (tmp_path / "away").rename(repository)
    wait_until(lambda: served.events("repository_available"), "the log tells of that too")
    publish(2)
    wait_for_version(served, "2")


def test_nothing_is_loaded_unasked_where_the_watch_is_off(start_server, repository, publish):
    served = start_server(repository, watch="off", watch_interval_ms=10)
    publish(2)
    with served.admin() as calls:
        assert version_that_answers(served) == "1"
        calls.load_model(ModelVersionRequest("m"))
    assert version_that_answers(served) == "2"


def test_each_change_is_in_the_audit_log(start_server, repository, publish, tmp_path):
    audit = tmp_path / "audit.json"
    served = start_server(repository, audit_log=audit)
    publish(2)
    wait_for_version(served, "2")
    context = RequestContext(request_id="r-1", traceparent=TRACEPARENT)
    with served.admin() as calls:
        calls.set_label(LabelRequest("m", "stable", 1, context))
        calls.set_label(LabelRequest("m", "stable", 2))
        calls.rollback_label(LabelRequest("m", "stable"))
        calls.remove_label(LabelRequest("m", "stable"))
        calls.unload_model(ModelVersionRequest("m", "1"))
    lines = [json.loads(line) for line in audit.read_text().splitlines()]
    actions = [line["action"] for line in lines]
    assert actions == [
        "model_loaded",
        "set_label",
        "set_label",
        "rollback_label",
        "remove_label",
        "unload_model",
    ]
    assert lines[0]["actor"] == "repository"
    assert (lines[0]["before"]["default"], lines[0]["after"]["default"]) == (1, 2)
    first = lines[1]
    assert first["actor"].startswith("127.0.0.1:")
    assert (first["request_id"], first["traceparent"]) == ("r-1", TRACEPARENT)
    assert (first["before"]["labels"], first["after"]["labels"]) == ({}, {"stable": 1})
    assert (lines[3]["before"]["default"], lines[3]["after"]["default"]) == (2, 1)
    assert lines[5]["after"]["versions"] == {"1": "UNLOADED", "2": "AVAILABLE"}
    assert served.events("audit") == []


def test_a_repository_that_anybody_could_write_to_is_warned_of(start_server, repository):
    assert start_server(repository).events("repository_exposed") == []
    (repository / "m").chmod(0o777)
    served = start_server(repository)
    (event,) = wait_until(lambda: served.events("repository_exposed"), "the warning is in the log")
    assert event["directory"] == str(repository / "m")
    assert event["reason"] == "every user may write to it"


def test_a_repository_of_another_user_is_warned_of(repository, monkeypatch):
    if os.geteuid() == 0:
        os.chown(repository / "m", 12_345, -1)
    else:  # who is not root cannot give a directory away, but be taken for another
        monkeypatch.setattr(os, "geteuid", lambda: 12_345)
    exposed = dict(Registry(repository).exposed())
    assert exposed[repository / "m"].startswith("it belongs to user ")


def test_without_a_file_changes_are_events_of_the_log(served):
    with served.admin() as calls:
        calls.set_label(LabelRequest("m", "stable", 1))
    (event,) = wait_until(lambda: served.events("audit"), "the change is in the log")
    assert (event["action"], event["after"]["labels"]) == ("set_label", {"stable": 1})
