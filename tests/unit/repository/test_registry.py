# SPDX-License-Identifier: Apache-2.0
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from damaged_versions import DAMAGES, flip, rewrite

from thriftscore.errors import (
    ConfigurationError,
    InvalidArgument,
    ModelNotFound,
    ModelNotReady,
    ModelRefused,
    ThriftscoreError,
    Unavailable,
)
from thriftscore.repository import (
    Golden,
    NewVersion,
    Registry,
    VersionState,
    publish,
    set_published_label,
)

Make = Callable[[float], NewVersion]


@pytest.fixture
def repository(tmp_path: Path, new_version: Make) -> Path:
    """Model "m" with versions 1 and 2, which answer (1, 0) with 1 and 2."""
    for version in (1, 2):
        assert publish(tmp_path, "m", new_version(float(version))) == version
    return tmp_path


@pytest.fixture
def registry(repository: Path) -> Registry:
    loaded = Registry(repository)
    loaded.load_all()
    return loaded


def answer(registry: Registry, version: str = "", name: str = "m") -> float:
    return float(registry.resolve(name, version).model.score(np.array([[1.0, 0.0]]))[0, 0])


def states(registry: Registry) -> dict[int, str]:
    return {status.version: status.state.name for status in registry.index("m")}


def test_numbers_and_labels_name_versions_and_the_newest_is_the_default(
    registry: Registry,
) -> None:
    assert registry.ready()
    assert [answer(registry, version) for version in ("1", "2", "")] == [1.0, 2.0, 2.0]
    registry.set_label("m", "stable", 1)
    registry.set_label("m", "canary", 2)
    assert [answer(registry, v) for v in ("stable", "canary", "")] == [1.0, 2.0, 1.0]
    assert registry.labels("m").versions == {"stable": 1, "canary": 2}
    first, second = registry.index()
    assert (first.labels, first.is_default) == (("stable",), True)
    assert (second.labels, second.is_default) == (("canary",), False)
    assert second.digest == registry.resolve("m", "2").digest
    registry.remove_label("m", "stable")
    assert answer(registry) == 2.0


def test_labels_survive_a_restart(registry: Registry) -> None:
    registry.set_label("m", "stable", 1)
    restarted = Registry(registry.root)
    restarted.load_all()
    assert answer(restarted) == 1.0


@pytest.mark.parametrize(
    ("name", "version", "error", "said"),
    [
        ("nope", "", ModelNotFound, "nope"),
        ("m", "3", ModelNotFound, "3"),
        ("m", "canary", ModelNotFound, "canary"),
        ("m", "001", InvalidArgument, "001"),
        ("m", "../1", InvalidArgument, "../1"),
        ("../m", "", InvalidArgument, "../m"),
        ("", "", InvalidArgument, "''"),
    ],
)
def test_what_is_not_there_is_named(
    registry: Registry, name: str, version: str, error: type[ThriftscoreError], said: str
) -> None:
    with pytest.raises(error) as raised:
        registry.resolve(name, version)
    assert said in str(raised.value)


def test_nothing_is_ready_before_loading_and_a_missing_repository_is_said(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "absent")
    assert not registry.ready()
    with pytest.raises(ConfigurationError, match=r"absent' cannot be read: No such file"):
        registry.load_all()
    with pytest.raises(Unavailable, match="absent"):
        registry.load("m")
    assert registry.index() == []


