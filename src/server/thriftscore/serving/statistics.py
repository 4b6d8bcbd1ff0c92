# SPDX-License-Identifier: Apache-2.0
"""Counts and latencies of the calls, by model, version, method and outcome."""

from __future__ import annotations

import time
from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import ref

from thriftscore.errors import ErrorCode
from thriftscore.serving.calls import Call

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from thriftscore.repository import ServedModel

Result = TypeVar("Result")

# A bucket is 1/32 of a power of two wide, so its middle is within 1.6 % of every value in it. The
# native server's histograms (cpp/server/latency_histogram.h) have the same buckets.
_SUBBUCKET_BITS = 5
_SUBBUCKETS = 1 << _SUBBUCKET_BITS


class LatencyHistogram:
    """Durations in nanoseconds, in buckets whose width grows with the value. Not thread-safe."""

    def __init__(self) -> None:
        self.count = 0
        self.sum_ns = 0
        self.max_ns = 0
        self._buckets: Counter[int] = Counter()

    def record(self, duration_ns: int) -> None:
        """Adds one duration; one below 0 counts as 0."""
        duration_ns = max(0, duration_ns)
        self.count += 1
        self.sum_ns += duration_ns
        self.max_ns = max(self.max_ns, duration_ns)
        self._buckets[_bucket(duration_ns)] += 1

    def merge(self, sum_ns: int, max_ns: int, buckets: Sequence[tuple[int, int]]) -> None:
        """Adds a histogram of the same buckets, given as (middle of a bucket, count)."""
        self.count += sum(times for _, times in buckets)
        self.sum_ns += sum_ns
        self.max_ns = max(self.max_ns, max_ns)
        for middle_ns, times in buckets:
            self._buckets[_bucket(middle_ns)] += times

    def quantile(self, fraction: float) -> int:
        """The smallest duration that at least `fraction` of all do not exceed, within 2 %."""
        rank = max(1, -int(-fraction * self.count // 1))
        seen = 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= rank:
                return min(_middle(bucket), self.max_ns)
        return 0


def _bucket(value: int) -> int:
    shift = max(0, value.bit_length() - _SUBBUCKET_BITS - 1)
    return (shift << _SUBBUCKET_BITS) + (value >> shift)


def _middle(bucket: int) -> int:
    if bucket < 2 * _SUBBUCKETS:
        return bucket
    shift = (bucket >> _SUBBUCKET_BITS) - 1
    lowest = ((bucket & (_SUBBUCKETS - 1)) + _SUBBUCKETS) << shift
    return lowest + ((1 << shift) >> 1)


@dataclass(slots=True)
class Duration:
    """How often something happened and how long it took in all, in nanoseconds."""

    count: int = 0
    ns: int = 0

    def add(self, ns: int) -> None:
        """Adds one occurrence."""
        self.count += 1
        self.ns += max(0, ns)

    def merge(self, count: int, ns: int) -> None:
        """Adds `count` occurrences that took `ns` together."""
        self.count += count
        self.ns += ns


@dataclass(slots=True)
class OutcomeStatistics:
    """One method with one outcome."""

    latency: LatencyHistogram = field(default_factory=LatencyHistogram)
    rows: int = 0


@dataclass(slots=True)
class VersionStatistics:
    """One version of a model since it was loaded."""

    model: ref[object]
    """Whose statistics these are: a version that is loaded anew begins anew. Not kept alive."""
    last_inference_ms: int = 0
    rows: int = 0
    executions: int = 0
    success: Duration = field(default_factory=Duration)
    fail: Duration = field(default_factory=Duration)
    queue: Duration = field(default_factory=Duration)
    compute_input: Duration = field(default_factory=Duration)
    compute_infer: Duration = field(default_factory=Duration)
    compute_output: Duration = field(default_factory=Duration)
    outcomes: dict[tuple[str, ErrorCode | None], OutcomeStatistics] = field(default_factory=dict)
    shadows: list[dict[str, Any]] = field(default_factory=list)
    """The fields of the contract's ShadowStatistics, for each version that was a shadow."""

    def record(self, call: Call) -> None:
        """Adds a finished call."""
        outcome = self.outcomes.setdefault((call.method, call.code), OutcomeStatistics())
        total = call.finished_ns - call.received_ns
        outcome.latency.record(total)
        if call.code is not None:
            self.fail.add(total)
            return
        outcome.rows += call.rows
        self.success.add(total)
        if not call.executions:
            return
        self.rows += call.rows
        self.executions += call.executions
        self.last_inference_ms = time.time_ns() // 1_000_000
        self.queue.add(call.started_ns - call.received_ns)
        self.compute_input.add(call.computed_ns - call.infer_ns - call.started_ns)
        self.compute_infer.add(call.infer_ns)
        self.compute_output.add(call.finished_ns - call.computed_ns)


class Statistics:
    """The statistics of all versions that were called. Thread-safe.

    Calls that never reached a model are counted nowhere here, so that a caller cannot fill the
    memory with names.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._versions: dict[tuple[str, int], VersionStatistics] = {}
        self._sources: list[Callable[[ServedModel, VersionStatistics], None]] = []

    def add_source(self, add_to: Callable[[ServedModel, VersionStatistics], None]) -> None:
        """Has `add_to` add what somebody else counts whenever a version's statistics are read."""
        self._sources.append(add_to)

    def record(self, call: Call) -> None:
        """Adds a finished call to the version that it reached."""
        if call.model is None:
            return
        with self._lock:
            self._of(call.model).record(call)

    def read(self, served: ServedModel, convert: Callable[[VersionStatistics], Result]) -> Result:
        """What `convert` makes of the statistics of a version, which stand still meanwhile."""
        with self._lock:
            version = self._of(served)
            if self._sources:
                version = deepcopy(version)
            for add_to in self._sources:
                add_to(served, version)
            return convert(version)

    def _of(self, served: ServedModel) -> VersionStatistics:
        key = (served.name, served.version)
        known = self._versions.get(key)
        counted = served.model.native or served.model
        if known is None or known.model() is not counted:
            known = self._versions[key] = VersionStatistics(ref(counted))
        return known
