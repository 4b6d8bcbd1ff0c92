# SPDX-License-Identifier: Apache-2.0
"""Tables and sparse matrices of other libraries, and batches of any size."""

from __future__ import annotations

import asyncio

import numpy as np
import pandas
import pyarrow
import pytest
import scipy.sparse

from thriftscore_client import AsyncClient, Client, ClientOptions, InvalidArgument, InvalidRequest
from thriftscore_client.batch import Batch, DenseRows, SparseRows
from thriftscore_client.results import ScoreResult
from thriftscore_client.tables import as_array, sparse_parts

HOUSES = np.array([[100.0, 3.0, 20.0], [150.0, 4.5, 30.0]])
SCORES = [[0.25], [0.625]]
NAMES = ["area", "rooms", "age"]


@pytest.fixture
def client(real_server):
    with Client(real_server, ClientOptions(timeout_s=30.0, chunk_rows=1000)) as client:
        yield client


@pytest.mark.parametrize(
    "table",
    [
        pandas.DataFrame(HOUSES, columns=NAMES),
        pandas.DataFrame(HOUSES.astype(np.float32), columns=NAMES),
        pandas.DataFrame({"area": [100, 150], "rooms": [3.0, 4.5], "age": np.int8([20, 30])}),
        pyarrow.table(dict(zip(NAMES, HOUSES.T, strict=True))),
        pyarrow.table({"area": [100, 150], "rooms": [3.0, 4.5], "age": [20.0, 30.0]}),
        pyarrow.RecordBatch.from_arrays([pyarrow.array(column) for column in HOUSES.T], NAMES),
    ],
    ids=["frame", "frame of float32", "mixed frame", "Arrow", "mixed Arrow", "record batch"],
)
def test_tables_score_like_arrays(client, table):
    assert client.score("linear", table).scores.tolist() == SCORES
    assert client.score_batch("linear", table).scores.tolist() == SCORES


def test_missing_values_of_tables_are_nan():
    frame = pandas.DataFrame({"a": pandas.array([1, None], dtype="Int64"), "b": [0.5, None]})
    table = pyarrow.table({"a": [1, None], "b": [0.5, None]})
    for found in (as_array(frame), as_array(table)):
        np.testing.assert_array_equal(found, [[1.0, 0.5], [np.nan, np.nan]])


def test_a_frame_of_one_type_is_not_copied():
    frame = pandas.DataFrame(np.zeros((5, 3), dtype=np.float32))
    assert np.shares_memory(as_array(frame), frame.to_numpy())


@pytest.mark.parametrize(
    "table", [pandas.DataFrame({"a": ["text"]}), pyarrow.table({"a": ["text"]})]
)
def test_tables_of_text_are_refused(client, table):
    with pytest.raises(InvalidRequest, match="numbers"):
        client.score("linear", table)


def test_sparse_matrices_score_like_dense_ones(client):
    generator = np.random.default_rng(seed=4)
    matrix = scipy.sparse.random(3000, 256, 0.02, random_state=generator, dtype=np.float32)
    dense = client.score_batch("wide", matrix.toarray()).scores
    for sparse in (matrix.tocsr(), matrix.tocsc(), matrix.tocoo(), scipy.sparse.csr_array(matrix)):
        np.testing.assert_array_equal(client.score_sparse("wide", sparse).scores, dense)
        np.testing.assert_array_equal(client.score_batch("wide", sparse).scores, dense)


def test_sparse_matrices_are_brought_into_the_contracts_form():
    unsorted = scipy.sparse.csr_array(
        (np.array([1, 2, 3]), np.array([2, 0, 0]), np.array([0, 3, 3])), shape=(2, 3)
    )
    indptr, indices, values = sparse_parts(unsorted)
    assert (indptr.tolist(), indices.tolist(), values.tolist()) == ([0, 2, 2], [0, 2], [5.0, 1.0])
    assert (indptr.dtype, indices.dtype, values.dtype) == (np.int64, np.int32, np.float64)
    assert not unsorted.has_canonical_format


def test_what_is_no_sparse_matrix_is_refused(client):
    with pytest.raises(InvalidRequest, match="SciPy"):
        client.score_sparse("wide", np.zeros((1, 256), dtype=np.float32))


@pytest.mark.parametrize("rows", [0, 1, 1000, 1001, 12_345])
def test_a_batch_scores_in_order_like_one_call(client, real_server, rows):
    features = np.random.default_rng(seed=6).normal(size=(rows, 3)).astype(np.float32)
    whole = client.score("linear", features)
    batch = client.score_batch("linear", features)
    np.testing.assert_array_equal(batch.scores, whole.scores)
    assert (batch.model_version, batch.scores.dtype) == ("1", np.float32)
    assert not batch.scores.flags.writeable

    async def main():
        options = ClientOptions(timeout_s=30.0, chunk_rows=1000)
        async with AsyncClient(real_server, options) as other:
            return await other.score_batch("linear", features)

    np.testing.assert_array_equal(asyncio.run(main()).scores, whole.scores)


def test_all_chunks_are_scored_by_the_version_of_the_first(client):
    result = client.score_batch("versioned", np.zeros((5000, 2), dtype=np.float32))
    again = client.score_batch(
        "versioned", np.zeros((5000, 2), dtype=np.float32), version=result.model_version
    )
    np.testing.assert_array_equal(result.scores, again.scores)


def test_a_chunk_that_fails_fails_the_batch(client):
    with pytest.raises(InvalidArgument, match="columns"):
        client.score_batch("linear", np.zeros((5000, 2), dtype=np.float32))


def chunks(rows, first_scores, **options):
    """The bounds of the chunks, where the first is answered with scores of this shape."""
    found = []

    def request(start, end, version):
        found.append((start, end, version))

    batch = Batch(rows, request, ClientOptions(**options))
    batch.first()
    batch.begin(ScoreResult(first_scores, "7", "r"))
    list(batch.rest())
    return found


def test_chunks_fit_the_frame_of_the_request():
    rows = DenseRows(np.zeros((100, 1000), dtype=np.float32))
    found = chunks(rows, np.zeros((25, 1), dtype=np.float32), frame_bytes_max=8192 + 100_000)
    assert found == [(0, 25, None), (25, 50, "7"), (50, 75, "7"), (75, 100, "7")]


def test_chunks_fit_the_frame_of_the_reply():
    rows = DenseRows(np.zeros((100, 1), dtype=np.float32))
    scores = np.zeros((10, 1000), dtype=np.float64)
    found = chunks(rows, scores, frame_bytes_max=8192 + 240_000, chunk_rows=10)
    assert found[:2] == [(0, 10, None), (10, 20, "7")]
    scores = np.zeros((40, 1000), dtype=np.float64)
    found = chunks(rows, scores, frame_bytes_max=8192 + 240_000, chunk_rows=40)
    assert found == [(0, 40, None), (40, 70, "7"), (70, 100, "7")]


def test_sparse_chunks_fit_too_and_always_advance():
    counts = [1000, 1, 1, 1, 500, 500, 0, 0]
    indptr = np.concatenate([[0], np.cumsum(counts)])
    entries = int(indptr[-1])
    rows = SparseRows(indptr, np.zeros(entries, np.int32), np.zeros(entries, np.float32))
    scores = np.zeros((1, 1), dtype=np.float32)
    found = chunks(rows, scores, frame_bytes_max=8192 + 2 * 8 * 600, chunk_rows=4)
    assert [(start, end) for start, end, _ in found] == [(0, 1), (1, 5), (5, 8)]
