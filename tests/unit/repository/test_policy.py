# SPDX-License-Identifier: Apache-2.0
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from thriftscore.errors import InvalidArgument, ModelNotFound, ModelNotReady, ModelRefused
from thriftscore.repository import (
    EventKind,
    NewVersion,
    Policies,
    Registry,
    RepositoryEvent,
    VersionPolicy,
    publish,
    remove_version,
    set_published_label,
    version_loader,
)

Make = Callable[[float], NewVersion]


@dataclass
class Repository:
    """A model "m" whose version n answers (1, 0) with n, and a registry of it."""

    root: Path
    make: Make
    events: list[RepositoryEvent] = field(default_factory=list)
    registry: Registry = field(init=False)

    def serve(self, policy: str, **others: str) -> None:
        by_model = {name: VersionPolicy.parse(text) for name, text in others.items()}
        self.registry = Registry(self.root, Policies(VersionPolicy.parse(policy), by_model))
        self.registry.load_all()

    def publish(self, count: int = 1, name: str = "m") -> None:
        for _ in range(count):
            taken = [int(path.name) for path in (self.root / name).glob("[1-9]*")]
            publish(self.root, name, self.make(max(taken, default=0) + 1.0))

    def damage(self, version: int) -> None:
        file = self.root / "m" / str(version) / "model.safetensors"
        file.write_bytes(file.read_bytes()[:-1])

    def refresh(self) -> list[tuple[str, int]]:
        """What it did: the kind and the version."""
        self.events.clear()
        self.registry.refresh(self.events.append)
        return [(event.kind.name, event.version) for event in self.events]

    @property
    def served(self) -> list[int]:
        return [served.version for served in self.registry.served("m")]

    def answer(self, version: str = "") -> float:
        model = self.registry.resolve("m", version).model
        return float(model.score(np.array([[1.0, 0.0]]))[0, 0])


@pytest.fixture
def repository(tmp_path: Path, new_version: Make) -> Repository:
    return Repository(tmp_path, new_version)


@pytest.fixture
def retries_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version_loader, "RETRY_FIRST_S", 0.0)


@pytest.mark.parametrize(
    ("text", "served"),
    [("all", [1, 2, 3, 4]), ("latest 1", [4]), ("latest 3", [2, 3, 4]), ("2, 9,4", [2, 4])],
)
def test_a_policy_picks_versions(repository: Repository, text: str, served: list[int]) -> None:
    repository.publish(4)
    repository.serve(text)
    assert repository.served == served
    states = {status.version: status.state.name for status in repository.registry.index("m")}
    assert all((states[n] == "AVAILABLE") == (n in served) for n in range(1, 5))


@pytest.mark.parametrize(
    "text", ["", "latest", "latest 0", "latest -1", "newest", "1,", "01", "1 2"]
)
def test_what_is_no_policy_is_said(text: str) -> None:
    with pytest.raises(InvalidArgument, match="expected 'all', 'latest N'"):
        VersionPolicy.parse(text)


def test_models_may_have_policies_of_their_own(repository: Repository) -> None:
    repository.publish(3)
    repository.publish(3, name="other")
    repository.serve("latest 1", other="all")
    assert repository.served == [3]
    assert [served.version for served in repository.registry.served("other")] == [1, 2, 3]


def test_a_new_version_takes_the_place_of_the_oldest(repository: Repository) -> None:
    repository.publish(2)
    repository.serve("latest 2")
    held = repository.registry.resolve("m", "1")
    repository.publish()
    assert repository.refresh() == [("LOADED", 3), ("UNLOADED", 1)]
    assert (repository.served, repository.answer()) == ([2, 3], 3.0)
    assert held.model.score(np.array([[1.0, 0.0]]))[0, 0] == 1.0
    assert repository.refresh() == []


def test_what_a_label_names_is_served_whatever_the_policy(repository: Repository) -> None:
    repository.publish(3)
    set_published_label(repository.root, "m", "stable", 1)
    repository.serve("latest 1")
    assert (repository.served, repository.answer()) == ([1, 3], 1.0)
    set_published_label(repository.root, "m", "stable", 2)
    assert repository.refresh() == [("LOADED", 2), ("LABELS_CHANGED", 0), ("UNLOADED", 1)]
    assert (repository.served, repository.answer()) == ([2, 3], 2.0)


