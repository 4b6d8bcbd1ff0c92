# SPDX-License-Identifier: Apache-2.0
"""The contract keeps the rules of thrift_idl/README.md."""

import re
from pathlib import Path

import pytest

IDL = Path(__file__).parents[2] / "thrift_idl" / "thriftscore.thrift"
LINES = IDL.read_text().splitlines()
FIELD = re.compile(r"^  (\d+): (?!ScoringError error)(\S.*)$")
ENUM_MEMBER = re.compile(r"^  [A-Z][A-Z0-9_]* = \d+,?$")
METHOD = re.compile(r"^  (?:[a-zA-Z]\w*|list<double>) \w+\(")


def lines_matching(pattern: re.Pattern[str]) -> list[tuple[int, str]]:
    return [(number, line) for number, line in enumerate(LINES) if pattern.match(line)]


@pytest.mark.parametrize("pattern", [FIELD, ENUM_MEMBER, METHOD], ids=["field", "enum", "method"])
def test_everything_has_a_comment(pattern: re.Pattern[str]) -> None:
    found = lines_matching(pattern)
    assert found
    bare = [line for number, line in found if not LINES[number - 1].rstrip().endswith("*/")]
    assert bare == []


def test_no_field_is_required() -> None:
    assert [line for _, line in lines_matching(FIELD) if "required" in line] == []


def test_every_field_is_optional_or_has_a_default() -> None:
    bare = [line for _, line in lines_matching(FIELD) if "optional" not in line and "=" not in line]
    assert [line for line in bare if "ScoringError" not in line] == []


def test_every_method_declares_the_error() -> None:
    text = IDL.read_text()
    declared = re.findall(r"throws \(1: ScoringError error\)", text)
    assert len(declared) == len(lines_matching(METHOD))
    assert len(declared) == 20


@pytest.mark.parametrize("word", ["oneway", "union", "uuid", "extends"])
def test_constructs_that_some_languages_lack_are_absent(word: str) -> None:
    assert not re.search(rf"^\s*(?:{word}\b|service \w+ {word}\b)", IDL.read_text(), re.MULTILINE)


def test_field_ids_rise_by_one_within_a_struct() -> None:
    ids: list[int] = []
    for line in LINES:
        if re.match(r"^(struct|exception) ", line):
            ids = []
        elif match := FIELD.match(line):
            ids.append(int(match.group(1)))
            assert ids == list(range(1, len(ids) + 1)), line
