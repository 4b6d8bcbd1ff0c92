# SPDX-License-Identifier: Apache-2.0
"""The native data port against the Python one: every request gets the same answer from both.

Results are compared bit by bit, declared errors in all their fields. Of the exceptions of the
Thrift library itself only the type is compared: their sentences are for people.
"""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from server_process import IO_MODES, ServerProcess
from thrift_wire import PROTOCOLS, decode, encode

from thriftscore._generated.ttypes import (
    InferParameter,
    InferRequest,
    InferRequestedOutput,
    NormalizeRequest,
    RequestContext,
    ScoreRequest,
    SparseScoreRequest,
    Tensor,
    TensorContents,
)

COLUMNS = {
    "linear": 3,
    "versioned": 2,
    "logistic": 4,
    "softmax": 4,
    "rate": 2,
    "propagate": 3,
    "wide": 256,
    "precise": 2,
}
FP32, FP64 = 11, 12
ELEMENTS = {FP32: "<f4", FP64: "<f8"}

# Mostly right, so that most requests reach the kernels; each field is wrong now and then.
models = st.sampled_from([*COLUMNS] * 5 + ["nope", "../x", "", "Linear"])
versions = st.sampled_from([""] * 15 + ["1", "2", "9", "stable", "canary", "01", "-1", "x y"])
datatypes = st.sampled_from([FP32] * 12 + [FP64] * 8 + [0, 1, 8, 13, 99, -1])
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
numbers = st.floats(width=32, allow_nan=False) | st.sampled_from(
    [0.0, -0.0, 1.0, 5e-324, 1e-45, 3.4e38, 1e308, float("inf"), float("-inf"), float("nan")]
)
request_ids = [None, "r-1", "", "é" * 64] * 3 + ["é" * 65, "x" * 129]
contexts = st.none() | st.builds(
    RequestContext,
    request_id=st.sampled_from(request_ids) | texts,
    deadline_ms=st.sampled_from([None, 0, 60_000, 2**31 - 1] * 3 + [-1]),
)


@st.composite
def matrices(draw, columns, datatype):
    """(rows, bytes) of a datatype; seldom some bytes too few or many."""
    rows = draw(st.integers(0, 4))
    values = draw(st.lists(numbers, min_size=1, max_size=8))
    with np.errstate(over="ignore"):
        array = np.resize(np.array(values), rows * columns).astype(ELEMENTS.get(datatype, "<f4"))
    damage = draw(st.sampled_from([b""] * 12 + [b"\0", b"\0" * 4, b"\0" * 8, None]))
    return rows, array.tobytes()[:-3] if damage is None else array.tobytes() + damage


@st.composite
def rows_requests(draw, kind):
    name, datatype = draw(models), draw(datatypes)
    columns = COLUMNS.get(name, 3)
    _, data = draw(matrices(columns, datatype))
    stated = draw(st.sampled_from([None] * 4 + [columns] * 4 + [columns + 1, 0, -1]))
    return kind(name, draw(versions), data, datatype, draw(contexts), stated)


@st.composite
def sparse_requests(draw):
    name, datatype = draw(models), draw(datatypes)
    columns = COLUMNS.get(name, 3)
    rows = draw(
        st.lists(
            st.lists(st.integers(0, columns - 1), unique=True, max_size=5).map(sorted), max_size=5
        )
    )
    indptr = np.cumsum([0, *map(len, rows)]).tolist()
    indices = [column for row in rows for column in row]
    damage = draw(st.integers(0, 14))
    if damage == 0 and indices:
        indices[draw(st.integers(0, len(indices) - 1))] = draw(st.sampled_from([-1, columns, 0]))
    elif damage == 1:
        indptr[draw(st.integers(0, len(indptr) - 1))] += draw(st.sampled_from([-1, 1, 2**40]))
    elif damage == 2:
        indptr = draw(st.sampled_from([[], [0], [1], [0, 0], [-1, 0], [0, 2**62, 0]]))
    values = draw(st.lists(numbers, min_size=len(indices), max_size=len(indices) + (damage == 3)))
    with np.errstate(over="ignore"):
        data = np.array(values, dtype=ELEMENTS.get(datatype, "<f4")).tobytes()
    return SparseScoreRequest(
        name,
        draw(versions),
        struct.pack(f"<{len(indptr)}q", *indptr) + b"\0" * (damage == 4),
        struct.pack(f"<{len(indices)}i", *indices) + b"\0" * (damage == 5),
        data + b"\0" * (damage == 6),
        datatype,
        draw(contexts),
    )


