# SPDX-License-Identifier: Apache-2.0
"""Whether an answer is what a case expects; the rules are in README.md."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

SPECIAL_NUMBERS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
WHOLE_MAPS = {"labels"}


def difference(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> str:
    """What differs first; empty where nothing does."""
    if "error" in expected or "error" in actual:
        return error_difference(expected, actual)
    tolerance = expected.get("tolerance", 0.0)
    checked = {key: value for key, value in expected.items() if key != "tolerance"}
    return object_difference("", checked, actual, tolerance)


def error_difference(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> str:
    wanted, came = expected.get("error", "no error"), actual.get("error", "no error")
    message = actual.get("message", "")
    if wanted != came:
        return f"expected {wanted}, received {came} {message!r}"
    missing = [word for word in expected.get("message_contains", []) if word not in message]
    if missing:
        return f"the message {message!r} does not contain {missing}"
    if expected.get("retryable", actual["retryable"]) != actual["retryable"]:
        return f"retryable is {actual['retryable']}"
    return ""


def object_difference(
    path: str, expected: Mapping[str, Any], actual: Mapping[str, Any], tolerance: float
) -> str:
    for key, value in expected.items():
        place = f"{path}.{key}".lstrip(".")
        if key not in actual:
            return f"{place} is absent"
        if key in WHOLE_MAPS and dict(actual[key]) != value:
            return f"{place}: expected {value}, received {actual[key]}"
        problem = value_difference(place, value, actual[key], tolerance)
        if problem:
            return problem
    return ""


def value_difference(path: str, expected: Any, actual: Any, tolerance: float) -> str:
    if isinstance(expected, Mapping):
        return mapping_difference(path, expected, actual, tolerance)
    if isinstance(expected, list):
        return list_difference(path, expected, actual, tolerance)
    expected = SPECIAL_NUMBERS.get(expected, expected) if isinstance(actual, float) else expected
    same = type(expected) is type(actual) and expected == actual
    if is_number(expected) and is_number(actual):
        same = numbers_agree(expected, actual, tolerance)
    return "" if same else f"{path}: expected {expected!r}, received {actual!r}"


def mapping_difference(path: str, expected: Any, actual: Any, tolerance: float) -> str:
    if "contains" in expected:
        missing = [item for item in expected["contains"] if item not in actual]
        return f"{path}: {missing} missing in {actual}" if missing else ""
    if "at_least" in expected:
        enough = actual >= expected["at_least"]
        return "" if enough else f"{path}: expected {expected['at_least']} or more, got {actual}"
    return object_difference(path, expected, actual, tolerance)


def list_difference(path: str, expected: Sequence[Any], actual: Any, tolerance: float) -> str:
    if not isinstance(actual, list) or len(actual) != len(expected):
        return f"{path}: expected {expected}, received {actual}"
    for index, (one, other) in enumerate(zip(expected, actual, strict=True)):
        problem = value_difference(f"{path}[{index}]", one, other, tolerance)
        if problem:
            return problem
    return ""


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def numbers_agree(expected: float, actual: float, tolerance: float) -> bool:
    if math.isnan(expected) or math.isnan(actual):
        return math.isnan(expected) and math.isnan(actual)
    if math.isinf(expected) or math.isinf(actual):
        return expected == actual
    return abs(actual - expected) <= tolerance * max(1.0, abs(expected))
