# SPDX-License-Identifier: Apache-2.0
"""Runs scenarios: every server of one in turn, round after round, so that all meet one machine."""

from __future__ import annotations

import dataclasses
import gc
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rpc import loads
from rpc.loads import Load, LoadError, Target
from rpc.models import ServedModel, served_model
from rpc.processes import StartError
from rpc.requests import write_request
from rpc.scenarios import PEAK, Scenario
from rpc.subjects import NATIVE, Running, Situation, Subject

_PROBE = Load(connections=1, seconds=0.05, warm_up_s=0.0)

Sample = dict[str, Any]
Tell = Callable[[str], None]


@dataclass
class Results:
    """What was measured, and what was not and why."""

    samples: list[Sample] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)

    def peak(self, subject: str) -> float:
        """Median requests a second in the scenario that counts as a server's peak."""
        rates = [
            sample["requests_per_s"]
            for sample in self.samples
            if (sample["scenario"], sample["server"]) == (PEAK, subject)
        ]
        return statistics.median(rates) if rates else 0.0


class Bench:
    """Servers of one model, and the loads on them."""

    def __init__(self, subjects: dict[str, Subject], folder: Path, rounds: int, tell: Tell) -> None:
        self._subjects = subjects
        self._folder = folder
        self._rounds = rounds
        self._tell = tell
        self.results = Results()

    def run(self, scenarios: Sequence[Scenario]) -> None:
        """Measures them, those of one model together, with those servers that there are."""
        scenarios = [
            dataclasses.replace(one, subjects=tuple(filter(self._subjects.get, one.subjects)))
            for one in scenarios
        ]
        for kind in dict.fromkeys(scenario.model for scenario in scenarios):
            self._tell(f"model {kind}")
            model = served_model(kind, self._folder / "models")
            of_model = [scenario for scenario in scenarios if scenario.model == kind]
            with ExitStack() as servers:
                running: dict[str, Running] = {}
                for scenario in of_model:
                    self._start(scenario, model, running, servers)
                    self._measure(scenario, model, running)

    def _start(
        self,
        scenario: Scenario,
        model: ServedModel,
        running: dict[str, Running],
        servers: ExitStack,
    ) -> None:
        """Starts those servers of the scenario that stay for the next one."""
        for name in scenario.subjects:
            subject = self._subjects[name]
            if name in running or subject.fresh or not self._is_there(subject):
                continue
            self._tell(f"starting {subject.title}")
            try:
                situation = Situation(model, self._folder)
                running[name] = servers.enter_context(subject.running(situation))
            except (StartError, LookupError) as failure:
                self.results.missing[name] = str(failure)

    def _is_there(self, subject: Subject) -> bool:
        if subject.missing:
            self.results.missing[subject.name] = subject.missing
        return subject.name not in self.results.missing

    def _measure(self, scenario: Scenario, model: ServedModel, running: dict[str, Running]) -> None:
        situation = Situation(
            model,
            self._folder,
            _reply_bytes(scenario, model, running.get(NATIVE)),
            scenario.load.encoding,
        )
        gc.collect()
        rounds = self._rounds * scenario.repeats
        for number in range(1, rounds + 1):
            for name in scenario.subjects:
                subject = self._subjects[name]
                if not self._is_there(subject):
                    continue
                self._tell(f"{scenario.title}: round {number} of {rounds}, {subject.title}")
                with _server(subject, situation, running) as server:
                    self._sample(scenario, subject, server, number)

    def _sample(self, scenario: Scenario, subject: Subject, server: Running, number: int) -> None:
        load = scenario.load
        if scenario.share_of_peak:
            rate = scenario.share_of_peak * self.results.peak(subject.name)
            if not rate:
                return
            load = dataclasses.replace(load, rate=rate)
        target = self._target(scenario, subject, server)
        server.process.forget_peak()
        cpu_s = server.process.cpu_s()
        try:
            measured = loads.run(target, load)
        except LoadError as failure:
            self.results.missing[f"{subject.name} in {scenario.name}"] = str(failure)
            return
        cpu_s = server.process.cpu_s() - cpu_s
        asked = measured["requests_per_s"] * (load.seconds + load.warm_up_s)
        self.results.samples.append(
            {
                "scenario": scenario.name,
                "server": subject.name,
                "round": number,
                "offered_per_s": load.rate or None,
                "cpu_s_per_1000": 1000 * cpu_s / asked,
                "peak_rss_mib": server.process.peak_mib(),
                **measured,
            }
        )

    def _target(self, scenario: Scenario, subject: Subject, server: Running) -> Target:
        names = served_model(scenario.model, self._folder / "models").feature_names
        body = write_request(self._folder, subject.form, scenario.load.rows, len(names))
        return Target(subject.protocol, server.endpoint, names, body)


def _reply_bytes(scenario: Scenario, model: ServedModel, native: Running | None) -> int:
    """Of thriftscore's reply to the scenario's request; 0 = the echo has no use for it."""
    if native is None:
        return 0
    probe = dataclasses.replace(_PROBE, rows=scenario.load.rows, encoding=scenario.load.encoding)
    return int(loads.reply_bytes(Target("thrift", native.endpoint, model.feature_names), probe))


@contextmanager
def _server(
    subject: Subject, situation: Situation, running: dict[str, Running]
) -> Iterator[Running]:
    if not subject.fresh:
        yield running[subject.name]
        return
    with subject.running(situation) as server:
        yield server
