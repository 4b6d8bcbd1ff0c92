# SPDX-License-Identifier: Apache-2.0
"""Latencies: the quantiles of the histogram against those of the sorted values."""

import math
import random
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftscore.errors import ErrorCode
from thriftscore.serving.calls import Call
from thriftscore.serving.statistics import LatencyHistogram, Statistics

FRACTIONS = (0.0, 0.5, 0.9, 0.99, 0.999, 1.0)


def exact_quantile(values, fraction):
    ordered = sorted(values)
    return ordered[max(1, math.ceil(fraction * len(ordered))) - 1]


def check(values):
    histogram = LatencyHistogram()
    for value in values:
        histogram.record(value)
    for fraction in FRACTIONS:
        exact = exact_quantile(values, fraction)
        assert abs(histogram.quantile(fraction) - exact) <= exact / 64
    assert (histogram.count, histogram.max_ns) == (len(values), max(values))
    assert histogram.sum_ns == sum(values)


@given(st.lists(st.integers(0, 2**62), min_size=1, max_size=300))
def test_quantiles_are_within_two_percent(values):
    check(values)


def test_quantiles_of_latencies_as_they_are():
    generator = random.Random(5)
    check([int(generator.lognormvariate(11, 2)) for _ in range(20_000)])


@pytest.mark.parametrize("value", [*range(300), 2**40 - 1, 2**40, 2**40 + 1])
def test_single_value_is_its_own_quantile(value):
    check([value])


def test_empty_histogram_has_no_quantile():
    assert LatencyHistogram().quantile(0.5) == 0


class Engine:
    """Stands for the compiled model, of which only the identity matters here."""


def served(name="m", version=1):
    return SimpleNamespace(name=name, version=version, model=SimpleNamespace(native=Engine()))


def call(model, rows=1, code=None):
    return Call(
        "score",
        received_ns=100,
        started_ns=150,
        infer_ns=20,
        computed_ns=200,
        finished_ns=230,
        model=model,
        rows=rows,
        executions=1,
        code=code,
    )


def test_stages_add_up_and_failures_count_apart():
    statistics, model = Statistics(), served()
    statistics.record(call(model, rows=3))
    statistics.record(call(model, code=ErrorCode.INVALID_ARGUMENT))
    version = statistics.read(model, lambda known: known)
    stages = (version.queue, version.compute_input, version.compute_infer, version.compute_output)
    assert [stage.ns for stage in stages] == [50, 30, 20, 30]
    assert (version.success.count, version.success.ns) == (1, 130)
    assert (version.fail.count, version.fail.ns) == (1, 130)
    assert (version.rows, version.executions) == (3, 1)


def test_version_that_is_loaded_anew_begins_anew():
    statistics, before, after = Statistics(), served(), served()
    statistics.record(call(before))
    assert statistics.read(after, lambda known: known.rows) == 0


def test_call_that_reached_no_model_is_counted_nowhere():
    statistics = Statistics()
    statistics.record(call(None))
    assert statistics.read(served(), lambda known: known.outcomes) == {}
