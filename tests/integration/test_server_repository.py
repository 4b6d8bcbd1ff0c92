# SPDX-License-Identifier: Apache-2.0
"""The five methods of the admin port, and what the data port makes of their effects."""

import struct
import threading

import pytest

from thriftscore._generated.ttypes import (
    LabelRequest,
    ModelVersionRequest,
    RepositoryIndexRequest,
    RequestContext,
    ScoreRequest,
    ScoringError,
    VersionState,
)

INVALID_ARGUMENT, MODEL_NOT_FOUND, MODEL_NOT_READY = 1, 2, 3


@pytest.fixture
def served(start_server, models_repository, tmp_path):
    """A server over a repository of its own."""
    repository = tmp_path / "repository"
    for path in sorted(models_repository.rglob("*")):
        copy = repository / path.relative_to(models_repository)
        if path.is_dir():
            copy.mkdir(parents=True)
        else:
            copy.write_bytes(path.read_bytes())
    return start_server(repository)


@pytest.fixture(params=["binary", "compact"])
def admin(request, served):
    with served.admin(request.param) as calls:
        yield calls


def version_that_scores(served, version=""):
    with served.client() as calls:
        return calls.score(ScoreRequest("versioned", version, bytes(8))).model_version


def test_index(admin):
    request = RepositoryIndexRequest(context=RequestContext(request_id="i-1"))
    response = admin.repository_index(request)
    assert response.request_id == "i-1"
    versions = [(status.model_name, status.version) for status in response.versions]
    assert versions == sorted(versions)
    assert len(versions) == 9
    one, two = admin.repository_index(RepositoryIndexRequest("versioned")).versions
    assert (one.state, one.labels, one.is_default) == (VersionState.AVAILABLE, ["stable"], True)
    assert (two.labels, two.is_default, len(two.digest)) == (["canary"], False, 64)


def test_unload_and_load(admin, served):
    (change,) = admin.unload_model(ModelVersionRequest("versioned", "canary")).versions
    assert (change.version, change.state) == (2, VersionState.UNLOADED)
    with served.client() as calls:
        assert calls.model_ready("versioned", "2") is False
        with pytest.raises(ScoringError) as failure:
            calls.score(ScoreRequest("versioned", "2", bytes(8)))
    assert failure.value.code == MODEL_NOT_READY
    ready = admin.repository_index(RepositoryIndexRequest("versioned", ready_only=True)).versions
    assert [status.version for status in ready] == [1]
    (change,) = admin.load_model(ModelVersionRequest("versioned", "2")).versions
    assert change.state == VersionState.AVAILABLE
    assert version_that_scores(served, "canary") == "2"


def test_labels_move_and_go(admin, served):
    assert version_that_scores(served) == "1"
    admin.set_label(LabelRequest("versioned", "stable", 2))
    assert version_that_scores(served) == "2"
    admin.remove_label(LabelRequest("versioned", "canary"))
    with pytest.raises(ScoringError) as failure:
        version_that_scores(served, "canary")
    assert failure.value.code == MODEL_NOT_FOUND


def test_statistics_begin_anew_with_a_load(admin, served):
    version_that_scores(served, "2")
    with served.client() as calls:
        assert calls.model_statistics("versioned", "2").model_stats[0].inference_count == 1
        admin.load_model(ModelVersionRequest("versioned", "2"))
        assert calls.model_statistics("versioned", "2").model_stats[0].inference_count == 0


@pytest.mark.parametrize(
    ("method", "request_", "code"),
    [
        ("load_model", ModelVersionRequest("nope"), MODEL_NOT_FOUND),
        ("load_model", ModelVersionRequest("versioned", "9"), MODEL_NOT_FOUND),
        ("load_model", ModelVersionRequest(), INVALID_ARGUMENT),
        ("load_model", ModelVersionRequest("../x"), INVALID_ARGUMENT),
        ("load_model", None, INVALID_ARGUMENT),
        ("unload_model", ModelVersionRequest("nope"), MODEL_NOT_FOUND),
        ("unload_model", ModelVersionRequest(), INVALID_ARGUMENT),
        ("set_label", LabelRequest("versioned", "7", 1), INVALID_ARGUMENT),
        ("set_label", LabelRequest("versioned", "", 1), INVALID_ARGUMENT),
        ("set_label", LabelRequest("versioned", "x", 9), MODEL_NOT_FOUND),
        ("remove_label", LabelRequest("versioned", "nope"), MODEL_NOT_FOUND),
        ("repository_index", RepositoryIndexRequest("nope"), MODEL_NOT_FOUND),
        ("repository_index", None, INVALID_ARGUMENT),
    ],
)
def test_wrong_requests_are_declared_errors(server, method, request_, code):
    with server.admin() as calls, pytest.raises(ScoringError) as failure:
        getattr(calls, method)(request_)
    assert failure.value.code == code


def test_failed_load_leaves_what_is_served(admin, served):
    folder = served.ready_file.parents[1] / "repository" / "versioned" / "2"
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "model.safetensors").write_bytes(data)
    with pytest.raises(ScoringError, match="SHA-256"):
        admin.load_model(ModelVersionRequest("versioned", "2"))
    assert version_that_scores(served, "2") == "2"


def test_every_reply_is_of_the_version_that_it_names(admin, served):
    """R17: while a label moves; and a call that begins after a move sees it."""
    done, wrong, counts = threading.Event(), [], []

    def score():
        count = 0
        with served.client() as calls:
            while not done.is_set():
                response = calls.score(ScoreRequest("versioned", "stable", bytes(8 * 5)))
                scores = struct.unpack("<5f", response.scores)
                if set(scores) != {100.0 * int(response.model_version)}:
                    wrong.append(response)
                count += 1
        counts.append(count)

    threads = [threading.Thread(target=score) for _ in range(4)]
    for thread in threads:
        thread.start()
    for move in range(200):
        version = 1 + move % 2
        admin.set_label(LabelRequest("versioned", "stable", version))
        assert version_that_scores(served, "stable") == str(version)
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(counts) == 4
    assert all(counts)
