#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Instructions of a request and of the main kernels, held against those that are recorded.

    instruction_counts.py check|record PROGRAM [--recorded FILE] [--dumps FOLDER]

PROGRAM is `instruction_counts` of the release build; valgrind's callgrind counts what it runs.
Time differs from run to run; instructions do not, so that a slowdown shows where nothing is timed.
What memory and the kernel of the system cost does not show here: `make bench` measures those.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
RECORDED = FOLDER / "instruction_counts.json"
DUMPS = FOLDER.parent / "build" / "instruction_counts"

ALLOWED_RISE = 0.03
ALLOWED_RISE_ELSEWHERE = 0.6
"""With another compiler, library or clock, which choose other instructions for the same source:
Clang 14 takes between 22 % less and 47 % more than GCC 12."""

_DUMP = re.compile(
    r"^desc: Trigger: Client Request: (?P<case>\S+)$.*^totals: (?P<total>\d+)", re.M | re.S
)
ACCEPT = "`make instruction-counts` records what is counted now"


@dataclass(frozen=True)
class Counts:
    """Instructions of one operation of each case, and what they depend on besides the source."""

    facts: dict[str, str]
    instructions: dict[str, float]

    @classmethod
    def read(cls, path: Path) -> Counts:
        """What write() has written."""
        return cls(**json.loads(path.read_text()))

    def write(self, path: Path) -> None:
        """Records them."""
        path.write_text(json.dumps(vars(self), indent=2) + "\n")


@dataclass(frozen=True)
class Verdict:
    """What a comparison found."""

    allowed_rise: float = ALLOWED_RISE
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def count(program: Path, dumps: Path) -> Counts:
    """Runs `program` under callgrind, which leaves a dump of each case in `dumps`."""
    shutil.rmtree(dumps, ignore_errors=True)
    dumps.mkdir(parents=True)
    callgrind = ["valgrind", "-q", "--tool=callgrind", "--collect-atstart=no"]
    line = [*callgrind, f"--callgrind-out-file={dumps}/counts", str(program.resolve())]
    said = json.loads(subprocess.run(line, check=True, stdout=subprocess.PIPE).stdout)
    totals = dict(_totals(dumps))
    version = subprocess.run(["valgrind", "--version"], check=True, capture_output=True, text=True)
    return Counts(
        facts={**said["facts"], "valgrind": version.stdout.strip().removeprefix("valgrind-")},
        instructions={
            case: totals[case] / operations for case, operations in said["operations"].items()
        },
    )


def _totals(dumps: Path) -> Iterator[tuple[str, int]]:
    for dump in dumps.glob("counts.*"):
        if found := _DUMP.search(dump.read_text()):
            yield found["case"], int(found["total"])


def compare(recorded: Counts, counted: Counts) -> Verdict:
    """Whether anything takes more instructions than it did."""
    now, before = counted.facts, recorded.facts
    if now["target"] != before["target"]:
        targets = f"for {before['target']}, and this machine has {now['target']}"
        return Verdict(notes=[f"nothing is compared: the counts are {targets}"])
    others = [
        f"{name} {before[name]} → {now[name]}" for name in before if now[name] != before[name]
    ]
    verdict = Verdict(ALLOWED_RISE_ELSEWHERE if others else ALLOWED_RISE)
    if others:
        verdict.notes.append(f"{verdict.allowed_rise:.0%} more are allowed: {', '.join(others)}")
    for case in sorted(counted.instructions.keys() | recorded.instructions.keys()):
        _compare_case(
            case, recorded.instructions.get(case), counted.instructions.get(case), verdict
        )
    return verdict


def _compare_case(case: str, before: float | None, now: float | None, verdict: Verdict) -> None:
    if before is None or now is None:
        verdict.failures.append(f"{case}: not {'recorded' if before is None else 'counted'}")
        return
    change = f"{case}: {before:,.0f} → {now:,.0f} instructions ({now / before - 1:+.1%})"
    if now > before * (1 + verdict.allowed_rise):
        verdict.failures.append(change)
    elif now < before * (1 - verdict.allowed_rise):
        verdict.notes.append(f"{change}; {ACCEPT}")


def report(verdict: Verdict, dumps: Path) -> int:
    """Prints what was found; the exit status."""
    for note in verdict.notes:
        print(f"note: {note}")
    if not verdict.failures:
        print("No instruction count has risen.")
        return 0
    print(
        "error: instruction counts are not as recorded:",
        *(f"  {failure}" for failure in verdict.failures),
        f"A rise of {verdict.allowed_rise:.0%} is allowed. To see what grew, give"
        f" callgrind_annotate the file in {dumps} whose trigger is the case."
        f" To accept it: {ACCEPT}.",
        sep="\n",
        file=sys.stderr,
    )
    return 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("verb", choices=["check", "record"])
    parser.add_argument("program", type=Path)
    parser.add_argument("--recorded", type=Path, default=RECORDED)
    parser.add_argument("--dumps", type=Path, default=DUMPS)
    options = parser.parse_args()
    counted = count(options.program, options.dumps)
    if options.verb == "check":
        return report(compare(Counts.read(options.recorded), counted), options.dumps)
    counted.write(options.recorded)
    return 0


if __name__ == "__main__":
    sys.exit(main())