parameters = st.sampled_from([None] * 8 + [{}, {"a": InferParameter(bool_param=True)}])


@st.composite
def tensors(draw, columns):
    datatype = draw(datatypes)
    rows, data = draw(matrices(columns, datatype))
    shape = [rows, columns]
    wrong = [[rows], [], [columns, rows], [-1, columns], [2**32, 2**32], [1] * 17]
    contents = st.builds(
        TensorContents,
        fp_contents=st.none() | st.just([0.5] * (rows * columns)),
        int_contents=st.sampled_from([None, None, [1]]),
    )
    return Tensor(
        draw(st.sampled_from(["features"] * 9 + ["scores", ""])),
        datatype,
        draw(st.sampled_from([shape] * 12 + wrong)),
        draw(st.sampled_from([data] * 8 + [None])),
        draw(st.sampled_from([None] * 8) | contents),
        draw(parameters),
    )


@st.composite
def infer_requests(draw):
    name = draw(models)
    outputs = st.sampled_from(
        [None, [], [InferRequestedOutput("scores")]] * 3
        + [
            [InferRequestedOutput("x")],
            [InferRequestedOutput("scores")] * 2,
            [InferRequestedOutput("scores", {"a": InferParameter(int64_param=1)})],
        ]
    )
    one = tensors(COLUMNS.get(name, 3))
    return InferRequest(
        name,
        draw(versions),
        draw(st.none() | texts),
        draw(parameters),
        draw(st.lists(one, min_size=1, max_size=1) | st.lists(one, max_size=3)),
        draw(outputs),
        draw(contexts),
    )


@st.composite
def values_arguments(draw):
    name = draw(models)
    columns = COLUMNS.get(name, 3) + draw(st.sampled_from([0] * 8 + [-1, 1]))
    values = draw(st.lists(numbers, min_size=1, max_size=4))
    return {"model_name": name, "values": np.resize(np.array(values), columns).tolist()}


def of_request(requests):
    return st.fixed_dictionaries({"request": requests | st.none()})


METHODS = {
    "ping": st.just({}),
    "score": of_request(rows_requests(ScoreRequest)),
    "score_sparse": of_request(sparse_requests()),
    "score_values": values_arguments(),
    "normalize": of_request(rows_requests(NormalizeRequest)),
    "denormalize": of_request(rows_requests(NormalizeRequest)),
    "infer": of_request(infer_requests()),
}


# The second native server has all requests scored by its compute threads.
@pytest.fixture(scope="module", params=[200, 0], ids=["on-the-loop", "by-compute-threads"])
def connections(request, models_repository, tmp_path_factory):
    """For each encoding a connection to a native and one to a Python server."""
    folder = tmp_path_factory.mktemp("servers")
    servers = [
        ServerProcess(models_repository, folder / mode, io=mode, inline_work_us_max=request.param)
        for mode in IO_MODES
    ]
    made = {name: [server.connect() for server in servers] for name in PROTOCOLS}
    yield made
    for pair in made.values():
        for connection in pair:
            connection.socket.close()
    for server in servers:
        server.terminate()
        assert server.wait() == 0


def comparable(protocol, message):
    reply = decode(protocol, message)
    kind = reply.exception.type if reply.exception is not None else None
    error = reply.error
    if error is not None:
        error = (error.code, error.message, error.retryable, error.retry_after_ms)
    return reply.name, reply.sequence_id, repr(reply.success), error, kind


def answers(connections, protocol, message):
    pair = connections[protocol]
    for connection in pair:
        connection.send_message(message)
    return [comparable(protocol, connection.receive_message()) for connection in pair]


@pytest.mark.parametrize("method", METHODS)
@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_any_request_gets_the_same_answer(connections, method, data):
    protocol = data.draw(st.sampled_from([*PROTOCOLS]))
    message = encode(protocol, method, 7, **data.draw(METHODS[method]))
    native, python = answers(connections, protocol, message)
    assert native == python


@pytest.mark.parametrize("method", METHODS)
@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_damaged_message_gets_the_same_kind_of_answer(connections, method, data):
    """Bytes are replaced behind the header, so that both still know what to answer."""
    protocol = data.draw(st.sampled_from([*PROTOCOLS]))
    message = bytearray(encode(protocol, method, 7, **data.draw(METHODS[method])))
    start = 4 if protocol == "compact" else 12
    start += len(method)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(start, len(message) - 1))
        message[place] = data.draw(st.integers(0, 255))
    message = bytes(message[: data.draw(st.sampled_from([len(message)] * 3 + [start, start + 9]))])
    native, python = answers(connections, protocol, message)
    assert native == python
