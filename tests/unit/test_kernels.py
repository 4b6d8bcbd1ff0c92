# SPDX-License-Identifier: Apache-2.0
"""Every kernel of every SIMD target against NumPy in a wider type."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from thriftscore._native import kernels

pytestmark = pytest.mark.usefixtures("simd_target")

# The fixture holds for all examples of a test, which is what is wanted.
examples = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
shapes = st.tuples(st.integers(0, 20), st.integers(1, 70), st.integers(1, 6))
moderate = st.floats(-1000, 1000, width=32)


def matrices(dtype, shape, elements=moderate):
    return hnp.arrays(np.float32, shape, elements=elements).map(lambda x: x.astype(dtype))


def sum_bound(dtype, columns, magnitude):
    """The error of a sum of products; `magnitude` is that of their absolute values."""
    limits = np.finfo(dtype)
    return (columns + 4) * (
        limits.eps * magnitude + 4000 * np.longdouble(limits.smallest_subnormal)
    )


def assert_within(actual, expected, bound):
    assert actual.shape == expected.shape
    assert np.all(np.abs(actual.astype(np.longdouble) - expected) <= bound)


def assert_within_ulps(actual, expected, ulps):
    """`expected` is the exact result in a wider type; denormal results count in their own ulp."""
    with np.errstate(over="ignore"):
        rounded = expected.astype(actual.dtype)
    finite = np.isfinite(rounded)
    np.testing.assert_array_equal(actual[~finite], rounded[~finite])
    bound = ulps * np.spacing(np.abs(rounded[finite])).astype(np.longdouble)
    assert_within(actual[finite], expected[finite], bound)


@dtypes
@examples
@given(data=st.data(), shape=shapes)
def test_weighted_sum_is_the_matrix_product(dtype, data, shape):
    rows, columns, outputs = shape
    x = data.draw(matrices(dtype, (rows, columns)))
    weights = data.draw(matrices(dtype, (outputs, columns)))
    bias = data.draw(matrices(dtype, (outputs,)))
    wide = [array.astype(np.longdouble) for array in (x, weights, bias)]
    magnitude = np.abs(wide[0]) @ np.abs(wide[1]).T + np.abs(wide[2])
    actual = kernels.weighted_sum(x, weights, bias)
    assert actual.dtype == dtype
    expected = wide[0] @ wide[1].T + wide[2]
    assert_within(actual, expected, sum_bound(dtype, columns, magnitude))


@dtypes
@examples
@given(data=st.data(), shape=shapes, offset=st.sampled_from([0.0, 1.0, 1e5]))
def test_normalized_weighted_sum_keeps_digits_beside_a_large_mean(dtype, data, shape, offset):
    rows, columns, outputs = shape
    mean = data.draw(matrices(dtype, (columns,))) + dtype(offset)
    scale = data.draw(matrices(dtype, (columns,), st.floats(0.125, 8, width=32)))
    x = mean + data.draw(matrices(dtype, (rows, columns)))
    weights = data.draw(matrices(dtype, (outputs, columns)))
    bias = data.draw(matrices(dtype, (outputs,)))
    normalized = (x.astype(np.longdouble) - mean) / scale
    expected = normalized @ weights.T.astype(np.longdouble) + bias
    magnitude = np.abs(normalized) @ np.abs(weights.T).astype(np.longdouble) + np.abs(bias)
    actual = kernels.normalized_weighted_sum(x, mean, scale, weights, bias)
    assert_within(actual, expected, sum_bound(dtype, columns, magnitude))


@dtypes
@pytest.mark.parametrize("columns", [1, 5, 32, 64, 70, 1500])
@pytest.mark.parametrize("outputs", [1, 2, 3, 4, 7])
def test_a_row_alone_gives_the_bits_it_gives_in_a_batch(dtype, columns, outputs):
    random = np.random.default_rng(columns)
    x = random.normal(size=(100, columns)).astype(dtype)
    weights = random.normal(size=(outputs, columns)).astype(dtype)
    mean, scale = (random.uniform(1, 2, columns).astype(dtype) for _ in range(2))
    bias = random.normal(size=outputs).astype(dtype)
    for kernel in (
        lambda rows: kernels.weighted_sum(rows, weights, bias),
        lambda rows: kernels.normalized_weighted_sum(rows, mean, scale, weights, bias),
        kernels.sigmoid,
        kernels.exponential,
        kernels.softmax,
    ):
        together = kernel(x)
        alone = np.stack([kernel(row) for row in x])
        np.testing.assert_array_equal(together, alone)
        np.testing.assert_array_equal(kernel(np.ascontiguousarray(x[37:])), together[37:])


@dtypes
@examples
@given(data=st.data(), shape=shapes)
def test_normalize_is_equal_to_numpy_bit_for_bit(dtype, data, shape):
    rows, columns, _ = shape
    x = data.draw(matrices(dtype, (rows, columns), st.floats(width=32)))
    mean = data.draw(matrices(dtype, (columns,)))
    scale = data.draw(matrices(dtype, (columns,), st.floats(2**-20, 2**20, width=32)))
    with np.errstate(all="ignore"):
        expected = (x - mean) / scale
    np.testing.assert_array_equal(kernels.normalize(x, mean, scale), expected)


@dtypes
@examples
@given(data=st.data(), shape=shapes)
def test_denormalize_undoes_normalize(dtype, data, shape):
    rows, columns, _ = shape
    x = data.draw(matrices(dtype, (rows, columns)))
    mean = data.draw(matrices(dtype, (columns,)))
    scale = data.draw(matrices(dtype, (columns,), st.floats(0.125, 8, width=32)))
    wide = mean.astype(np.longdouble) + scale.astype(np.longdouble) * x
    magnitude = np.abs(mean) + np.abs(scale.astype(np.longdouble) * x)
    assert_within(kernels.denormalize(x, mean, scale), wide, sum_bound(dtype, 1, magnitude))
    back = kernels.denormalize(kernels.normalize(x, mean, scale), mean, scale)
    magnitude = np.abs(x.astype(np.longdouble)) + np.abs(mean)
    assert_within(back, x.astype(np.longdouble), sum_bound(dtype, 1, magnitude))


any_float = st.floats(width=32, allow_nan=True)


@dtypes
@examples
@given(data=st.data(), count=st.integers(0, 70))
def test_exponential_is_within_2_ulps(dtype, data, count):
    span = st.one_of(st.floats(-110, 90, width=32), any_float)
    x = data.draw(matrices(dtype, (count,), span))
    with np.errstate(all="ignore"):
        expected = np.exp(x.astype(np.longdouble))
    assert_within_ulps(kernels.exponential(x), expected, 2)


@dtypes
@examples
@given(data=st.data(), count=st.integers(0, 70))
def test_sigmoid_is_within_its_ulps(dtype, data, count):
    span = st.one_of(st.floats(-110, 90, width=32), any_float)
    x = data.draw(matrices(dtype, (count,), span))
    with np.errstate(all="ignore"):
        power = np.exp(-np.abs(x.astype(np.longdouble)))
        expected = np.where(x < 0, power, 1) / (1 + power)
    assert_within_ulps(kernels.sigmoid(x), expected, 2 if dtype == np.float32 else 3)


@dtypes
@examples
@given(data=st.data(), rows=st.integers(0, 9), columns=st.integers(1, 70))
def test_softmax_is_within_its_ulps_and_sums_to_one(dtype, data, rows, columns):
    x = data.draw(matrices(dtype, (rows, columns)))
    wide = x.astype(np.longdouble)
    powers = np.exp(wide - wide.max(axis=1, keepdims=True)) if rows else wide
    actual = kernels.softmax(x)
    expected = powers / powers.sum(axis=1, keepdims=True)
    assert_within_ulps(actual, expected, 2 if dtype == np.float32 else 4)
    np.testing.assert_allclose(actual.sum(axis=1), 1, rtol=columns * np.finfo(dtype).eps)


@dtypes
def test_special_values_give_the_limits(dtype):
    x = np.array([np.inf, -np.inf, np.nan, -0.0, 1e30, -1e30], dtype)
    np.testing.assert_array_equal(kernels.sigmoid(x), np.array([1, 0, np.nan, 0.5, 1, 0], dtype))
    exponential = np.array([np.inf, 0, np.nan, 1, np.inf, 0], dtype)
    np.testing.assert_array_equal(kernels.exponential(x), exponential)


@dtypes
@pytest.mark.parametrize("columns", [2, 3, 8, 17, 33])
def test_softmax_of_special_rows(dtype, columns):
    x = np.zeros((4, columns), dtype)
    x[0, -1] = np.nan
    x[1, 0] = np.inf
    x[2, 1:] = -np.inf
    x[3, :] = 1e30
    y = kernels.softmax(x)
    assert np.isnan(y[0]).all()
    assert np.isnan(y[1, 0])
    np.testing.assert_array_equal(y[2], np.eye(1, columns, dtype=dtype)[0])
    np.testing.assert_allclose(y[3], 1 / columns, rtol=4 * np.finfo(dtype).eps)


@dtypes
@pytest.mark.parametrize("columns", [1, 9, 40])
def test_nan_and_infinity_stay_in_their_row(dtype, columns):
    random = np.random.default_rng(1)
    x = random.normal(size=(30, columns)).astype(dtype)
    weights = np.abs(random.normal(size=(3, columns))).astype(dtype)
    bias = np.zeros(3, dtype)
    clean = kernels.weighted_sum(x, weights, bias)
    x[7, columns // 2], x[21, columns - 1] = np.nan, np.inf
    y = kernels.weighted_sum(x, weights, bias)
    assert np.isnan(y[7]).all()
    assert np.isposinf(y[21]).all()
    others = np.delete(np.arange(30), [7, 21])
    np.testing.assert_array_equal(y[others], clean[others])
