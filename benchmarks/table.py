# SPDX-License-Identifier: Apache-2.0
"""Prints the README's table from a file of `pytest benchmarks --benchmark-json=FILE`."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path

PEERS = ("numpy", "onnxruntime", "sklearn")
TITLES = ("NumPy", "ONNX Runtime", "scikit-learn")


def main(results: Path) -> None:
    """One line for each group: the engine's median time, and the ratios of the others to it."""
    medians: dict[str, dict[str, float]] = defaultdict(dict)
    for run in json.loads(results.read_text())["benchmarks"]:
        scorer = run["params"].get("scorer") or run["params"]["how"]
        medians[run["group"]][scorer] = run["stats"]["median"]
    print("| | thriftscore | " + " | ".join(TITLES) + " |")
    print("|---|--:|" + "--:|" * len(PEERS))
    for group, times in sorted(medians.items(), key=lambda item: (item[0][0], item[1]["numpy"])):
        own = times["thriftscore"]
        ratios = [f"{times[peer] / own:.1f}x" if peer in times else "" for peer in PEERS]
        print(f"| {group} | {own * 1e6:.2f} µs | " + " | ".join(ratios) + " |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
