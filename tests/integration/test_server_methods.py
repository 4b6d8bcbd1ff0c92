# SPDX-License-Identifier: Apache-2.0
"""Every method of the data port, called with the stock client, against float64 NumPy."""

import importlib.util
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from server_process import wait_until

from thriftscore._generated.ttypes import (
    DataType,
    InferRequest,
    NormalizeRequest,
    RequestContext,
    ScoreRequest,
    ScoringError,
    SparseScoreRequest,
    Tensor,
    TensorContents,
)

MODELS = Path(__file__).parents[1] / "conformance" / "models.py"
CODES = {"INVALID_ARGUMENT": 1, "MODEL_NOT_FOUND": 2, "DEADLINE_EXCEEDED": 4}
DTYPES = {DataType.FP32: np.dtype("<f4"), DataType.FP64: np.dtype("<f8")}


@pytest.fixture(scope="session")
def models():
    specification = importlib.util.spec_from_file_location("conformance_models", MODELS)
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module  # where its dataclasses look for their annotations
    specification.loader.exec_module(module)
    return module.BY_NAME


@pytest.fixture(params=["binary", "compact"])
def calls(request, server):
    with server.client(request.param) as client:
        yield client


def some_rows(model, count=7):
    generator = np.random.default_rng(count)
    rows = generator.normal(size=(count, len(model.features)))
    return rows if model.normaliser is None else model.normaliser.inverse(rows)


def as_matrix(response, data):
    values = np.frombuffer(data, DTYPES[response.datatype])
    return values.reshape(response.rows, response.columns)


@pytest.mark.parametrize("datatype", ["FP32", "FP64"])
@pytest.mark.parametrize("name", ["linear", "logistic", "softmax", "rate", "wide", "precise"])
def test_score(calls, models, name, datatype):
    model = models[name]
    rows = some_rows(model).astype({"FP32": "<f4", "FP64": "<f8"}[datatype])
    request = ScoreRequest(name, "1", rows.tobytes(), getattr(DataType, datatype))
    response = calls.score(request)
    expected = model.score(rows.tolist(), datatype)
    tolerance = 1e-12 if model.precision == "fp64" else 2e-5
    np.testing.assert_allclose(
        as_matrix(response, response.scores), expected, rtol=tolerance, atol=tolerance
    )
    assert (response.model_version, response.request_id) == ("1", None)
    assert response.datatype == getattr(DataType, model.datatype)


def test_score_of_no_rows(calls):
    response = calls.score(ScoreRequest("softmax"))
    assert (response.rows, response.columns, response.scores) == (0, 3, b"")


def test_request_id_is_echoed_and_version_named(calls):
    context = RequestContext(request_id="ünïcode-1", deadline_ms=60_000)
    response = calls.score(ScoreRequest("versioned", "canary", bytes(8), context=context))
    assert (response.request_id, response.model_version) == ("ünïcode-1", "2")
    assert np.frombuffer(response.scores, "<f4").tolist() == [200.0]


def test_score_sparse_equals_dense(calls, models):
    generator = np.random.default_rng(3)
    rows = generator.normal(size=(3_000, 256)).astype("<f4")
    rows[generator.random(rows.shape) < 0.9] = 0.0
    rows[5] = 0.0
    present = rows != 0
    indptr = np.concatenate([[0], np.cumsum(present.sum(axis=1))]).astype("<i8")
    request = SparseScoreRequest(
        "wide",
        indptr=indptr.tobytes(),
        indices=np.nonzero(present)[1].astype("<i4").tobytes(),
        values=rows[present].tobytes(),
    )
    sparse = calls.score_sparse(request)
    dense = calls.score(ScoreRequest("wide", features=rows.tobytes()))
    assert sparse.rows == 3_000
    assert sparse.scores == dense.scores
    np.testing.assert_allclose(
        as_matrix(sparse, sparse.scores), models["wide"].score(rows.tolist()), rtol=1e-4, atol=1e-4
    )


def test_score_values_and_named(calls, models):
    model = models["logistic"]
    (row,) = some_rows(model, 1)
    (expected,) = model.score([row.tolist()], "FP64")[0]
    assert calls.score_values("logistic", row.tolist()) == pytest.approx([expected], rel=1e-12)
    named = dict(zip(model.features, row.tolist(), strict=True))
    assert calls.score_named("logistic", named) == pytest.approx([expected], rel=1e-12)


