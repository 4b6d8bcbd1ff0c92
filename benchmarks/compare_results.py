#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints what became faster or slower between two files of compare_servers.py, beyond noise.

A change counts where the rounds of the two files do not overlap at all and the medians differ by
more than --tolerance. Both files have to come from the same machine. Times of servers are in
units of the raw echo's, so that a slower machine is not taken for a slower server.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

from reporting.results import Results, Rounds

TOLERANCE = 0.10


def changed(base: Rounds, now: Rounds, tolerance: float) -> float | None:
    """How many times the base's time is needed now; None where that is noise."""
    before, after = list(base.values()), list(now.values())
    if max(before) >= min(after) and max(after) >= min(before):
        return None
    factor = statistics.median(after) / statistics.median(before)
    return factor if abs(factor - 1) > tolerance else None


def main() -> int:
    """Prints the changes; returns 1 where something became slower."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("base", type=Path)
    parser.add_argument("now", type=Path)
    parser.add_argument("--tolerance", type=float, default=TOLERANCE)
    options = parser.parse_args()
    base, now = Results(options.base), Results(options.now)
    if base.facts["machine"]["cpu"] != now.facts["machine"]["cpu"]:
        print("error: the files come from machines with different processors", file=sys.stderr)
        return 2
    before, after = base.comparable(), now.comparable()
    slower = 0
    for name in before.keys() & after.keys():
        factor = changed(before[name], after[name], options.tolerance)
        if factor is not None:
            slower += factor > 1
            print(f"{name}: {factor:.2f} times the time" + (" (slower)" if factor > 1 else ""))
    print(f"{len(before.keys() & after.keys())} values compared, {slower} slower")
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
