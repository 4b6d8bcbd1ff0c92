# SPDX-License-Identifier: Apache-2.0
"""The cases in the repository are the ones that the generator makes."""

import json
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
CASES = json.loads((FOLDER / "cases.json").read_text(encoding="utf-8"))


def test_cases_are_fresh() -> None:
    command = [sys.executable, str(FOLDER / "make_cases.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_method_of_the_service_has_a_case() -> None:
    idl = (FOLDER.parents[1] / "thrift_idl/thriftscore.thrift").read_text(encoding="utf-8")
    service = idl.partition("service ScoringService {")[2].partition("\n}")[0]
    tried = {case["method"] for case in CASES}
    assert {method for method in tried if f" {method}(" not in service} == set()
    assert service.count("throws (1: ScoringError error)") == len(tried)


def test_case_names_are_unique_and_there_are_many() -> None:
    names = [case["name"] for case in CASES]
    assert len(set(names)) == len(names) >= 90
