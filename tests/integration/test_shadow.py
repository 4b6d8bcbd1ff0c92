# SPDX-License-Identifier: Apache-2.0
"""A shadow version scores what was answered, and the statistics say how far it is off."""

import threading

import numpy as np
import pytest
from server_process import wait_until

from thriftscore._generated.ttypes import (
    InferRequest,
    InferRequestedOutput,
    LabelRequest,
    ModelVersionRequest,
    RequestContext,
    ScoreRequest,
    SparseScoreRequest,
    Tensor,
)
from thriftscore.importers.native_model import NativeModel, encode
from thriftscore.importers.stages import Dense
from thriftscore.repository import (
    NewVersion,
    publish,
    set_published_label,
    set_published_shadow,
    set_published_split,
)

FP32, FP64 = 11, 12
WEIGHTS = {1: [1.0, -2.0, 3.0], 2: [1.25, -2.0, 2.5], 3: [1.0, -2.0, 3.0], 4: [1.0, -2.0, 3.0]}
"""Of each version. The fixture publishes the first three."""


def linear(weights, *, missing="refuse", width=None):
    """w·x in double; with a width, by way of a layer of that many zeros, which takes its time."""
    stages = [Dense(np.array([weights]), np.zeros(1))]
    if width:
        stages = [
            Dense(np.zeros((width, len(weights))), np.zeros(width)),
            Dense(np.zeros((width, width)), np.zeros(width)),
            Dense(np.zeros((1, width)), np.zeros(1)),
        ]
    names = tuple(f"x{number}" for number in range(len(weights)))
    model = NativeModel(names, "regression", tuple(stages))
    return NewVersion(encode(model, "fp64", missing))


@pytest.fixture
def repository(tmp_path):
    """Model "m" with the versions 1 (stable), 2 and 3, which answers as 1 does."""
    repository = tmp_path / "repository"
    for version in (1, 2, 3):
        assert publish(repository, "m", linear(WEIGHTS[version])) == version
    set_published_label(repository, "m", "stable", 1)
    return repository


def rows_of(count, seed=7):
    return np.random.default_rng(seed).lognormal(0, 3, (count, 3))


def shadow_statistics(calls, version="1"):
    """By shadow version."""
    (statistics,) = calls.model_statistics("m", version).model_stats
    return {shadow.shadow_version: shadow for shadow in statistics.shadow_stats}


def compared(calls, rows, shadow="2", version="1"):
    """The statistics of a shadow once it has seen so many rows, in whatever way."""

    def found():
        seen = shadow_statistics(calls, version).get(shadow)
        return seen and seen.rows + seen.dropped_rows + seen.failed_rows >= rows and seen

    return wait_until(found, f"{rows} rows are compared", 30.0)


def expect_figures(statistics, differences):
    """Maximum and mean as NumPy has them, quantiles within 2 %."""
    assert (statistics.dropped_rows, statistics.failed_rows) == (0, 0)
    assert statistics.rows == len(differences)
    assert statistics.max_difference == differences.max()
    assert statistics.mean_difference == pytest.approx(differences.mean(), rel=1e-12)
    for fraction in (50, 90, 99):
        exact = np.quantile(differences, fraction / 100, method="inverted_cdf")
        quantile = getattr(statistics, f"p{fraction}_difference")
        assert quantile == pytest.approx(exact, rel=0.02)


def score(calls, rows, version="", request_id=None):
    """Scores rows; checks the answer against the version that it names."""
    context = RequestContext(request_id=request_id)
    reply = calls.score(ScoreRequest("m", version, rows.tobytes(), FP64, context))
    expected = rows @ np.array(WEIGHTS[int(reply.model_version)])
    assert np.allclose(np.frombuffer(reply.scores), expected, rtol=1e-9, atol=1e-9)
    return np.frombuffer(reply.scores)


def take_labels(server):
    """Has a server look at the labels on disk; returns once they are in force."""
    with server.admin() as admin:
        admin.set_label(LabelRequest("m", "stable", 1))


@pytest.mark.parametrize("protocol", ["binary", "compact"])
def test_figures_are_those_of_numpy(repository, start_server, protocol):
    set_published_shadow(repository, "m", "2")
    rows = rows_of(5_000)
    with start_server(repository).client(protocol) as calls:
        answered = [score(calls, row[None]) for row in rows[:400]] + [score(calls, rows[400:])]
        shadow = np.frombuffer(calls.score(ScoreRequest("m", "2", rows.tobytes(), FP64)).scores)
        differences = np.abs(shadow - np.concatenate(answered))
        expect_figures(compared(calls, len(rows)), differences)
        metadata = calls.model_metadata("m", "")
        assert (metadata.model_version, metadata.shadow) == ("1", "2")


