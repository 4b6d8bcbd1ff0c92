# SPDX-License-Identifier: Apache-2.0
"""Plots as SVG elements; the colours are those of the page around them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from xml.etree.ElementTree import Element

Histogram = Sequence[tuple[float, int]]
"""Rising microseconds, and how many requests took them."""

Point = tuple[float, float]

_WIDTH, _HEIGHT = 720, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 16, 12, 44
_MARKED_ROUNDS_MAX = 50


def element(
    name: str, *children: Element | str, attributes: Mapping[str, object] | None = None
) -> Element:
    """An element with its children in order."""
    made = Element(name, {key: str(value) for key, value in (attributes or {}).items()})
    for child in children:
        if isinstance(child, Element):
            made.append(child)
        elif len(made):
            made[-1].tail = (made[-1].tail or "") + child
        else:
            made.text = (made.text or "") + child
    return made


@dataclass(frozen=True)
class Axis:
    """Where values are along an axis; `ticks` are the values that are named."""

    low: float
    high: float
    ticks: Mapping[float, str]
    title: str
    scale: Callable[[float], float] = float

    def share(self, value: float) -> float:
        """0 at the low end, 1 at the high end."""
        low, high = self.scale(self.low), self.scale(self.high)
        return (self.scale(value) - low) / (high - low) if high > low else 0.5


def latency_plot(histograms: Mapping[str, Histogram]) -> Element:
    """The latency that each share of the requests did not exceed, for each of `histograms`."""
    total = max((sum(count for _, count in each) for each in histograms.values()), default=0)
    times = [us for each in histograms.values() for us, _ in each if us > 0]
    x = Axis(0, math.log10(2 * max(total, 1)), _percentile_ticks(total), "share of the requests")
    y = _time_axis(min(times, default=1), max(times, default=10))
    lines = [_line(who, _percentiles(each), x, y) for who, each in histograms.items()]
    return _plot("Latency percentiles", x, y, lines)


def throughput_plot(rates: Mapping[str, Sequence[float]]) -> Element:
    """Requests a second in each round, for each of `rates`."""
    rounds = max((len(each) for each in rates.values()), default=1)
    step = math.ceil(rounds / 10)
    ticks = {float(number): str(number) for number in range(1, rounds + 1, step)}
    x = Axis(0.5, rounds + 0.5, ticks, "round")
    y = _rate_axis(max((max(each, default=0) for each in rates.values()), default=0))
    parts: list[Element] = []
    for who, each in rates.items():
        points = [(float(number), rate) for number, rate in enumerate(each, start=1)]
        parts.append(_line(who, points, x, y))
        if rounds <= _MARKED_ROUNDS_MAX:
            parts += [_mark(who, point, x, y) for point in points]
    return _plot("Throughput of each round", x, y, parts)


def _percentile_ticks(total: int) -> dict[float, str]:
    """50 %, and as many nines as `total` requests can show."""
    ticks = {0.0: "0 %", math.log10(2): "50 %"}
    for nines in range(1, math.floor(math.log10(max(total, 10))) + 1):
        ticks[float(nines)] = f"{100 - 100 / 10**nines:.{max(nines - 2, 0)}f} %"
    return ticks


def _percentiles(histogram: Histogram) -> list[Point]:
    """(-log10 of the share of requests that took longer, microseconds), as steps."""
    total = sum(count for _, count in histogram)
    points: list[Point] = []
    before = 0
    for us, count in histogram:
        slower = [1 - seen / total for seen in (before, before + count)]
        points += [(-math.log10(max(share, 0.5 / total)), us) for share in slower]
        before += count
    return points


def _time_axis(low: float, high: float) -> Axis:
    """Logarithmic, from and to a number that begins with 1, 2 or 5."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 2)
    round_numbers = [digit * 10.0**exponent for exponent in exponents for digit in (1, 2, 5)]
    first = max(number for number in round_numbers if number <= low)
    last = min(number for number in round_numbers if number >= high and number > first)
    ticks = {number: _time(number) for number in round_numbers if first <= number <= last}
    return Axis(first, last, ticks, "latency", math.log10)


def _time(us: float) -> str:
    if us >= 1e6:
        return f"{us / 1e6:g} s"
    return f"{us / 1e3:g} ms" if us >= 1e3 else f"{us:g} µs"


def _rate_axis(high: float) -> Axis:
    """Linear from zero, in four to ten equal steps of a number that begins with 1, 2 or 5."""
    magnitude = 10.0 ** math.floor(math.log10(max(high, 1) / 4))
    step = next(digit * magnitude for digit in (5, 2, 1) if max(high, 1) / (digit * magnitude) >= 4)
    steps = math.ceil(max(high, 1) / step)
    ticks = {number * step: f"{number * step:,.10g}" for number in range(steps + 1)}
    return Axis(0, steps * step, ticks, "requests/s")


def _x(share: float) -> float:
    return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)


def _y(share: float) -> float:
    return round(_HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM), 1)


def _line(who: str, points: Sequence[Point], x: Axis, y: Axis) -> Element:
    places = [(_x(x.share(across)), _y(y.share(max(up, y.low)))) for across, up in points]
    kept = places[:1] + [place for last, place in pairwise(places) if place != last]
    path = " ".join(f"{across:g},{up:g}" for across, up in kept)
    return element("polyline", attributes={"class": f"line {who}", "points": path})


def _mark(who: str, point: Point, x: Axis, y: Axis) -> Element:
    place = {"cx": _x(x.share(point[0])), "cy": _y(y.share(point[1])), "r": 4}
    told = element("title", f"{who}, round {point[0]:g}: {point[1]:,.0f} requests/s")
    return element("circle", told, attributes={"class": f"mark {who}", **place})


def _text(words: str, x: float, y: float, anchor: str) -> Element:
    return element("text", words, attributes={"x": x, "y": y, "text-anchor": anchor})


def _grid(x: Axis, y: Axis) -> Iterable[Element]:
    for value, name in y.ticks.items():
        place = _y(y.share(value))
        ends = {"x1": _x(0), "x2": _x(1), "y1": place, "y2": place}
        yield element("line", attributes={"class": "grid", **ends})
        yield _text(name, _LEFT - 8, place + 4, "end")
    for value, name in x.ticks.items():
        yield _text(name, _x(x.share(value)), _HEIGHT - _BOTTOM + 18, "middle")
    yield _text(x.title, _x(0.5), _HEIGHT - 6, "middle")


def _plot(label: str, x: Axis, y: Axis, parts: Iterable[Element]) -> Element:
    view = {
        "viewBox": f"0 0 {_WIDTH} {_HEIGHT}",
        "role": "img",
        "aria-label": f"{label}, {y.title}",
    }
    return element("svg", *_grid(x, y), *parts, attributes=view)
