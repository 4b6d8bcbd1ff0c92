# SPDX-License-Identifier: Apache-2.0
"""The border between Python and C++: what it refuses, and that it lets other threads run."""

import importlib.metadata
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import thriftscore
from thriftscore import _native

GOOD = np.zeros((2, 3), np.float32)


@pytest.fixture
def model(blueprint):
    return _native.Model.load_bytes(blueprint(3, 2).file())


@pytest.mark.parametrize(
    ("array", "error", "message"),
    [
        (GOOD.tolist(), TypeError, "expected numpy.ndarray, got list"),
        (None, TypeError, "expected numpy.ndarray, got NoneType"),
        (np.float32(1), TypeError, "expected numpy.ndarray, got float32"),
        (np.ma.masked_array(GOOD), TypeError, "expected numpy.ndarray, got MaskedArray"),
        (GOOD.astype(np.int64), TypeError, "expected dtype float32 or float64, got int64"),
        (GOOD.astype(np.float16), TypeError, "expected dtype float32 or float64, got float16"),
        (GOOD.astype(object), TypeError, "expected dtype float32 or float64, got object"),
        (GOOD.astype(">f4"), TypeError, r"expected dtype float32 or float64, got >f4"),
        (np.zeros(3, "f4,f4"), TypeError, "expected dtype float32 or float64, got "),
        (np.zeros((), np.float32), ValueError, r"expected 1 or 2 dimensions, got \(\)"),
        (GOOD[None], ValueError, r"expected 1 or 2 dimensions, got \(1, 2, 3\)"),
        (np.asfortranarray(GOOD), ValueError, r"C-contiguous array, got strides \(4, 8\)"),
        (np.zeros((2, 6), np.float32)[:, ::2], ValueError, "expected a C-contiguous array"),
        (GOOD[::-1], ValueError, "expected a C-contiguous array"),
        (np.broadcast_to(GOOD[0], (9, 3)), ValueError, "expected a C-contiguous array"),
        (np.zeros((2, 4)), ValueError, "expected 3 columns, got 4"),
        (np.zeros((3, 0)), ValueError, "expected 3 columns, got 0"),
        (np.zeros(6), ValueError, "expected 3 columns, got 6"),
    ],
)
def test_an_array_of_another_kind_is_refused_and_not_converted(model, array, error, message):
    with pytest.raises(error, match="features: .*" + message):
        model.score(array)
    for method in (model.normalize, model.denormalize):
        with pytest.raises(error, match="values: .*" + message):
            method(array)


@pytest.mark.parametrize(
    ("data", "datatype", "error", "message"),
    [
        (b"\0" * 13, "FP32", ValueError, r"multiple of 12 bytes \(3 FP32 values a row\), got 13"),
        (b"\0" * 12, "FP64", ValueError, r"multiple of 24 bytes \(3 FP64 values a row\), got 12"),
        ("x" * 12, "FP32", TypeError, "expected an object with bytes, got str"),
        (None, "FP32", TypeError, "expected an object with bytes, got NoneType"),
        (memoryview(b"\0" * 24)[::2], "FP32", ValueError, "one block of bytes, got memoryview"),
    ],
)
def test_bytes_of_another_kind_are_refused(model, data, datatype, error, message):
    with pytest.raises(error, match="features: .*" + message):
        model.score_bytes(data, datatype)
    with pytest.raises(error, match="values: .*" + message):
        model.normalize_bytes(data, datatype)


@pytest.mark.parametrize("datatype", ["fp32", "FP16", "", "INT64"])
def test_a_datatype_of_another_name_is_refused(model, datatype):
    with pytest.raises(ValueError, match=f"datatype: expected FP32 or FP64, got '{datatype}'"):
        model.score_bytes(b"", datatype)


def test_any_buffer_of_bytes_is_taken(model):
    data = np.arange(6, dtype=np.float32).tobytes()
    expected = model.score_bytes(data, "FP32")
    for buffer in (bytearray(data), memoryview(data), np.frombuffer(data, np.uint8)):
        assert model.score_bytes(buffer, "FP32") == expected


def test_a_buffer_is_let_go_after_the_call(model):
    data = bytearray(24)
    model.score_bytes(data, "FP32")
    with pytest.raises(ValueError, match="multiple of"):
        model.score_bytes(data + b"\0", "FP32")
    data.append(0)  # raises BufferError while a view is held


def test_calls_keep_no_references(model):
    missing = np.full((2, 3), np.nan, np.float32)
    wrong = np.zeros((2, 4), np.float32)
    before = [sys.getrefcount(array) for array in (GOOD, missing, wrong)]
    for _ in range(10):
        model.score(GOOD)
        with pytest.raises(_native.MissingValueError):
            model.score(missing)
        with pytest.raises(ValueError, match="columns"):
            model.score(wrong)
    assert [sys.getrefcount(array) for array in (GOOD, missing, wrong)] == before


def test_a_missing_value_is_given_by_row_and_column(model):
    x = np.zeros((4, 3))
    x[2, 1] = np.nan
    with pytest.raises(_native.MissingValueError) as caught:
        model.score(x)
    assert caught.value.args == (2, 1)


def test_a_model_is_loaded_from_bytes_only(blueprint):
    with pytest.raises(TypeError):
        _native.Model.load_bytes(bytearray(blueprint(3, 2).file()))


def test_a_model_cannot_be_made_of_nothing():
    with pytest.raises(TypeError, match="No constructor defined"):
        _native.Model()


def test_other_threads_run_while_a_model_scores(blueprint):
    """With an endless switch interval a thread runs only when another lets go of the GIL."""
    model = _native.Model.load_bytes(blueprint(64, 64, link="softmax").file())
    x = np.zeros((40_000, 64), np.float32)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    try:
        assert any(_runs_beside(model, x) for _ in range(10))
    finally:
        sys.setswitchinterval(interval)


def _runs_beside(model, x):
    scoring, done = threading.Event(), threading.Event()

    def score():
        scoring.set()
        model.score(x)
        done.set()

    thread = threading.Thread(target=score)
    thread.start()
    scoring.wait()
    ran_beside = not done.is_set()
    thread.join()
    return ran_beside


def test_the_version_is_that_of_the_package():
    assert thriftscore.__version__ == _native.version == importlib.metadata.version("thriftscore")


def test_every_target_can_be_selected(simd_target):
    assert _native.simd_target() == simd_target


def test_an_unknown_target_is_refused_by_name():
    before = _native.simd_target()
    with pytest.raises(ValueError, match="'mmx' is not available; expected one of scalar"):
        _native.select_simd_target("mmx")
    assert _native.simd_target() == before


@pytest.mark.parametrize(
    ("value", "target", "error"),
    [
        ("scalar", "scalar", ""),
        ("", _native.simd_targets()[-1], ""),
        ("mmx", _native.simd_targets()[-1], "THRIFTSCORE_SIMD: SIMD target 'mmx' is not available"),
    ],
)
def test_the_environment_selects_a_target(value, target, error):
    program = "from thriftscore import _native as n; print(n.simd_target() + '|' + n.simd_error())"
    result = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "THRIFTSCORE_SIMD": value},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    actual_target, actual_error = result.stdout.strip().split("|")
    assert actual_target == target
    assert actual_error.startswith(error)
    assert bool(actual_error) == bool(error)