def test_a_label_that_moves_to_a_damaged_version_stays_where_it_was(repository: Repository) -> None:
    repository.publish(2)
    set_published_label(repository.root, "m", "stable", 1)
    repository.serve("all")
    repository.publish()
    repository.damage(3)
    set_published_label(repository.root, "m", "stable", 3)
    assert ("REFUSED", 3) in repository.refresh()
    assert (repository.served, repository.answer(), repository.answer("stable")) == ([1, 2], 1, 1)


@pytest.mark.usefixtures("retries_at_once")
def test_a_version_that_cannot_be_loaded_takes_no_others_place(repository: Repository) -> None:
    repository.publish(2)
    repository.serve("latest 1")
    repository.publish()
    repository.damage(3)
    assert repository.refresh() == [("REFUSED", 3)]
    assert (repository.served, repository.answer()) == ([2], 2.0)
    shutil.copy(repository.root / "m" / "2" / "model.safetensors", repository.root / "m" / "3")
    assert repository.refresh() == [("REFUSED", 3)]  # its digest is that of another file
    repository.publish()
    assert repository.refresh() == [("LOADED", 4), ("UNLOADED", 2)]


def test_an_older_version_serves_where_the_newest_never_did(repository: Repository) -> None:
    repository.publish(3)
    repository.damage(3)
    repository.serve("latest 1")
    assert (repository.served, repository.answer()) == ([2], 2.0)
    assert repository.registry.ready()


def test_a_failed_load_is_tried_again_when_the_files_have_changed(repository: Repository) -> None:
    repository.publish(2)
    good = (repository.root / "m" / "2" / "model.safetensors").read_bytes()
    repository.damage(2)
    repository.serve("all")
    assert repository.refresh() == []  # too soon
    (repository.root / "m" / "2" / "model.safetensors").write_bytes(good)
    assert repository.refresh() == [("LOADED", 2)]
    assert repository.answer() == 2.0