def test_score_named_takes_an_absent_name_for_a_missing_value(calls):
    (score,) = calls.score_named("propagate", {"left": 1.0, "right": 2.0})
    assert np.isnan(score)
    with pytest.raises(ScoringError, match="'age'"):
        calls.score_named("linear", {"area": 1.0, "rooms": 2.0})


def test_normalize_and_back(calls, models):
    normaliser = models["linear"].normaliser
    values = some_rows(models["linear"], 50)
    request = NormalizeRequest("linear", "", values.tobytes(), DataType.FP64)
    forward = calls.normalize(request)
    assert (forward.rows, forward.columns, forward.model_version) == (50, 3, "1")
    assert forward.values == normaliser.forward(values).tobytes()
    back = calls.denormalize(NormalizeRequest("linear", "", forward.values, DataType.FP64))
    np.testing.assert_allclose(as_matrix(back, back.values), values, rtol=1e-14)


@pytest.mark.parametrize("form", ["data", "contents"])
@pytest.mark.parametrize("datatype", [DataType.FP32, DataType.FP64])
def test_infer(calls, models, form, datatype):
    rows = some_rows(models["softmax"], 4).astype(DTYPES[datatype])
    tensor = Tensor("features", datatype, [4, 4])
    if form == "data":
        tensor.data = rows.tobytes()
    else:
        tensor.contents = TensorContents(fp_contents=rows.ravel().tolist())
    response = calls.infer(InferRequest("softmax", id="call-1", inputs=[tensor]))
    (output,) = response.outputs
    assert (response.id, response.model_name, response.model_version) == ("call-1", "softmax", "1")
    assert (output.name, output.shape, output.datatype) == ("scores", [4, 3], DataType.FP32)
    received = np.frombuffer(output.data, "<f4").reshape(4, 3)
    np.testing.assert_allclose(received, models["softmax"].score(rows.tolist()), atol=1e-6)


def test_health_and_metadata(calls, models, io_mode):
    assert calls.ping() is True
    assert calls.server_live() is True
    assert calls.server_ready() is True
    assert calls.model_ready("versioned", "canary") is True
    assert calls.model_ready("versioned", "7") is False
    assert calls.model_ready("nope", "") is False
    server = calls.server_metadata()
    assert (server.name, server.io_mode) == ("thriftscore", io_mode)
    metadata = calls.model_metadata("versioned", "stable")
    assert (metadata.model_version, metadata.versions) == ("1", ["1", "2"])
    assert metadata.labels == {"stable": 1, "canary": 2}
    assert len(metadata.digest) == 64
    assert metadata.feature_names == list(models["versioned"].features)


def test_statistics_count_what_happened(start_server):
    server = start_server()
    with server.client() as calls:
        for rows in (1, 2, 3):
            calls.score(ScoreRequest("linear", features=np.ones((rows, 3), "<f4").tobytes()))
        with pytest.raises(ScoringError):
            calls.score(ScoreRequest("linear", features=b"odd"))
        before_ms = time.time() * 1000
        (statistics,) = calls.model_statistics("linear", "").model_stats
        assert calls.model_statistics("rate", "1").model_stats[0].inference_count == 0
        assert len(calls.model_statistics("", "").model_stats) == 9
    assert (statistics.inference_count, statistics.execution_count) == (6, 3)
    assert statistics.inference_stats.success.count == 3
    assert statistics.inference_stats.fail.count == 1
    assert abs(statistics.last_inference_ms - before_ms) < 60_000
    by_outcome = {(entry.method, entry.code): entry for entry in statistics.method_stats}
    assert set(by_outcome) == {("score", None), ("score", CODES["INVALID_ARGUMENT"])}
    good = by_outcome["score", None]
    assert (good.count, good.rows) == (3, 6)
    assert 0 < good.p50_ns <= good.p90_ns <= good.p99_ns <= good.p999_ns <= good.max_ns
    stages = statistics.inference_stats
    parts = (stages.queue, stages.compute_input, stages.compute_infer, stages.compute_output)
    assert sum(part.ns for part in parts) == stages.success.ns
    assert all(part.count == 3 for part in parts)


