# SPDX-License-Identifier: Apache-2.0
"""A publisher that dies after any of its system calls leaves nothing that is read as a version."""

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "support" / "killed_publisher.py"


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """What a server found after each death, and at last after a life."""
    repository = tmp_path_factory.mktemp("repository")
    done = subprocess.run(
        [sys.executable, SCRIPT, repository], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_there_are_deaths_at_each_step(history):
    assert len(history) > 50
    assert [entry["lived"] for entry in history] == [False] * (len(history) - 1) + [True]


def test_every_version_that_is_seen_is_whole(history):
    for entry in history:
        assert set(entry["states"].values()) <= {"AVAILABLE"}, entry
        assert entry["scores"] == {number: float(number) for number in entry["states"]}


def test_no_version_that_was_seen_is_gone_later(history):
    for before, after in pairwise(history):
        assert set(before["states"]) <= set(after["states"])
        assert len(after["states"]) <= len(before["states"]) + 1


def test_a_label_names_a_version_that_is_there(history):
    for entry in history:
        assert all(str(version) in entry["states"] for version in entry["labels"].values())
    assert history[-1]["labels"] == {"stable": max(int(n) for n in history[-1]["states"])}


def test_the_next_publisher_removes_what_the_dead_left(history):
    assert any(entry["hidden"] for entry in history)
    assert max(len(entry["hidden"]) for entry in history) == 1
    assert history[-1]["hidden"] == []
