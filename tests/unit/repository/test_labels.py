# SPDX-License-Identifier: Apache-2.0
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftscore.errors import ModelNotFound
from thriftscore.repository import Labels
from thriftscore.repository.labels import HISTORY_MAX

NAMES = st.sampled_from(["stable", "canary", "x.1"])
ANY = range(1, 10**18)
VERSIONS = st.integers(1, 10**18 - 1)


def labelled(*versions: int) -> Labels:
    """`stable` pointed at one version after the other."""
    labels = Labels()
    for version in versions:
        labels = labels.with_label("stable", version)
    return labels


def test_a_rollback_goes_back_one_version_after_the_other() -> None:
    labels = labelled(1, 2, 5).rolled_back("stable", ANY)
    assert labels.versions == {"stable": 2}
    labels = labels.rolled_back("stable", ANY)
    assert labels.versions == {"stable": 1}
    with pytest.raises(ModelNotFound, match="label 'stable' has no version to go back to"):
        labels.rolled_back("stable", ANY)
    assert [change.change for change in labels.history] == ["set"] * 3 + ["rollback"] * 2


def test_a_label_that_was_moved_after_a_rollback_goes_back_to_where_it_was_moved_from() -> None:
    labels = labelled(1, 2).rolled_back("stable", ANY).with_label("stable", 3)
    assert labels.previous("stable", ANY) == 1


def test_a_rollback_leaves_out_what_cannot_be_used() -> None:
    labels = labelled(1, 5, 3).rolled_back("stable", {1, 3})
    assert labels.versions == {"stable": 1}
    with pytest.raises(ModelNotFound):
        labels.rolled_back("stable", {1, 3})


def test_a_removed_label_can_be_rolled_back() -> None:
    labels = labelled(1, 2).without_label("stable")
    assert labels.versions == {}
    assert labels.rolled_back("stable", ANY).versions == {"stable": 2}


def test_naming_the_same_version_again_is_no_change() -> None:
    labels = labelled(1)
    assert labels.with_label("stable", 1) is labels


def test_labels_do_not_share_their_history() -> None:
    labels = labelled(1, 2).with_label("canary", 7).with_label("canary", 8)
    assert (labels.previous("stable", ANY), labels.previous("canary", ANY)) == (1, 7)
    with pytest.raises(ModelNotFound):
        labels.previous("other", ANY)


def test_the_history_is_bounded_and_keeps_the_newest() -> None:
    labels = labelled(*range(1, HISTORY_MAX + 50))
    assert len(labels.history) == HISTORY_MAX
    assert labels.previous("stable", ANY) == HISTORY_MAX + 48


@given(st.lists(st.tuples(NAMES, VERSIONS), max_size=20), st.sampled_from(["", "canary", "3"]))
def test_what_is_written_is_what_is_read(changes: list[tuple[str, int]], shadow: str) -> None:
    labels = Labels(split={"stable": 95, "2": 5}, shadow=shadow)
    for name, version in changes:
        labels = labels.with_label(name, version)
    assert Labels.decode(labels.encode()) == labels


@given(st.lists(st.tuples(NAMES, VERSIONS), min_size=1, max_size=20))
def test_a_rollback_undoes_a_change(changes: list[tuple[str, int]]) -> None:
    labels = Labels()
    for name, version in changes:
        moved = labels.with_label(name, version)
        if moved != labels and name in labels.versions:
            assert moved.rolled_back(name, ANY).versions == labels.versions
        labels = moved


def test_a_file_of_nothing_but_labels_is_enough() -> None:
    labels = Labels.decode(b'{"stable": 3, "canary": 4}')
    assert labels.versions == {"stable": 3, "canary": 4}
    assert labels.numbers() == {3, 4}
    assert json.loads(labels.encode()) == {"stable": 3, "canary": 4}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"$split": {"stable": -1}}', "'stable': -1"),
        ('{"$split": {"stable": 0}}', "weight above 0"),
        ('{"$split": {"../x": 1}}', "neither a version nor a label"),
        ('{"$split": 5}', "'split': 5"),
        ('{"$shadow": "a b"}', "neither a version nor a label"),
        ('{"$other": 5}', "'$other': 5"),
        ('{"$history": [{}]}', "Field required"),
        ('{"stable": 1000000000000000000}', "'stable': 1000000000000000000"),
        ('{"stable": 1.0}', "'stable': 1.0"),
        ('{"stable": NaN}', "'stable': nan"),
        ("\xff", "JSON"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"^(has|is not) ") as raised:
        Labels.decode(text.encode("latin-1"))
    assert said in str(raised.value)
