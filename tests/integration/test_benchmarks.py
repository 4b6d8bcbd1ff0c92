# SPDX-License-Identifier: Apache-2.0
"""The benchmark programs, run for a moment: they work, and what they write fits together."""

import json
import statistics
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def run(program, *arguments):
    words = [sys.executable, BENCHMARKS / program, *map(str, arguments)]
    return subprocess.run(words, check=False, capture_output=True, text=True, timeout=100)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A file of results: the raw echo and thriftscore, one scenario, a round."""
    file = tmp_path_factory.mktemp("results") / "results.json"
    done = run(
        "compare_servers.py",
        *("--only", "one_row_16", "--servers", "echo,thriftscore", "--rounds", 1),
        *("--output", file),
    )
    assert done.returncode == 0, done.stderr
    return file


def test_every_sample_has_what_the_report_needs(results):
    facts = json.loads(results.read_text())
    assert {sample["server"] for sample in facts["samples"]} == {"echo", "thriftscore"}
    for sample in facts["samples"]:
        assert sample["requests"] > 0
        assert sample["errors"] == 0
        assert 0 < sample["p50_us"] <= sample["p99_us"] <= sample["p999_us"]
        assert sample["peak_rss_mib"] > 1
    assert facts["machine"]["cores"] >= 1
    assert facts["missing"] == {}


def test_the_report_shows_the_measured_ratio(results, tmp_path):
    report = tmp_path / "report.md"
    done = run("make_report.py", results, "--report", report, "--no-readme")
    assert done.returncode == 0, done.stderr
    rates = {"echo": [], "thriftscore": []}
    for sample in json.loads(results.read_text())["samples"]:
        rates[sample["server"]].append(sample["requests_per_s"])
    quotients = [own / echo for own, echo in zip(rates["thriftscore"], rates["echo"], strict=True)]
    assert f"| 0.85x | {statistics.median(quotients):.2f}x" in report.read_text()
    plots = list((tmp_path / "plots").glob("*.svg"))
    assert plots
    for plot in plots:
        ElementTree.parse(plot)
        assert f"plots/{plot.name}" in report.read_text()


def test_nothing_has_changed_between_a_file_and_itself(results):
    done = run("compare_results.py", results, results)
    assert (done.returncode, done.stdout) == (0, "1 values compared, 0 slower\n")


def test_a_slowdown_is_named(results, tmp_path):
    facts = json.loads(results.read_text())
    for sample in facts["samples"]:
        if sample["server"] == "thriftscore":
            sample["requests_per_s"] /= 100
    slower = tmp_path / "slower.json"
    slower.write_text(json.dumps(facts))
    done = run("compare_results.py", results, slower)
    assert done.returncode == 1
    assert "one_row_16: thriftscore: 100.00 times the time (slower)" in done.stdout
