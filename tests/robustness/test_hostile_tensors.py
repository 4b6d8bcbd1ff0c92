# SPDX-License-Identifier: Apache-2.0
"""Tensors that are not what they say, and requests for more than a server should give (T-01 ...).

The conformance cases hold the common ones; here are those that need large or odd bytes.
"""

import math
import struct

import pytest
from thrift_wire import decode, encode, score_request

from thriftscore._generated.ttypes import (
    DataType,
    InferParameter,
    InferRequest,
    InferRequestedOutput,
    ScoreRequest,
    ScoringError,
    SparseScoreRequest,
    Tensor,
    TensorContents,
)

INVALID_ARGUMENT, MODEL_NOT_FOUND = 1, 2
ROW = struct.pack("<3f", 100, 3, 20)


def tensor(shape, data=ROW, **fields):
    return Tensor(
        **{"name": "features", "datatype": DataType.FP32} | fields, shape=shape, data=data
    )


def infer(*tensors, **fields):
    return InferRequest(model_name="linear", inputs=list(tensors), **fields)


INFER = {
    "T-01 [-1]": infer(tensor([-1])),
    "T-01 [-1, -1]": infer(tensor([-1, -1])),
    "T-01 [2^31, 2^31]": infer(tensor([2**31, 2**31])),
    "T-01 product wraps to 0": infer(tensor([2**32, 2**32], b"")),
    "T-01 largest extents": infer(tensor([2**63 - 1, 2**63 - 1])),
    "T-03 one value less": infer(tensor([1, 3], ROW[:-4])),
    "T-03 one value more": infer(tensor([1, 3], ROW + ROW[:4])),
    "T-03 half a value more": infer(tensor([1, 3], ROW + b"\0\0")),
    "T-04 rank 0": infer(tensor([])),
    "T-04 rank 17": infer(tensor([1] * 15 + [1, 3])),
    "T-04 rank 100,000": infer(tensor([1] * 100_000)),
    "T-06 undefined datatype": infer(tensor([1, 3], datatype=99)),
    "T-06 integers": infer(tensor([1, 3], datatype=DataType.INT32)),
    "T-07 one feature less": infer(tensor([1, 2], ROW[:8])),
    "T-07 one feature more": infer(tensor([1, 4], ROW + ROW[:4])),
    "T-12 input twice": infer(tensor([1, 3]), tensor([1, 3])),
    "T-12 unknown output": infer(tensor([1, 3]), outputs=[InferRequestedOutput("x")]),
    "T-12 output twice": infer(tensor([1, 3]), outputs=[InferRequestedOutput("scores")] * 2),
    "T-14 strings with NUL": infer(
        tensor([1], None, datatype=DataType.BYTES, contents=TensorContents(bytes_contents=[b"\0"]))
    ),
    "T-16 reserved parameter": infer(
        tensor([1, 3]), parameters={"shared_memory_region": InferParameter(string_param="x")}
    ),
    "257 tensors": infer(*[tensor([1, 3])] * 257),
    "name with control characters": infer(tensor([1, 3], name="features\r\n\x1b[2J")),
}


@pytest.mark.parametrize("name", INFER)
def test_infer_refuses(server, name):
    with server.client() as calls:
        with pytest.raises(ScoringError) as failure:
            calls.infer(INFER[name])
        assert failure.value.code == INVALID_ARGUMENT
        assert failure.value.retryable is False
        assert failure.value.message.isprintable()
        assert calls.infer(infer(tensor([1, 3]))).outputs[0].data == struct.pack("<f", 0.25)


