# SPDX-License-Identifier: Apache-2.0
"""The names of models, versions and labels: what may stand in a path, and what it means."""

from __future__ import annotations

import re

from thriftscore.errors import InvalidArgument

NAME_PATTERN = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
VERSION_MAX = 10**18 - 1
"""The largest version number: 18 digits, which always fit the contract's i64."""

_NAME = re.compile(NAME_PATTERN)
_VERSION = re.compile("[1-9][0-9]{0,17}")
_DIGITS = re.compile("[0-9]+")


def is_model_name(name: str) -> bool:
    """Whether `name` may name a model."""
    return _NAME.fullmatch(name) is not None


def is_label(label: str) -> bool:
    """Whether `label` may label a version: the characters of a name, and not a number."""
    return is_model_name(label) and _DIGITS.fullmatch(label) is None


def parse_version(text: str) -> int | None:
    """The version that `text` writes canonically ("3"); None for "0", "003", "+3", a label, ..."""
    return int(text) if _VERSION.fullmatch(text) else None


def check_model_name(name: str) -> str:
    """Return `name`, or raise InvalidArgument where it may not name a model."""
    if not is_model_name(name):
        raise InvalidArgument(f"model name {_shown(name)} is not allowed: expected {NAME_PATTERN}")
    return name


def check_label(label: str) -> str:
    """Return `label`, or raise InvalidArgument where it may not label a version."""
    if not is_label(label):
        raise InvalidArgument(
            f"label {_shown(label)} is not allowed: expected {NAME_PATTERN}, and not a number"
        )
    return label


def _shown(text: str) -> str:
    """`text` in ASCII quotes, shortened: it may come from anyone and lands in logs."""
    return ascii(text if len(text) <= 140 else text[:140] + "...")
