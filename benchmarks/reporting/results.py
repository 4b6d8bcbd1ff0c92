# SPDX-License-Identifier: Apache-2.0
"""A file of results, asked for medians and for ratios.

A ratio is the median of the quotients of each round, since the two values of one round were
measured one after the other on the machine as it was then.
"""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from rpc.subjects import ECHO

Rounds = dict[int, float]
"""A value for each round."""


@dataclass(frozen=True)
class Ratio:
    """How many times one value is the other, in the middle round and in the extreme ones."""

    median: float
    lowest: float
    highest: float


def ratio_of(first: Rounds, second: Rounds) -> Ratio | None:
    """first / second in the rounds that both have; None where there is none such."""
    quotients = [first[number] / second[number] for number in first if second.get(number)]
    if not quotients:
        return None
    return Ratio(statistics.median(quotients), min(quotients), max(quotients))


class Results:
    """What compare_servers.py has written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.facts: dict[str, Any] = json.loads(path.read_text())

    @cached_property
    def _served(self) -> dict[tuple[str, str, str], Rounds]:
        values: dict[tuple[str, str, str], Rounds] = defaultdict(dict)
        for sample in self.facts["samples"]:
            for metric, value in sample.items():
                if isinstance(value, float | int) and metric != "round":
                    values[sample["scenario"], sample["server"], metric][sample["round"]] = value
        return values

    @cached_property
    def _embedded(self) -> dict[tuple[str, int, int, str], Rounds]:
        values: dict[tuple[str, int, int, str], Rounds] = defaultdict(dict)
        for sample in self.facts["embedded"]:
            key = (sample["model"], sample["rows"], sample["threads"], sample["library"])
            values[key][sample["round"]] = sample["seconds"]
        return values

    def title(self, server: str) -> str:
        """What people call a server."""
        return str(self.facts["servers"].get(server, {}).get("title", server))

    def servers(self, scenario: str) -> list[str]:
        """Those measured in a scenario, in the order of the file."""
        of_it = (one["server"] for one in self.facts["samples"] if one["scenario"] == scenario)
        return list(dict.fromkeys(of_it))

    def scenarios(self) -> list[str]:
        """Those measured."""
        return list(dict.fromkeys(sample["scenario"] for sample in self.facts["samples"]))

    def median(self, scenario: str, server: str, metric: str) -> float | None:
        """The middle round's value; None where nothing was measured."""
        rounds = self._served.get((scenario, server, metric))
        return statistics.median(rounds.values()) if rounds else None

    def ratio(self, scenario: str, metric: str, first: str, second: str) -> Ratio | None:
        """How many times `second`'s value `first` has."""
        return ratio_of(
            self._served.get((scenario, first, metric), {}),
            self._served.get((scenario, second, metric), {}),
        )

    def embedded_models(self) -> list[tuple[str, int, int]]:
        """Models, rows and threads that were measured."""
        return list(dict.fromkeys(key[:3] for key in self._embedded))

    def libraries(self, model: str) -> list[str]:
        """What scored a model."""
        return list(dict.fromkeys(key[3] for key in self._embedded if key[0] == model))

    def embedded_seconds(self, model: str, rows: int, threads: int, library: str) -> float | None:
        """Seconds a call, of the middle round."""
        rounds = self._embedded.get((model, rows, threads, library))
        return statistics.median(rounds.values()) if rounds else None

    def speedup(self, model: str, rows: int, threads: int, library: str) -> Ratio | None:
        """How many times as long as the engine the library takes."""
        return ratio_of(
            self._embedded.get((model, rows, threads, library), {}),
            self._embedded.get((model, rows, threads, "thriftscore"), {}),
        )

    def comparable(self) -> dict[str, Rounds]:
        """Every value that two files can be compared in, by name; a rise is always a loss.

        Of a server the time a request, in units of the raw echo's where that was measured too, so
        that a slower machine is not taken for a slower server; of a library the time a call.
        """
        served = {
            f"{scenario}: {server}": self._times(scenario, server)
            for scenario in self.scenarios()
            for server in self.servers(scenario)
            if server != ECHO
        }
        embedded = {
            f"{model}, {rows} rows, {threads} threads: {library}": times
            for (model, rows, threads, library), times in self._embedded.items()
        }
        return {name: times for name, times in (served | embedded).items() if times}

    def _times(self, scenario: str, server: str) -> Rounds:
        rates = self._served.get((scenario, server, "requests_per_s"), {})
        echo = self._served.get((scenario, ECHO, "requests_per_s"), {})
        return {number: echo.get(number, 1.0) / rate for number, rate in rates.items() if rate}