@pytest.mark.parametrize(
    ("model", "version", "code"),
    [
        ("..", "", INVALID_ARGUMENT),
        ("a/b", "", INVALID_ARGUMENT),
        ("linear\0", "", INVALID_ARGUMENT),
        ("x" * 1_000_000, "", INVALID_ARGUMENT),
        ("%2e%2e%2f", "", INVALID_ARGUMENT),
        ("linear\r\nfake log line", "", INVALID_ARGUMENT),
        ("\uff0e\uff0e", "", INVALID_ARGUMENT),
        ("linear", "-1", INVALID_ARGUMENT),
        ("linear", "latest\n", INVALID_ARGUMENT),
        ("linear", "9" * 1_000, INVALID_ARGUMENT),
        ("linear", "3", MODEL_NOT_FOUND),
    ],
)
def test_names_and_versions_that_cannot_be(server, model, version, code):
    """T-15, R30: the answer is short and printable, whatever was sent."""
    with server.client() as calls, pytest.raises(ScoringError) as failure:
        calls.score(ScoreRequest(model_name=model, model_version=version, features=ROW))
    assert failure.value.code == code
    assert len(failure.value.message) < 1_500
    assert failure.value.message.isprintable()


@pytest.mark.parametrize("value", [math.inf, -math.inf, 1e-45, -0.0, 3e38])
def test_extreme_values_are_scored_as_float32_arithmetic_does(server, value):
    """T-08."""
    with server.client() as calls:
        scores = calls.score(score_request([[value, 3, 20]])).scores
    (score,) = struct.unpack("<f", scores)
    expected = 0.75 * (value - 100) / 50 + 0.25
    assert score == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("column", range(3))
def test_nan_is_refused_in_every_column(server, column):
    rows = [[100.0, 3.0, 20.0] for _ in range(3)]
    rows[2][column] = math.nan
    with server.client() as calls, pytest.raises(ScoringError, match="row 2") as failure:
        calls.score(score_request(rows))
    assert failure.value.code == INVALID_ARGUMENT


def sparse(rows, **fields):
    """`rows` empty rows for the model with 256 features."""
    return SparseScoreRequest(model_name="wide", indptr=bytes(8 * (rows + 1)), **fields)


def test_few_bytes_cannot_ask_for_much_arithmetic(server):
    """T-13: 2 MB of empty sparse rows would be 67 million values and one row more."""
    with server.client() as calls:
        with pytest.raises(ScoringError, match="262145 rows") as failure:
            calls.score_sparse(sparse(262_145))
        assert failure.value.code == INVALID_ARGUMENT
        assert calls.score_sparse(sparse(1_000)).rows == 1_000


def test_reply_beyond_the_frame_limit_is_refused_before_it_is_computed(start_server):
    server = start_server(frame_bytes_max=4_096)
    rows = 340
    with server.client() as calls, pytest.raises(ScoringError, match="fewer rows") as failure:
        calls.score_sparse(SparseScoreRequest(model_name="softmax", indptr=bytes(8 * (rows + 1))))
    assert failure.value.code == INVALID_ARGUMENT


def test_no_reply_is_longer_than_a_frame_may_be(start_server):
    """Up to the limit a request is answered, from one row more on it is refused."""
    limit = 4_096
    outcomes = []
    with start_server(frame_bytes_max=limit).connect() as connection:
        for rows in range(280, 342):
            request = SparseScoreRequest(model_name="softmax", indptr=bytes(8 * (rows + 1)))
            connection.send_message(encode("binary", "score_sparse", rows, request=request))
            message = connection.receive_message()
            assert len(message) <= limit
            outcomes.append(decode("binary", message).success is not None)
    assert outcomes == sorted(outcomes, reverse=True)
    assert set(outcomes) == {True, False}


def test_nan_in_a_later_block_of_sparse_rows_is_named_by_its_row(server):
    rows, bad = 5_000, 4_321
    indptr = struct.pack(f"<{rows + 1}q", *[0] * (bad + 1), *[1] * (rows - bad))
    request = sparse(rows, indices=struct.pack("<i", 7), values=struct.pack("<f", math.nan))
    request.indptr = indptr
    with server.client() as calls, pytest.raises(ScoringError, match=f"row {bad}, column 7"):
        calls.score_sparse(request)
