# SPDX-License-Identifier: Apache-2.0
"""Requests that name no version, spread over versions by weight: over sockets, while it changes."""

import shutil
import struct
import threading
from collections import Counter

import pytest

from thriftscore._generated.ttypes import (
    InferRequest,
    LabelRequest,
    ModelVersionRequest,
    NormalizeRequest,
    RequestContext,
    ScoreRequest,
    SparseScoreRequest,
    Tensor,
)
from thriftscore.repository import set_published_split

FP32 = 11
ROW = bytes(8)


@pytest.fixture
def repository(models_repository, tmp_path):
    """A copy in which "versioned" has the versions 1 (stable), which gives 100, and 2 (canary)."""
    copy = tmp_path / "repository"
    shutil.copytree(models_repository, copy)
    return copy


def score_request(request_id=None, version="", rows=1):
    context = RequestContext(request_id=request_id) if request_id else None
    return ScoreRequest("versioned", version, ROW * rows, context=context)


def score(calls, request_id=None, version=""):
    """The version that answered, whose scores these were."""
    response = calls.score(score_request(request_id, version))
    assert struct.unpack("<f", response.scores) == (100.0 * int(response.model_version),)
    assert response.request_id == request_id
    return response.model_version


def take_labels(server):
    """Has a server look at the labels on disk; returns once they are in force."""
    with server.admin() as admin:
        admin.set_label(LabelRequest("versioned", "stable", 1))


def test_shares_are_those_of_the_weights(repository, start_server):
    set_published_split(repository, "versioned", {"stable": 95, "canary": 5})
    server, requests = start_server(repository), 10_000
    with server.client() as calls:
        counts = Counter(score(calls, f"request-{number}") for number in range(requests))
        assert counts["2"] / requests == pytest.approx(0.05, abs=0.0153)  # seven deviations
        anonymous = Counter(score(calls) for _ in range(1_000))
        assert anonymous["2"] / 1_000 == pytest.approx(0.05, abs=0.0485)


def test_an_id_gets_the_same_version_from_every_method_and_server(repository, start_server):
    set_published_split(repository, "versioned", {"canary": 50, "stable": 50})

    def versions(server, request_id):
        context = RequestContext(request_id=request_id)
        tensor = Tensor("features", FP32, [1, 2], ROW)
        infer = InferRequest("versioned", inputs=[tensor], context=context)
        sparse = SparseScoreRequest("versioned", "", bytes(16), context=context)
        with server.client("compact") as calls:
            yield calls.score(score_request(request_id)).model_version
            yield calls.infer(infer).model_version
            yield calls.score_sparse(sparse).model_version

    ids = [f"r-{number}" for number in range(40)]
    server = start_server(repository)
    before = {request_id: set(versions(server, request_id)) for request_id in ids}
    assert all(len(chosen) == 1 for chosen in before.values())
    server.terminate()
    assert server.wait() == 0
    for io in ("native", "python"):
        server = start_server(repository, io=io)
        assert {request_id: set(versions(server, request_id)) for request_id in ids} == before


def test_methods_without_a_context_are_spread(repository, start_server):
    set_published_split(repository, "versioned", {"stable": 1, "canary": 1})
    names = start_server(repository).client
    with names() as calls:
        by_values = {calls.score_values("versioned", [0.0, 0.0])[0] for _ in range(64)}
        features = dict.fromkeys(calls.model_metadata("versioned", "").feature_names, 0.0)
        by_name = {calls.score_named("versioned", features)[0] for _ in range(64)}
    assert by_values == by_name == {100.0, 200.0}


def test_split_is_not_what_the_model_is(repository, start_server):
    set_published_split(repository, "versioned", {"canary": 1})
    with start_server(repository).client() as calls:
        assert score(calls, "x") == "2"
        assert score(calls, "x", "1") == score(calls, "x", "stable") == "1"
        metadata = calls.model_metadata("versioned", "")
        assert (metadata.model_version, metadata.split) == ("1", {"canary": 1})


def test_a_version_that_is_unloaded_gets_nothing(repository, start_server):
    set_published_split(repository, "versioned", {"stable": 1, "canary": 1})
    server = start_server(repository)
    with server.client() as calls, server.admin() as admin:
        ids = [f"r-{number}" for number in range(64)]
        assert {score(calls, request_id) for request_id in ids} == {"1", "2"}
        admin.unload_model(ModelVersionRequest("versioned", "canary"))
        assert {score(calls, request_id) for request_id in ids} == {"1"}
        admin.load_model(ModelVersionRequest("versioned", "canary"))
        assert {score(calls, request_id) for request_id in ids} == {"1", "2"}


def test_the_split_may_change_under_load(repository, start_server):
    server, done, counts = start_server(repository), threading.Event(), []

    def ask():
        answered = Counter()
        with server.client() as calls:
            while not done.is_set():
                answered[score(calls, f"{threading.get_ident()}-{answered.total()}")] += 1
        counts.append(answered)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for change in range(60):
        split = [{}, {"canary": 1}, {"stable": 1, "canary": 1}][change % 3]
        set_published_split(repository, "versioned", split)
        take_labels(server)
        with server.client() as calls:
            versions = {score(calls, f"{change}-{number}") for number in range(32)}
        assert versions == [{"1"}, {"2"}, {"1", "2"}][change % 3]
    done.set()
    for thread in threads:
        thread.join()
    assert len(counts) == 4
    assert all(answered["1"] and answered["2"] for answered in counts)


def test_normalise_goes_where_score_goes(repository, start_server):
    shutil.copytree(repository / "linear" / "1", repository / "linear" / "2")
    set_published_split(repository, "linear", {"1": 1, "2": 1})
    seen = set()
    with start_server(repository).client() as calls:
        for number in range(32):
            context, row = RequestContext(request_id=f"r-{number}"), bytes(12)
            version = calls.score(ScoreRequest("linear", "", row, context=context)).model_version
            request = NormalizeRequest("linear", "", row, context=context)
            assert calls.normalize(request).model_version == version
            assert calls.denormalize(request).model_version == version
            seen.add(version)
    assert seen == {"1", "2"}
