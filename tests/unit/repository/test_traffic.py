# SPDX-License-Identifier: Apache-2.0
"""Which version a request without one gets."""

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils import murmurhash3_32

from thriftscore import _native
from thriftscore.repository import NewVersion, Registry, publish, set_published_label
from thriftscore.repository.files import Directory
from thriftscore.repository.labels import change_labels

weights = st.lists(st.integers(0, 1_000_000), min_size=1, max_size=16).filter(any)
request_ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(weights, request_ids)
def test_an_id_falls_to_the_weight_that_its_hash_says(weights: list[int], request_id: str) -> None:
    data = request_id.encode()
    bucket = murmurhash3_32(data, seed=0, positive=True) % sum(weights)
    expected = next(i for i in range(len(weights)) if bucket < sum(weights[: i + 1]))
    assert _native.Split(weights).pick(data) == expected


@given(weights)
def test_requests_without_an_id_fall_to_weights_above_0(weights: list[int]) -> None:
    split = _native.Split(weights)
    assert all(weights[split.pick(b"")] > 0 for _ in range(50))


@pytest.mark.parametrize("identified", [True, False], ids=["ids", "no ids"])
@pytest.mark.parametrize("weights", [[95, 5], [1, 1, 2], [1, 0, 999_999]])
def test_shares_are_those_of_the_weights(weights: list[int], *, identified: bool) -> None:
    split, requests = _native.Split(weights), 20_000
    ids = (b"r-%d" % number if identified else b"" for number in range(requests))
    counts = Counter(split.pick(request_id) for request_id in ids)
    for position, weight in enumerate(weights):
        share = weight / sum(weights)
        deviation = (share * (1 - share) / requests) ** 0.5
        assert counts[position] / requests == pytest.approx(share, abs=7 * deviation)


@pytest.fixture
def repository(tmp_path: Path, new_version: Callable[[float], NewVersion]) -> Path:
    """Model "m" with versions 1 (stable), 2 (canary) and 3, the newest."""
    for version in (1, 2, 3):
        publish(tmp_path, "m", new_version(float(version)))
    set_published_label(tmp_path, "m", "stable", 1)
    set_published_label(tmp_path, "m", "canary", 2)
    return tmp_path


def write_split(repository: Path, split: Mapping[str, int]) -> None:
    with Directory.open_root(repository) as root, root.open("m") as model:
        change_labels(model, lambda labels: labels.model_copy(update={"split": dict(split)}))


def loaded(repository: Path, split: Mapping[str, int]) -> Registry:
    write_split(repository, split)
    registry = Registry(repository)
    registry.load_all()
    return registry


def versions(registry: Registry, requests: int = 2_000) -> Counter[int]:
    ids = (f"id-{number}" for number in range(requests))
    return Counter(registry.route("m", "", request_id).version for request_id in ids)


def test_split_is_over_labels_and_numbers(repository: Path) -> None:
    counts = versions(loaded(repository, {"stable": 60, "canary": 30, "3": 10}))
    assert counts[1] > counts[2] > counts[3] > 0


def test_every_server_gives_an_id_the_same_version(repository: Path) -> None:
    first = loaded(repository, {"stable": 95, "canary": 5})
    second = loaded(repository, {"canary": 5, "stable": 95})  # in another order
    for number in range(500):
        request_id = f"é-{number}"
        chosen = {registry.route("m", "", request_id).version for registry in (first, second)}
        assert len(chosen) == 1


def test_only_versions_that_are_ready_count(repository: Path) -> None:
    registry = loaded(repository, {"stable": 50, "canary": 50})
    registry.unload("m", "canary")
    assert versions(registry) == {1: 2_000}
    registry.unload("m", "stable")
    registry.load("m", "3")
    registry.remove_label("m", "stable")
    assert versions(registry) == {3: 2_000}  # the default


def test_split_says_nothing_of_requests_that_name_a_version_or_only_ask(repository: Path) -> None:
    registry = loaded(repository, {"canary": 1})
    assert versions(registry) == {2: 2_000}
    assert registry.route("m", "1", "x").version == 1
    assert registry.route("m", "stable", "x").version == 1
    assert registry.resolve("m").version == 1


def test_a_change_of_the_split_alone_is_observed(repository: Path) -> None:
    registry = loaded(repository, {})
    seen: list[int] = []
    registry.observe(lambda known: seen.append(len(known.traffic()["m"].split)))
    write_split(repository, {"stable": 1, "canary": 1})
    registry.set_label("m", "stable", 1)
    assert seen == [0, 2]
