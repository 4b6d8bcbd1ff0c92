# SPDX-License-Identifier: Apache-2.0
"""The client against a real server; what the answers must be is in tests/conformance."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
import zipfile

import numpy as np
import pytest

from thriftscore_client import (
    Client,
    ClientOptions,
    InvalidArgument,
    InvalidRequest,
    ModelNotFound,
    ServerError,
)

from .conftest import ROOT

HOUSES = np.array([[100.0, 3.0, 20.0], [150.0, 4.5, 30.0]], dtype=np.float32)
SAMPLES = ROOT / "clients/python/samples"


@pytest.fixture(params=["binary", "compact"])
def client(real_server, request):
    options = ClientOptions(timeout_s=10.0, protocol=request.param)
    with Client(real_server, options) as client:
        yield client


def test_scores_of_both_datatypes(client):
    for dtype in (np.float32, np.float64):
        result = client.score("linear", HOUSES.astype(dtype))
        assert result.scores.dtype == np.float32
        np.testing.assert_allclose(result.scores, [[0.25], [0.625]], rtol=1e-6)


def test_a_million_values_there_and_back(client):
    rows = np.random.default_rng(seed=5).normal(size=(300_000, 3)).astype(np.float32)
    normalised = client.normalize("linear", rows).values
    assert normalised.shape == rows.shape
    restored = client.denormalize("linear", normalised).values
    np.testing.assert_allclose(restored, rows, rtol=1e-5, atol=1e-3)


def test_sparse_rows_score_like_dense_ones(client):
    dense = np.zeros((3, 256), dtype=np.float32)
    dense[0, 5], dense[2, 250] = 2.0, -1.0
    indptr, indices = np.array([0, 1, 1, 2]), np.array([5, 250], dtype=np.int32)
    sparse = client.score_sparse("wide", indptr, indices, np.array([2.0, -1.0], dtype=np.float32))
    np.testing.assert_array_equal(sparse.scores, client.score("wide", dense).scores)


def test_sparse_parts_of_another_type_are_refused(client):
    good = (np.array([0, 1]), np.array([5], dtype=np.int32), np.array([2.0]))
    for place, bad in enumerate((np.array([0.0, 1.0]), np.array([5]), np.array([2]))):
        parts = list(good)
        parts[place] = bad
        with pytest.raises(InvalidRequest, match=str(bad.dtype)):
            client.score_sparse("wide", *parts)


def test_inference_by_tensor_name(client):
    result = client.infer("linear", {"features": HOUSES}, id="i-1")
    assert (result.model_name, result.model_version, result.id) == ("linear", "1", "i-1")
    np.testing.assert_allclose(result.outputs["scores"], [[0.25], [0.625]], rtol=1e-6)


def test_errors_have_their_class_and_name_the_place(client, real_server):
    with pytest.raises(ModelNotFound, match="score of model 'nope'") as raised:
        client.score("nope", HOUSES)
    assert isinstance(raised.value, LookupError)
    assert (raised.value.endpoint, raised.value.model) == (real_server, "nope")
    with pytest.raises(InvalidArgument, match="columns") as invalid:
        client.score("linear", HOUSES[:, :2])
    assert isinstance(invalid.value, ValueError)
    assert client.ping()


def test_a_name_of_a_million_letters_is_refused_in_a_short_message(client):
    with pytest.raises(ServerError) as raised:
        client.score("m" * 1_000_000, HOUSES)
    assert len(str(raised.value)) < 1000
    assert client.ping()


def test_a_matrix_of_another_width_is_refused_even_if_its_values_fit(client):
    with pytest.raises(InvalidArgument, match="columns"):
        client.score("linear", np.zeros((3, 2), dtype=np.float32))


def test_statistics_grow_with_the_calls(client):
    def counted():
        (statistics,) = client.model_statistics("rate")
        return statistics.inference_count

    before = counted()
    client.score("rate", np.zeros((7, 2), dtype=np.float32))
    assert counted() == before + 7


def test_the_sample_scores_a_row_and_a_file(real_server, tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("100,3,20\n150,4.5,30\n")
    score = [sys.executable, SAMPLES / "score.py", "--endpoint", real_server, "--model", "linear"]
    done = subprocess.run([*score, "--rows", file], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["0.25", "0.625"]
    done = subprocess.run([*score, "--row", "100,3,20"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["0.25"]
    wrong = [*score, "--row", "100,three,20"]
    done = subprocess.run(wrong, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_the_bench_sample_prints_scores_and_measurements(real_server, tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("100,3,20\n150,4.5,30\n")
    bench = [sys.executable, SAMPLES / "bench.py", "--endpoint", real_server, "--model", "linear"]
    done = subprocess.run([*bench, "--rows", file], capture_output=True, text=True, check=True)
    measured = json.loads(done.stdout)
    assert measured.pop("scores") == [[0.25], [0.625]]
    assert measured.keys() == {"p50_us", "p99_us", "rows_per_s"}
    assert all(value > 0 for value in measured.values())


def test_the_comparison_measures_this_client_and_the_stock_one(real_server):
    compare = [sys.executable, SAMPLES / "compare_stock.py", "--endpoint", real_server]
    compare += ["--model", "linear", "--row", "100,3,20"]
    compare += ["--callers", "2", "--rounds", "1", "--seconds", "0.05"]
    done = subprocess.run(compare, capture_output=True, text=True, check=True)
    measured = json.loads(done.stdout)
    assert measured["medians"].keys() == {"ours_1", "stock_1", "ours_2", "async_2", "stock_2"}
    assert len(measured["samples"]) == 5 * measured["rounds"]
    assert measured["ratios"].keys() == {"ours_1", "ours_2", "async_2"}
    assert all(ratio["throughput"] > 0 for ratio in measured["ratios"].values())


def test_the_package_builds_and_holds_what_it_needs(tmp_path):
    source = tmp_path / "source"
    shutil.copytree(ROOT / "clients/python", source, ignore=shutil.ignore_patterns("*.egg-info"))
    build = "from setuptools import build_meta as b; b.build_wheel('dist'); b.build_sdist('dist')"
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True)
    (wheel,) = source.glob("dist/*.whl")
    (archive,) = source.glob("dist/*.tar.gz")
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {
        str(path.relative_to(ROOT / "clients/python/src"))
        for path in (ROOT / "clients/python/src").rglob("*.py")
    }
    assert modules <= names
    assert "thriftscore_client/py.typed" in names
    assert not any("tests" in name for name in names)
    assert any(name.startswith("thriftscore_client/_fast.") for name in names)
    with tarfile.open(archive) as packed:
        packed_names = packed.getnames()
    for needed in ("/pyproject.toml", "/native/line.cc", "/native/line.h"):
        assert any(name.endswith(needed) for name in packed_names)
