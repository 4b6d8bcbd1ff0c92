# SPDX-License-Identifier: Apache-2.0
"""thriftscore.load and thriftscore.Model against float64 NumPy, for every SIMD target."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import thriftscore
from thriftscore import InvalidArgument, Model, ModelNotFound, ModelRefused

DATATYPES = {"FP32": np.float32, "FP64": np.float64}
LINKS = ["identity", "sigmoid", "softmax", "exp"]

# A fixture holds for all examples of a test, which is what is wanted.
examples = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@st.composite
def dimensions(draw):
    """A link, with columns, outputs and rows that it can have."""
    link = draw(st.sampled_from(LINKS))
    fewest, most = {"sigmoid": (1, 1), "softmax": (2, 9)}.get(link, (1, 9))
    return link, draw(st.integers(1, 80)), draw(st.integers(fewest, most)), draw(st.integers(0, 40))


def rows_of(count, columns, seed, dtype):
    return np.random.default_rng(seed).normal(size=(count, columns)).astype(dtype)


@pytest.mark.usefixtures("simd_target")
@pytest.mark.parametrize("precision", ["fp32", "fp64"])
@pytest.mark.parametrize("dtype", DATATYPES.values())
@examples
@given(shape=dimensions(), seed=st.integers(0, 2**32))
def test_scores_are_those_of_float64_numpy(blueprint, precision, dtype, shape, seed):
    link, columns, outputs, rows = shape
    plan = blueprint(columns, outputs, seed, link=link, precision=precision)
    plan.weights /= np.sqrt(columns)  # so that exp of a margin stays in range
    x = rows_of(rows, columns, seed, dtype)
    scores = Model.load_bytes(plan.file()).score(x)
    assert scores.dtype == plan.dtype
    assert scores.shape == (rows, outputs)
    if rows:
        x = x.astype(plan.dtype)  # as the model does first
        assert np.all(np.abs(scores - plan.scores(x)) <= error_bound(plan, x))


def error_bound(plan, x):
    """What rounding may do to the scores: to the terms of a margin, their sum, and the link."""
    eps = np.finfo(plan.dtype).eps
    terms = (np.abs(x) + np.abs(plan.mean)) / plan.scale
    reach = terms @ np.abs(plan.weights).T + np.abs(plan.bias)
    margin = (8 + x.shape[1]) * eps * reach
    if plan.link == "identity":
        return margin
    if plan.link == "exp":
        return plan.scores(x) * (np.expm1(margin) + 8 * eps)
    return 2 * margin.max(axis=1, keepdims=True) + 8 * eps


@pytest.mark.usefixtures("simd_target")
@pytest.mark.parametrize("precision", ["fp32", "fp64"])
@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("columns", [1, 30, 32, 100])
def test_a_batch_gives_the_bits_of_its_rows(blueprint, precision, link, columns):
    plan = blueprint(columns, 3 if link == "softmax" else 1, link=link, precision=precision)
    model = Model.load_bytes(plan.file())
    x = rows_of(500, columns, 1, np.float32)
    together = model.score(x)
    alone = np.stack([model.score(row) for row in x])
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(model.score(x[100:163].copy()), together[100:163])


@pytest.mark.usefixtures("simd_target")
@pytest.mark.parametrize("precision", ["fp32", "fp64"])
@pytest.mark.parametrize("datatype", DATATYPES)
@pytest.mark.parametrize("offset", range(9))
def test_bytes_at_any_address_score_as_arrays_do(blueprint, precision, datatype, offset):
    model = Model.load_bytes(blueprint(13, 4, link="softmax", precision=precision).file())
    x = rows_of(21, 13, 2, DATATYPES[datatype])
    shifted = memoryview(bytes(offset) + x.tobytes())[offset:]
    assert model.score_bytes(shifted, datatype) == model.score(x).tobytes()
    assert model.normalize_bytes(shifted, datatype) == model.normalize(x).tobytes()
    assert model.denormalize_bytes(shifted, datatype) == model.denormalize(x).tobytes()


@pytest.mark.parametrize("dtype", DATATYPES.values())
@pytest.mark.parametrize("precision", ["fp32", "fp64"])
def test_an_unaligned_array_scores_as_an_aligned_one(blueprint, precision, dtype):
    model = Model.load_bytes(blueprint(5, 1, precision=precision).file())
    x = rows_of(7, 5, 3, dtype)
    unaligned = np.frombuffer(b"\0" + x.tobytes(), dtype, offset=1).reshape(7, 5)
    assert not unaligned.flags.aligned
    np.testing.assert_array_equal(model.score(unaligned), model.score(x))


def test_one_row_gives_one_row(blueprint):
    model = Model.load_bytes(blueprint(6, 2).file())
    x = rows_of(1, 6, 4, np.float32)
    assert model.score(x[0]).shape == (2,)
    assert model.normalize(x[0]).shape == (6,)
    np.testing.assert_array_equal(model.score(x[0]), model.score(x)[0])


def test_no_rows_give_no_scores(blueprint):
    model = Model.load_bytes(blueprint(6, 2).file())
    assert model.score(np.empty((0, 6), np.float32)).shape == (0, 2)
    assert model.score_bytes(b"", "FP64") == b""


@pytest.mark.usefixtures("simd_target")
@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("dtype", DATATYPES.values())
def test_a_missing_value_is_refused_by_row_and_name(blueprint, link, dtype):
    model = Model.load_bytes(blueprint(9, 2 if link == "softmax" else 1, link=link).file())
    x = rows_of(5000, 9, 5, dtype)
    x[4321, 3] = np.nan
    x[4999, 0] = np.nan
    message = "features: row 4321: 'feature 3' is NaN, and the model refuses missing values"
    with pytest.raises(InvalidArgument, match=message):
        model.score(x)
    with pytest.raises(InvalidArgument, match=message):
        model.score_bytes(x.tobytes(), "FP32" if dtype == np.float32 else "FP64")


@pytest.mark.usefixtures("simd_target")
@pytest.mark.parametrize("link", LINKS)
def test_a_missing_value_propagates_where_the_model_says_so(blueprint, link):
    plan = blueprint(9, 2 if link == "softmax" else 1, link=link, missing_values="propagate")
    model = Model.load_bytes(plan.file())
    x = rows_of(50, 9, 5, np.float32)
    clean = model.score(x)
    x[17, 8] = np.nan
    scores = model.score(x)
    assert np.isnan(scores[17]).all()
    np.testing.assert_array_equal(np.delete(scores, 17, 0), np.delete(clean, 17, 0))


def test_infinity_is_a_number(blueprint):
    plan = blueprint(2, 1)
    plan.weights = np.array([[1.0, 1.0]])
    model = Model.load_bytes(plan.file())
    x = np.array([[np.inf, 0], [-np.inf, 0], [np.inf, -np.inf]], np.float32)
    np.testing.assert_array_equal(model.score(x), [[np.inf], [-np.inf], [np.nan]])
    # A float64 that float32 cannot hold is infinite to an fp32 model.
    assert model.score(np.array([1e300, 0.0])) == np.inf


@pytest.mark.parametrize("dtype", DATATYPES.values())
@pytest.mark.parametrize("precision", ["fp32", "fp64"])
def test_normalize_is_the_numpy_expression_in_either_dtype(blueprint, precision, dtype):
    plan = blueprint(11, 1, precision=precision)
    model = Model.load_bytes(plan.file())
    x = rows_of(30, 11, 6, dtype)
    expected = (x - plan.mean.astype(dtype)) / plan.scale.astype(dtype)
    normalized = model.normalize(x)
    assert normalized.dtype == dtype
    np.testing.assert_array_equal(normalized, expected)
    back = model.denormalize(normalized)
    np.testing.assert_allclose(back, x, rtol=0, atol=8 * np.finfo(dtype).eps)


def test_a_model_without_a_normalizer_says_so(blueprint):
    model = Model.load_bytes(blueprint(3, 1, has_normalizer=False).file())
    assert not model.has_normalizer
    for method in (model.normalize, model.denormalize):
        with pytest.raises(InvalidArgument, match="the model has no normaliser"):
            method(np.zeros((1, 3)))


def test_a_large_mean_costs_an_fp32_model_no_digits(blueprint):
    plan = blueprint(8, 1)
    plan.mean = 1e6 * (1 + np.arange(8.0)) + 0.3
    model = Model.load_bytes(plan.file())
    assert "the mean is subtracted first" in model.plan[0]
    x = (plan.mean + np.random.default_rng(7).normal(size=(50, 8))).astype(np.float32)
    np.testing.assert_allclose(model.score(x), plan.scores(x), rtol=1e-5, atol=1e-5)


def test_a_model_says_what_it_is(blueprint):
    model = Model.load_bytes(blueprint(2, 3, link="softmax", precision="fp64").file())
    assert model.feature_names == model.features == ("feature 0", "feature 1")
    assert model.classes == ("class 0", "class 1", "class 2")
    assert (model.columns, model.outputs) == (2, 3)
    assert (model.task, model.link) == ("multiclass_classification", "softmax")
    assert (model.precision, model.missing_values) == ("fp64", "refuse")
    assert model.has_normalizer
    assert model.plan == ("dense 2 -> 3, scale folded", "link softmax")
    assert repr(model) == "<thriftscore.Model multiclass_classification, 2 -> 3, softmax, fp64>"
    with pytest.raises(AttributeError):
        model.columns = 3


@pytest.mark.parametrize("precision", ["fp32", "fp64"])
def test_a_binary_classifier_evaluates_to_four_outputs(blueprint, precision):
    model = Model.load_bytes(blueprint(6, 1, link="sigmoid", precision=precision).file())
    x = rows_of(40, 6, 5, np.float32)
    outputs = model.evaluate(x)
    assert tuple(outputs) == model.output_names == ("scores", "margin", "probabilities", "label")
    scores = model.score(x)
    np.testing.assert_array_equal(outputs["scores"], scores)
    np.testing.assert_allclose(1 / (1 + np.exp(-outputs["margin"])), scores, rtol=1e-5)
    np.testing.assert_array_equal(outputs["probabilities"], np.hstack([1 - scores, scores]))
    np.testing.assert_array_equal(outputs["label"], (scores[:, 0] > 0.5).astype(np.int64))
    assert outputs["label"].dtype == np.int64
    assert (model.label, model.label_threshold) == ("threshold", 0.5)


def test_evaluate_gives_what_is_asked_for_in_bytes_as_in_arrays(blueprint):
    model = Model.load_bytes(blueprint(6, 3, link="softmax").file())
    x = rows_of(40, 6, 6, np.float32)
    asked = ["label", "margin"]
    arrays = model.evaluate(x, asked)
    assert list(arrays) == asked
    np.testing.assert_array_equal(arrays["label"], model.score(x).argmax(axis=1))
    as_bytes = model.evaluate_bytes(x.tobytes(), "FP32", asked)
    assert as_bytes == {name: array.tobytes() for name, array in arrays.items()}


def test_evaluate_of_one_row_has_no_dimension_for_rows(blueprint):
    model = Model.load_bytes(blueprint(6, 3, link="softmax").file())
    shapes = {name: array.shape for name, array in model.evaluate(np.zeros(6)).items()}
    assert shapes == {"scores": (3,), "margin": (3,), "probabilities": (3,), "label": ()}


def test_evaluate_refuses_an_output_that_the_model_has_not(blueprint):
    model = Model.load_bytes(blueprint(6, 2).file())
    assert model.output_names == ("scores", "margin")
    with pytest.raises(InvalidArgument, match="no output 'label'"):
        model.evaluate(np.zeros((1, 6)), ["label"])
    x = np.full((2, 6), np.nan)
    with pytest.raises(InvalidArgument, match="row 0: 'feature 0' is NaN"):
        model.evaluate(x)


@pytest.mark.parametrize("as_type", [str, lambda path: path])
def test_load_takes_a_file_or_its_directory(blueprint, tmp_path, as_type):
    (tmp_path / "model.safetensors").write_bytes(blueprint(2, 1).file())
    x = np.ones((1, 2), np.float32)
    from_file = thriftscore.load(as_type(tmp_path / "model.safetensors"))
    from_directory = thriftscore.load(as_type(tmp_path))
    assert from_file.score(x) == from_directory.score(x)


def test_load_says_what_is_wrong(blueprint, tmp_path):
    file = tmp_path / "model.safetensors"
    with pytest.raises(ModelNotFound, match=f"there is no model file '{file}'"):
        thriftscore.load(tmp_path)
    file.write_bytes(blueprint(2, 1, changes={"format_version": 2}).file())
    with pytest.raises(ModelRefused, match=f"{file}: format_version is 2, expected 1"):
        thriftscore.load(file)
    (tmp_path / "link").symlink_to(file)
    with pytest.raises(ModelRefused, match="the file is a symbolic link"):
        thriftscore.load(tmp_path / "link")
    with pytest.raises(ModelRefused, match="file: has 3 bytes, expected at least 8"):
        Model.load_bytes(b"abc")


def test_a_file_in_the_way_is_named_though_it_has_no_unicode_name(tmp_path):
    file = tmp_path / "\udcff"
    file.write_bytes(b"")
    with pytest.raises(ModelRefused, match="\udcff: file: has 0 bytes"):
        thriftscore.load(file)


def test_threads_share_a_model(blueprint):
    model = Model.load_bytes(blueprint(32, 3, link="softmax").file())
    blocks = [rows_of(200, 32, seed, np.float64) for seed in range(16)]
    expected = [model.score(block) for block in blocks]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            for actual, wanted in zip(pool.map(model.score, blocks), expected, strict=True):
                np.testing.assert_array_equal(actual, wanted)


SCORING_AT_THE_END = """
import sys, threading
import numpy as np
import thriftscore

model = thriftscore.load(sys.argv[1])
rows = np.ones((20_000, model.columns))
scoring = threading.Semaphore(0)

def score_for_ever():
    while True:
        scoring.release()
        model.score(rows)

for _ in range(8):
    threading.Thread(target=score_for_ever, daemon=True).start()
for _ in range(32):
    scoring.acquire()
"""


def test_a_program_ends_in_peace_while_its_threads_score(blueprint, tmp_path):
    file = tmp_path / "model.safetensors"
    file.write_bytes(blueprint(32, 3, link="softmax").file())
    command = [sys.executable, "-c", SCORING_AT_THE_END, file]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_importing_loads_nothing_heavy():
    heavy = ("numpy", "pydantic", "typer", "rich", "onnx", "structlog", "thrift", "safetensors")
    program = f"import sys, thriftscore; print([m for m in {heavy} if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert result.stdout.strip() == "[]"