def test_a_failed_load_is_tried_again_later_and_ever_more_rarely(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = [1000.0]
    monkeypatch.setattr(version_loader.time, "monotonic", lambda: now_s[0])
    repository.publish(1)
    repository.damage(1)
    repository.serve("all")
    tries = []
    for _ in range(2_000):
        now_s[0] += 1.0
        if repository.refresh():
            tries.append(now_s[0])
    pauses = np.diff(tries)
    assert list(pauses[:5]) == [2, 4, 8, 16, 32]
    assert pauses.max() == version_loader.RETRY_LAST_S


def test_what_an_administrator_unloads_stays_unloaded(repository: Repository) -> None:
    repository.publish(3)
    repository.serve("latest 2")
    repository.registry.unload("m", "3")
    assert repository.refresh() == [("LOADED", 1)]
    assert (repository.served, repository.answer()) == ([1, 2], 2.0)
    repository.registry.unload("m")
    repository.publish()
    assert repository.refresh() == []
    assert repository.served == []
    assert repository.registry.ready()
    repository.registry.load("m")
    repository.refresh()
    assert repository.served == [3, 4] or repository.served == [4]
    assert repository.answer() == 4.0


def test_a_label_that_is_moved_to_an_unloaded_version_has_it_loaded(repository: Repository) -> None:
    repository.publish(2)
    repository.serve("all")
    repository.registry.unload("m", "1")
    first, _ = repository.registry.index("m")
    assert (first.state.name, first.reason) == ("UNLOADED", "unloaded on request")
    set_published_label(repository.root, "m", "stable", 1)
    assert ("LOADED", 1) in repository.refresh()
    assert repository.answer() == 1.0
    repository.registry.unload("m", "stable")
    assert repository.refresh() == []
    with pytest.raises(ModelNotReady, match=r"\(label 'stable'\) is UNLOADED: unloaded on request"):
        repository.answer()


def test_a_rollback_skips_a_version_that_was_removed(repository: Repository) -> None:
    repository.publish(3)
    for version in (1, 2, 3):
        set_published_label(repository.root, "m", "stable", version)
    remove_version(repository.root, "m", 2)
    repository.serve("all")
    repository.registry.rollback_label("m", "stable")
    assert repository.answer() == 1.0


def test_what_an_administrator_loads_stays_loaded(repository: Repository) -> None:
    repository.publish(3)
    repository.serve("latest 1")
    repository.registry.load("m", "1")
    assert repository.refresh() == []
    repository.publish()
    assert repository.refresh() == [("LOADED", 4), ("UNLOADED", 3)]
    assert repository.served == [1, 4]
    repository.registry.unload("m", "1")
    assert repository.refresh() == []
    assert repository.served == [4]


def test_a_rollback_loads_what_it_goes_back_to(repository: Repository) -> None:
    repository.publish(3)
    repository.serve("latest 1")
    repository.registry.load("m", "1")
    repository.registry.set_label("m", "stable", 1)
    repository.registry.set_label("m", "stable", 3)
    repository.registry.unload("m", "1")
    (first, third) = repository.registry.rollback_label("m", "stable")
    assert (first.version, first.labels, third.version, third.labels) == (1, ("stable",), 3, ())
    assert repository.answer() == 1.0
    with pytest.raises(ModelNotFound, match="has no version to go back to"):
        repository.registry.rollback_label("m", "stable")


def test_a_rollback_to_a_damaged_version_changes_nothing(repository: Repository) -> None:
    repository.publish(2)
    repository.serve("latest 1")
    set_published_label(repository.root, "m", "stable", 1)
    set_published_label(repository.root, "m", "stable", 2)
    repository.refresh()
    repository.damage(1)
    with pytest.raises(InvalidArgument, match="bytes"):
        repository.registry.rollback_label("m", "stable")
    assert repository.answer() == 2.0
    assert repository.registry.labels_on_disk("m").versions == {"stable": 2}


def test_labels_move_only_to_a_version_that_is_ready(repository: Repository) -> None:
    repository.publish(2)
    repository.serve("latest 1")
    with pytest.raises(ModelNotReady, match=r"version 1 is UNLOADED: .*; load it before a label"):
        repository.registry.set_label("m", "stable", 1)


def test_removing_a_served_version_from_the_disk_changes_nothing(repository: Repository) -> None:
    repository.publish(2)
    repository.serve("all")
    shutil.rmtree(repository.root / "m" / "2")
    assert repository.refresh() == []
    assert repository.answer() == 2.0
    shutil.rmtree(repository.root / "m")
    assert repository.refresh() == []
    assert (repository.served, repository.answer()) == ([1, 2], 2.0)


def test_versions_that_are_neither_served_nor_on_disk_are_forgotten(repository: Repository) -> None:
    repository.publish(3)
    repository.damage(2)
    repository.serve("latest 1")
    repository.registry.load("m", "1")
    for version in ("1", "2", "3"):
        shutil.rmtree(repository.root / "m" / version)
    repository.registry.unload("m", "1")
    repository.refresh()
    assert [status.version for status in repository.registry.index()] == [3]


def test_a_removed_version_leaves_its_number_unused(repository: Repository) -> None:
    repository.publish(2)
    remove_version(repository.root, "m", 2)
    assert publish(repository.root, "m", repository.make(3.0)) == 3
    assert sorted(path.name for path in (repository.root / "m").iterdir()) == [
        ".newest-version",
        "1",
        "3",
    ]


def test_a_version_that_a_label_needs_is_not_removed(repository: Repository) -> None:
    repository.publish(2)
    set_published_label(repository.root, "m", "stable", 1)
    with pytest.raises(ModelRefused, match="version 1 of 'm' is needed by stable"):
        remove_version(repository.root, "m", 1)
    for version, name in ((7, "m"), (1, "nope")):
        with pytest.raises(ModelNotFound):
            remove_version(repository.root, name, version)


def test_events_tell_how_it_stood_before_and_after(repository: Repository) -> None:
    repository.publish(1)
    repository.serve("latest 1")
    repository.publish()
    repository.refresh()
    loaded, unloaded = repository.events
    assert (loaded.kind, loaded.version) == (EventKind.LOADED, 2)
    assert [status.state.name for status in loaded.before] == ["AVAILABLE", "UNLOADED"]
    assert [status.state.name for status in unloaded.after] == ["UNLOADED", "AVAILABLE"]


def test_a_new_model_that_fails_does_not_make_the_server_unready(repository: Repository) -> None:
    repository.publish(1)
    repository.serve("all")
    repository.publish(1, name="broken")
    (repository.root / "broken" / "1" / "manifest.json").write_text("{")
    assert repository.refresh() == [("REFUSED", 1)]
    assert repository.registry.ready()
