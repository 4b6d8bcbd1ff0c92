# SPDX-License-Identifier: Apache-2.0
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftscore.errors import InvalidArgument
from thriftscore.repository.names import (
    check_label,
    check_model_name,
    is_label,
    is_model_name,
    parse_version,
)

FIRST = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"
ALLOWED = st.text(FIRST, min_size=1, max_size=1).flatmap(
    lambda first: st.text(FIRST + ".-", max_size=127).map(lambda rest: first + rest)
)


@given(ALLOWED)
def test_a_name_of_allowed_characters_is_a_path_component(name: str) -> None:
    assert check_model_name(name) == name
    assert Path("/root", name).resolve(strict=False) == Path("/root", name)


@given(st.text())
def test_any_other_text_is_refused_in_one_printable_line(name: str) -> None:
    allowed = 1 <= len(name) <= 128 and name[0] in FIRST and set(name) <= set(FIRST + ".-")
    assert is_model_name(name) == allowed
    if not allowed:
        with pytest.raises(InvalidArgument, match="is not allowed: expected") as raised:
            check_model_name(name)
        assert str(raised.value).isascii()
        assert str(raised.value).isprintable()
        assert len(str(raised.value)) < 2000


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "../x", "a/b", "a\n", "a\0", "-a", ".a", "a b", "%2e%2e%2f", "a" * 129),
        *("\uff0e\uff0e", "a\u2215b", "\u00e9", 'a{b="c"}\n'),
    ],
)
def test_names_that_escape_or_confuse_are_refused(name: str) -> None:
    assert not is_model_name(name)
    assert not is_label(name)


@given(st.integers(1, 10**18 - 1))
def test_a_canonical_number_is_a_version_and_no_label(version: int) -> None:
    assert parse_version(str(version)) == version
    assert parse_version(f"0{version}") is None
    assert not is_label(str(version))
    assert not is_label(f"00{version}")


@given(st.text())
def test_a_text_that_is_not_canonical_is_no_version(text: str) -> None:
    expected = re.fullmatch(r"[1-9][0-9]{0,17}", text, re.ASCII)
    assert parse_version(text) == (int(text) if expected else None)


@pytest.mark.parametrize("text", ["0", "001", "-1", "+1", "1_0", " 1", "1\n", "\u0661", "9" * 19])
def test_other_writings_of_numbers_are_no_version(text: str) -> None:
    assert parse_version(text) is None


@given(ALLOWED.filter(lambda name: not name.isdigit()))
def test_a_name_that_is_no_number_is_a_label(label: str) -> None:
    assert check_label(label) == label
