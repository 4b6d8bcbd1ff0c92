# SPDX-License-Identifier: Apache-2.0
import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from thriftscore.errors import Internal, InvalidArgument, ModelRefused
from thriftscore.repository import (
    Manifest,
    NewVersion,
    Registry,
    publish,
    set_published_label,
)
from thriftscore.repository.files import Directory

Make = Callable[[float], NewVersion]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_versions_count_up_and_hold_what_was_given(tmp_path: Path, new_version: Make) -> None:
    new = new_version(5.0)
    assert [publish(tmp_path / "new" / "repository", "m", new) for _ in range(3)] == [1, 2, 3]
    files = contents(tmp_path / "new" / "repository" / "m" / "3")
    assert sorted(files) == ["golden.safetensors", "manifest.json", "model.safetensors"]
    assert files["model.safetensors"] == new.model
    manifest = Manifest.decode(files["manifest.json"])
    for name, digest in manifest.files.items():
        assert digest.sha256 == hashlib.sha256(files[name]).hexdigest()
        assert digest.bytes == len(files[name])


def test_a_number_is_never_given_twice(tmp_path: Path, new_version: Make) -> None:
    publish(tmp_path, "m", new_version(1.0))
    (tmp_path / "m" / "7").mkdir()
    (tmp_path / "m" / "009").mkdir()
    (tmp_path / "m" / "12").write_text("in the way")
    assert publish(tmp_path, "m", new_version(1.0)) == 13


@pytest.mark.parametrize("name", ["", "..", "a/b", "a\n", "x" * 129])
def test_a_bad_name_touches_nothing(tmp_path: Path, new_version: Make, name: str) -> None:
    with pytest.raises(InvalidArgument, match="model name"):
        publish(tmp_path / "repository", name, new_version(1.0))
    assert list(tmp_path.iterdir()) == []


def test_a_model_directory_that_is_a_link_is_refused(tmp_path: Path, new_version: Make) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository" / "m").symlink_to(tmp_path / "outside")
    with pytest.raises(ModelRefused, match="is a symbolic link"):
        publish(tmp_path / "repository", "m", new_version(1.0))
    assert list((tmp_path / "outside").iterdir()) == []


@pytest.mark.parametrize("call", ["write", "fsync", "rename", "mkdir"])
def test_a_disk_that_refuses_leaves_nothing_behind(
    tmp_path: Path, new_version: Make, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    publish(tmp_path, "m", new_version(1.0))

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, call, refuse)
        with pytest.raises(Internal, match=r"cannot publish 'm'.*No space left on device"):
            publish(tmp_path, "m", new_version(2.0))
    assert [path.name for path in (tmp_path / "m").iterdir()] == ["1"]
    assert publish(tmp_path, "m", new_version(2.0)) == 2