def test_an_empty_repository_is_ready(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    assert registry.load_all() == []
    assert registry.ready()


def test_a_new_version_serves_when_it_is_loaded(registry: Registry, new_version: Make) -> None:
    publish(registry.root, "m", new_version(3.0))
    assert answer(registry) == 2.0
    assert states(registry) == {1: "AVAILABLE", 2: "AVAILABLE", 3: "UNLOADED"}
    (status,) = registry.load("m")
    assert (status.version, status.state, status.is_default) == (3, VersionState.AVAILABLE, True)
    assert answer(registry) == 3.0


def test_a_label_set_on_disk_counts_from_the_next_load(
    registry: Registry, new_version: Make
) -> None:
    publish(registry.root, "m", new_version(3.0))
    set_published_label(registry.root, "m", "stable", 3)
    assert answer(registry) == 2.0
    registry.load("m", "stable")
    assert answer(registry, "stable") == answer(registry) == 3.0


def test_unloading_keeps_the_rest_and_those_who_hold_the_model(registry: Registry) -> None:
    held = registry.resolve("m", "2")
    (status,) = registry.unload("m", "2")
    assert (status.state, status.digest) == (VersionState.UNLOADED, held.digest)
    assert answer(registry) == 1.0
    assert held.model.score(np.array([[1.0, 0.0]])) == 2.0
    with pytest.raises(ModelNotReady, match="version 2 is UNLOADED"):
        registry.resolve("m", "2")
    assert [status.version for status in registry.unload("m")] == [1]
    with pytest.raises(ModelNotReady, match="no version that is ready"):
        registry.resolve("m")
    assert registry.ready()
    registry.load("m", "2")
    assert answer(registry) == 2.0


def test_a_default_whose_version_is_gone_is_an_error_and_not_another_version(
    registry: Registry,
) -> None:
    registry.set_label("m", "stable", 1)
    registry.unload("m", "1")
    with pytest.raises(ModelNotReady, match=r"version 1 \(label 'stable'\) is UNLOADED"):
        registry.resolve("m")
    assert not registry.ready()


def test_labels_need_a_version_that_serves(registry: Registry) -> None:
    with pytest.raises(ModelNotFound):
        registry.set_label("m", "stable", 9)
    with pytest.raises(InvalidArgument):
        registry.set_label("m", "1", 1)
    with pytest.raises(ModelNotFound, match="no label 'stable'"):
        registry.remove_label("m", "stable")
    registry.unload("m", "1")
    with pytest.raises(ModelNotReady):
        registry.set_label("m", "stable", 1)
    assert not (registry.root / "m" / "labels.json").exists()


def damaged_golden(version: Path, new_version: Make) -> None:
    golden = new_version(2.0).golden
    assert golden is not None
    rewrite(version, "golden.safetensors", Golden(golden.features, golden.scores + 1e-6).encode())


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_version_is_refused_and_changes_nothing(
    repository: Path, new_version: Make, damage: str
) -> None:
    apply, reason = DAMAGES[damage]
    apply(repository / "m" / "2")
    publish(repository, "whole", new_version(7.0))
    registry = Registry(repository)
    registry.load_all()
    first, second = registry.index("m")
    assert first.state is VersionState.AVAILABLE
    assert second.state is VersionState.FAILED
    assert second.reason
    assert reason in second.reason
    assert answer(registry) == 1.0
    assert answer(registry, name="whole") == 7.0
    assert registry.ready()
    with pytest.raises(ModelNotReady, match="version 2 is FAILED"):
        registry.resolve("m", "2")
    with pytest.raises(ModelRefused):
        registry.load("m", "2")
    assert answer(registry) == 1.0


def test_golden_rows_that_are_not_reproduced_refuse_the_version(
    repository: Path, new_version: Make
) -> None:
    damaged_golden(repository / "m" / "2", new_version)
    registry = Registry(repository)
    registry.load_all()
    reason = registry.index("m")[1].reason
    assert "answers differ from the golden ones by" in reason
    assert "expected at most 1e-10" in reason


def test_golden_rows_of_another_width_refuse_the_version(tmp_path: Path, new_version: Make) -> None:
    new = new_version(1.0)
    publish(tmp_path, "m", replace(new, golden=Golden(np.zeros((1, 3)), np.zeros((1, 1)))))
    with pytest.raises(ModelRefused, match="rows have 3 features, the model has 2"):
        Registry(tmp_path).load("m")


def test_no_flipped_bit_of_a_version_is_ever_served(repository: Path) -> None:
    version, good = repository / "m" / "2", {}
    for name in ("model.safetensors", "golden.safetensors"):
        good[name] = (version / name).read_bytes()
    registry = Registry(repository)
    for name, data in good.items():
        for bit in range(0, len(data) * 8, 37):
            flipped = bytearray(data)
            flipped[bit // 8] ^= 1 << (bit % 8)
            (version / name).write_bytes(flipped)
            with pytest.raises(ModelRefused):
                registry.load("m", "2")
        (version / name).write_bytes(data)
    registry.load("m", "2")
    assert answer(registry) == 2.0


def test_a_version_that_cannot_be_read_again_goes_on_serving(registry: Registry) -> None:
    shutil.rmtree(registry.root / "m" / "2")
    with pytest.raises(ModelNotFound, match="no version or label '2'"):
        registry.load("m", "2")
    flip(registry.root / "m" / "1" / "model.safetensors", 200)
    with pytest.raises(ModelRefused, match="SHA-256"):
        registry.load("m", "1")
    assert (answer(registry, "1"), answer(registry, "2")) == (1.0, 2.0)
    shutil.rmtree(registry.root)
    assert states(registry) == {1: "AVAILABLE", 2: "AVAILABLE"}
    assert answer(registry) == 2.0


def test_damaged_labels_refuse_the_model_at_start_and_keep_it_later(repository: Path) -> None:
    labels = repository / "m" / "labels.json"
    set_published_label(repository, "m", "stable", 1)
    registry = Registry(repository)
    registry.load_all()
    labels.write_text("{")
    with pytest.raises(ModelRefused, match="is not JSON"):
        registry.load("m", "2")
    assert answer(registry) == 1.0
    started = Registry(repository)
    assert all("labels.json" in status.reason for status in started.load_all())
    assert not started.ready()


def test_debris_and_strange_names_are_ignored(repository: Path) -> None:
    for name in ("001", "0", "-1", "x", ".publish-1-ab", "1.5"):
        (repository / "m" / name).mkdir()
    (repository / ".hidden").mkdir()
    (repository / "README.md").write_text("about")
    (repository / "linked").symlink_to(repository / "m")
    registry = Registry(repository)
    assert [(s.model_name, s.version) for s in registry.load_all()] == [("m", 1), ("m", 2)]
    with pytest.raises(ModelRefused, match="is a symbolic link"):
        registry.load("linked")


def test_loading_what_does_not_exist_leaves_no_trace(registry: Registry) -> None:
    before = registry.index()
    for name, version in (("m", "99"), ("m", "canary"), ("other", "")):
        with pytest.raises(ModelNotFound):
            registry.load(name, version)
    assert registry.index() == before


def test_readers_always_see_a_whole_version_while_versions_come_and_go(
    registry: Registry,
) -> None:
    """Every answer is that of the version that the resolved model says it is."""
    stop, wrong, seen = threading.Event(), [], set()

    def read() -> None:
        while not stop.is_set():
            served = registry.resolve("m")
            score = float(served.model.score(np.array([[1.0, 0.0]]))[0, 0])
            seen.add(served.version)
            if score != served.version:
                wrong.append((served.version, score))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        for _ in range(50):
            registry.unload("m", "2")
            registry.load("m", "2")
            registry.set_label("m", "stable", 1)
            registry.remove_label("m", "stable")
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    assert wrong == []
    assert seen == {1, 2}
