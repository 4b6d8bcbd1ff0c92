# SPDX-License-Identifier: Apache-2.0
"""What the guard of instruction counts lets pass; `make test-instructions` counts for real."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path[:0] = [str(BENCHMARKS)]

from instruction_counts import RECORDED, Counts, compare, report  # noqa: E402

CASE = "request/score_1x32_binary"


def changed(by: float = 1.0, **facts: str) -> Counts:
    """The recorded counts with those of CASE multiplied."""
    counts = Counts.read(RECORDED)
    instructions = {**counts.instructions, CASE: counts.instructions[CASE] * by}
    return Counts({**counts.facts, **facts}, instructions)


def test_what_is_recorded_passes(tmp_path: Path) -> None:
    path = tmp_path / "counts.json"
    changed().write(path)
    assert path.read_text() == RECORDED.read_text()
    verdict = compare(Counts.read(path), changed())
    assert verdict.failures == verdict.notes == []
    assert report(verdict, tmp_path) == 0


@pytest.mark.parametrize(
    ("by", "facts", "fails"),
    [
        (1.02, {}, False),
        (1.04, {}, True),
        (1.50, {"compiler": "GCC 99"}, False),
        (1.70, {"compiler": "GCC 99"}, True),
        (1.70, {"target": "neon"}, False),
    ],
)
def test_a_rise_fails_beyond_what_the_compiler_may_change(
    by: float, facts: dict[str, str], fails: bool
) -> None:
    verdict = compare(changed(), changed(by, **facts))
    assert bool(verdict.failures) == fails
    assert bool(verdict.notes) == bool(facts)


def test_a_failure_says_what_rose_by_how_much_and_how_to_accept_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(compare(changed(), changed(1.5)), tmp_path) == 1
    errors = capsys.readouterr().err
    before = Counts.read(RECORDED).instructions[CASE]
    assert f"{CASE}: {before:,.0f} → {before * 1.5:,.0f} instructions (+50.0%)" in errors
    assert "A rise of 3% is allowed" in errors
    assert "make instruction-counts" in errors
    assert "kernel/" not in errors


def test_a_fall_is_told_so_that_it_can_be_recorded() -> None:
    verdict = compare(changed(), changed(0.5))
    assert verdict.failures == []
    assert [note.startswith(CASE) for note in verdict.notes] == [True]


def test_a_case_on_one_side_only_fails() -> None:
    more = changed()
    fewer = dataclasses.replace(
        more, instructions={name: n for name, n in more.instructions.items() if name != CASE}
    )
    assert compare(fewer, more).failures == [f"{CASE}: not recorded"]
    assert compare(more, fewer).failures == [f"{CASE}: not counted"]