def test_racing_publishers_each_get_a_version_of_their_own(
    tmp_path: Path, new_version: Make
) -> None:
    start, published = threading.Barrier(8), {}

    def run(bias: int) -> None:
        new = new_version(float(bias))
        start.wait()
        for _ in range(5):
            published[publish(tmp_path, "m", new)] = new.model

    threads = [threading.Thread(target=run, args=(bias,)) for bias in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(published) == list(range(1, 41))
    for version, model in published.items():
        assert contents(tmp_path / "m" / str(version))["model.safetensors"] == model


# For each step n: a child publishes a second version and gets SIGKILL at its n-th change of the
# disk. Prints the children's exit status, the last of which got through.
KILLED_PUBLISHERS = """
import json, os, signal, sys
from pathlib import Path
from thriftscore.repository import NewVersion, publish

def kill_before_change(step):
    def counted(call):
        def run(*arguments, **options):
            nonlocal step
            step -= 1
            if step == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **options)
        return run
    for name in ("mkdir", "write", "fsync", "rename"):
        setattr(os, name, counted(getattr(os, name)))

statuses = []
while not statuses or statuses[-1] != 0:
    repository = Path(sys.argv[1], str(len(statuses)))
    publish(repository, "m", NewVersion(b"first"))
    if not (child := os.fork()):
        kill_before_change(len(statuses) + 1)
        publish(repository, "m", NewVersion(b"second"))
        os._exit(0)
    statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(json.dumps(statuses))
"""


def test_a_publisher_killed_at_any_step_leaves_the_old_or_the_whole_new_version(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-c", KILLED_PUBLISHERS, str(tmp_path)]
    statuses = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert statuses == [-signal.SIGKILL] * (len(statuses) - 1) + [0]
    visible = []
    for step in range(len(statuses)):
        model = tmp_path / str(step) / "m"
        visible.append(sorted(path.name for path in model.iterdir() if path.name[0] != "."))
        if visible[-1] == ["1", "2"]:
            manifest = Manifest.decode((model / "2" / "manifest.json").read_bytes())
            assert manifest.files["model.safetensors"].bytes == len(b"second")
            assert (model / "2" / "model.safetensors").read_bytes() == b"second"
        assert publish(tmp_path / str(step), "m", NewVersion(b"third")) == len(visible[-1]) + 1
    appeared = visible.index(["1", "2"])
    assert visible == [["1"]] * appeared + [["1", "2"]] * (len(visible) - appeared)
    assert 5 < appeared < len(visible) - 1


def test_of_publishers_who_want_the_same_version_one_wins(
    tmp_path: Path, new_version: Make
) -> None:
    outcomes: list[object] = []

    def race(score: float) -> None:
        try:
            outcomes.append((publish(tmp_path, "m", new_version(score), 7), score))
        except InvalidArgument as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=race, args=(float(n),)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (won,) = (outcome for outcome in outcomes if isinstance(outcome, tuple))
    assert outcomes.count("version 7 of 'm' exists already: expected more than 7") == 7
    served = Registry(tmp_path)
    served.load_all()
    score = served.resolve("m", "7").model.score(np.array([[1.0, 0.0]]))
    assert (won[0], float(score[0, 0])) == (7, won[1])
    assert [path.name for path in (tmp_path / "m").iterdir()] == ["7"]
    with pytest.raises(InvalidArgument, match="version 3 of 'm' is not new: expected more than 7"):
        publish(tmp_path, "m", new_version(1.0), 3)
    with pytest.raises(InvalidArgument, match="version 0 of 'm': expected 1 to 9"):
        publish(tmp_path, "m", new_version(1.0), 0)


def test_labels_are_set_on_disk(tmp_path: Path, new_version: Make) -> None:
    publish(tmp_path, "m", new_version(1.0))
    assert set_published_label(tmp_path, "m", "stable", 1).versions == {"stable": 1}
    assert set_published_label(tmp_path, "m", "canary", 1).versions == {"canary": 1, "stable": 1}
    written = json.loads((tmp_path / "m" / "labels.json").read_text())
    assert [change.pop("at") for change in written["$history"]]
    assert written == {
        "canary": 1,
        "stable": 1,
        "$history": [
            {"label": "stable", "before": None, "after": 1, "change": "set"},
            {"label": "canary", "before": None, "after": 1, "change": "set"},
        ],
    }
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == ["1", "labels.json"]
    with pytest.raises(InvalidArgument, match="label '7'"):
        set_published_label(tmp_path, "m", "7", 1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "holds list"),
        ('{"7": 1}', "'7': 1"),
        ('{"a": "1"}', "'a': '1'"),
        ('{"a": true}', "'a': True"),
        ('{"a": 0}', "'a': 0"),
        ('{"../a": 1}', "'../a': 1"),
    ],
)
def test_damaged_labels_are_refused_and_kept(tmp_path: Path, text: str, reason: str) -> None:
    publish(tmp_path, "m", NewVersion(b"model"))
    (tmp_path / "m" / "labels.json").write_text(text)
    with pytest.raises(ModelRefused, match=r"labels\.json") as raised:
        set_published_label(tmp_path, "m", "stable", 1)
    assert reason in str(raised.value)
    assert (tmp_path / "m" / "labels.json").read_text() == text


def test_writers_of_labels_do_not_lose_each_other(tmp_path: Path) -> None:
    publish(tmp_path, "m", NewVersion(b"model"))
    threads = [
        threading.Thread(target=set_published_label, args=(tmp_path, "m", f"label{n}", 1))
        for n in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Directory.open_root(tmp_path / "m") as model:
        labels = json.loads(model.read("labels.json", 10_000))
    assert len(labels.pop("$history")) == 16
    assert labels == {f"label{n}": 1 for n in range(16)}
