# SPDX-License-Identifier: Apache-2.0
"""Writes cases.json: `python tests/conformance/make_cases.py`; `--check` only compares."""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path

from client_cases import client_cases
from wire_cases import wire_cases

CASES = Path(__file__).with_name("cases.json")


def plain(value: object) -> object:
    """The value with the numbers that JSON lacks written as strings."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def cases_text() -> str:
    """The whole file: one case a line, so that a change is a small difference."""
    cases = [*client_cases(), *wire_cases()]
    names = [case["name"] for case in cases]
    assert len(set(names)) == len(names), "two cases have the same name"
    lines = [json.dumps(plain(case), allow_nan=False, ensure_ascii=False) for case in cases]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def main() -> int:
    """Writes the file, or with --check returns 1 where it differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, do not write")
    text = cases_text()
    if parser.parse_args().check:
        if CASES.read_text(encoding="utf-8") == text:
            return 0
        print(f"{CASES.name} is stale: run make_cases.py", file=sys.stderr)
        return 1
    CASES.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