def test_every_method_that_scores_is_compared(repository, start_server):
    set_published_shadow(repository, "m", "2")
    row, others = np.array([1.0, 0.0, 3.0]), 6
    tensor = Tensor("features", FP64, [1, 3], row.tobytes())
    margin = [InferRequestedOutput("margin")]
    both = [InferRequestedOutput("margin"), InferRequestedOutput("scores")]
    indptr, indices = np.array([0, 2]), np.array([0, 2], np.int32)
    sparse = SparseScoreRequest(
        "m", "", indptr.tobytes(), indices.tobytes(), row[[0, 2]].tobytes(), FP64
    )
    with start_server(repository).client() as calls:
        score(calls, row[None])
        assert calls.score_values("m", row.tolist()) == [10.0]
        assert calls.score_named("m", {"x0": 1.0, "x1": 0.0, "x2": 3.0}) == [10.0]
        assert calls.score_sparse(sparse).rows == 1
        calls.infer(InferRequest("m", inputs=[tensor]))
        calls.infer(InferRequest("m", inputs=[tensor], outputs=both))
        calls.infer(InferRequest("m", inputs=[tensor], outputs=margin))  # no scores to compare
        expect_figures(compared(calls, others), np.full(others, 1.25))


def test_requests_that_name_a_version_are_not_compared(repository, start_server):
    set_published_shadow(repository, "m", "2")
    with start_server(repository).client() as calls:
        for version in ("1", "stable", "2"):
            score(calls, rows_of(1), version)
        score(calls, rows_of(3))
        assert compared(calls, 3).rows == 3


def test_each_version_of_a_split_is_compared_but_the_shadow_itself(repository, start_server):
    set_published_split(repository, "m", {"1": 1, "2": 1, "3": 1})
    set_published_shadow(repository, "m", "3")
    with start_server(repository).client() as calls:
        for number in range(90):
            score(calls, rows_of(1), request_id=f"r-{number}")
        counts = [calls.model_statistics("m", version) for version in ("1", "2")]
        served = [count.model_stats[0].inference_count for count in counts]
        assert compared(calls, served[0], "3", "1").max_difference == 0
        assert compared(calls, served[1], "3", "2").max_difference > 0
        assert shadow_statistics(calls, "3") == {}


def test_rows_that_the_shadow_cannot_score_are_failed_rows(repository, start_server):
    takes_nan = publish(repository, "m", linear(WEIGHTS[4], missing="propagate"))
    wider = publish(repository, "m", linear([1.0, 2.0, 3.0, 4.0]))
    set_published_label(repository, "m", "stable", takes_nan)
    set_published_shadow(repository, "m", "1")
    server = start_server(repository)
    rows = rows_of(100)
    rows[30, 1] = rows[31, 2] = np.nan
    with server.client() as calls:
        calls.score(ScoreRequest("m", "", rows.tobytes(), FP64))
        seen = compared(calls, 100, "1", str(takes_nan))
        assert (seen.rows, seen.failed_rows, seen.max_difference) == (98, 2, 0)
        set_published_shadow(repository, "m", str(wider))
        with server.admin() as admin:
            admin.set_label(LabelRequest("m", "stable", takes_nan))
        score(calls, rows_of(10))
        seen = compared(calls, 10, str(wider), str(takes_nan))
        assert (seen.rows, seen.failed_rows) == (0, 10)
        assert set(shadow_statistics(calls, str(takes_nan))) == {"1", str(wider)}


def test_a_shadow_that_is_too_slow_drops_rows_and_changes_no_answer(repository, start_server):
    slow = str(publish(repository, "m", linear([0.0] * 3, width=1_500)))
    set_published_shadow(repository, "m", slow)
    server = start_server(repository, shadow_queue_calls_max=8)
    requests = 2_000
    with server.client() as calls:
        for number in range(requests):
            score(calls, rows_of(2, number))
        seen = compared(calls, 2 * requests, slow)
        assert seen.dropped_rows > 0
        assert seen.failed_rows == 0
        assert seen.rows > 0
        assert seen.rows + seen.dropped_rows == 2 * requests


def test_shadow_and_split_may_change_under_load(repository, start_server):
    server, done, counts = start_server(repository), threading.Event(), []

    def ask():
        count, rows = 0, rows_of(2)
        with server.client() as calls:
            while not done.is_set():
                score(calls, rows, request_id=f"{threading.get_ident()}-{count}")
                count += 1
        counts.append(count)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for change in range(60):
        set_published_shadow(repository, "m", ["2", "", "3"][change % 3])
        set_published_split(repository, "m", [{}, {"1": 1, "2": 1}][change % 2])
        take_labels(server)
    done.set()
    for thread in threads:
        thread.join()
    assert len(counts) == 4
    assert all(counts)
    with server.client() as calls:
        assert set(shadow_statistics(calls)) <= {"2", "3"}


def test_statistics_begin_anew_with_a_load(repository, start_server):
    set_published_shadow(repository, "m", "2")
    server = start_server(repository)
    with server.client() as calls, server.admin() as admin:
        score(calls, rows_of(5))
        compared(calls, 5)
        admin.load_model(ModelVersionRequest("m", "2"))
        score(calls, rows_of(1))
        wait_until(lambda: shadow_statistics(calls)["2"].rows == 1, "only the new row counts")