def test_statistics_count_each_call_once_wherever_it_was_answered(start_server):
    """Large requests, typed lists, wrong values and late ones: natively, each another way."""
    server = start_server(inline_work_us_max=1)
    contents = TensorContents(fp_contents=[0.0] * 256)
    typed = InferRequest("wide", inputs=[Tensor("features", DataType.FP32, [1, 256], None)])
    typed.inputs[0].contents = contents
    plain = InferRequest("wide", inputs=[Tensor("features", DataType.FP32, [2, 256], bytes(2048))])
    nan = np.full((1, 256), np.nan, "<f4").tobytes()
    with server.client() as calls:
        for _ in range(5):
            calls.score(ScoreRequest("wide", features=bytes(1024 * 300)))
            calls.score(ScoreRequest("wide", features=bytes(1024)))
            calls.infer(typed)
            calls.infer(plain)
            calls.score_values("wide", [0.0] * 256)
            calls.score_named("wide", {f"f{column:03}": 0.0 for column in range(256)})
            with pytest.raises(ScoringError, match="NaN"):
                calls.score(ScoreRequest("wide", features=nan))
        (statistics,) = calls.model_statistics("wide", "1").model_stats
    counted = {(entry.method, entry.code): entry for entry in statistics.method_stats}
    assert {key: (entry.count, entry.rows) for key, entry in counted.items()} == {
        ("score", None): (10, 5 * 301),
        ("score", CODES["INVALID_ARGUMENT"]): (5, 0),
        ("infer", None): (10, 5 * 3),
        ("score_values", None): (5, 5),
        ("score_named", None): (5, 5),
    }
    assert statistics.inference_stats.success.count == 30
    assert statistics.inference_stats.fail.count == 5
    assert (statistics.inference_count, statistics.execution_count) == (5 * 306, 30)


def test_unknown_model_and_wrong_rows_are_declared_errors(calls):
    with pytest.raises(ScoringError, match="nope") as failure:
        calls.score(ScoreRequest("nope"))
    assert failure.value.code == CODES["MODEL_NOT_FOUND"]
    with pytest.raises(ScoringError, match="rows of 3 FP32 values") as failure:
        calls.score(ScoreRequest("linear", features=bytes(13)))
    assert failure.value.code == CODES["INVALID_ARGUMENT"]
    with pytest.raises(ScoringError, match="request is missing"):
        calls.score(None)


@pytest.mark.parametrize(
    ("context", "message"),
    [
        (RequestContext(deadline_ms=-1), "deadline_ms"),
        (RequestContext(request_id="x" * 129), "request_id"),
    ],
)
def test_context_out_of_bounds(calls, context, message):
    with pytest.raises(ScoringError, match=message) as failure:
        calls.score(ScoreRequest("linear", context=context))
    assert failure.value.code == CODES["INVALID_ARGUMENT"]


def test_corrupt_version_beside_good_ones_is_refused_and_named(
    start_server, models_repository, tmp_path
):
    repository = tmp_path / "repository"
    copy_tree(models_repository, repository)
    model = repository / "versioned" / "2" / "model.safetensors"
    data = bytearray(model.read_bytes())
    data[-1] ^= 1
    model.write_bytes(data)
    server = start_server(repository)
    (refused,) = wait_until(lambda: server.events("model_refused"), "the log names the model")
    assert (refused["model"], refused["version"]) == ("versioned", 2)
    assert "SHA-256" in refused["reason"]
    with server.client() as calls:
        assert calls.model_ready("versioned", "1") is True
        with pytest.raises(ScoringError, match="SHA-256") as failure:
            calls.score(ScoreRequest("versioned", "2", bytes(8)))
        assert failure.value.retryable is True
        assert calls.score(ScoreRequest("versioned", "1", bytes(8))).model_version == "1"


def copy_tree(source, target):
    for path in sorted(source.rglob("*")):
        copy = target / path.relative_to(source)
        if path.is_dir():
            copy.mkdir(parents=True)
        else:
            copy.write_bytes(path.read_bytes())
