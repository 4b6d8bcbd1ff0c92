# SPDX-License-Identifier: Apache-2.0
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from thriftscore.errors import ModelRefused
from thriftscore.repository import files
from thriftscore.repository.files import Directory, read_file


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Directory]:
    with Directory.open_root(tmp_path) as opened:
        yield opened


def test_a_file_is_read_as_it_was_written(directory: Directory) -> None:
    directory.write("data", bytes(range(256)) * 4096)
    assert directory.read("data", 1 << 20) == bytes(range(256)) * 4096
    directory.write("empty", b"")
    assert directory.read("empty", 0) == b""


def test_an_existing_file_is_not_overwritten(directory: Directory) -> None:
    directory.write("data", b"first")
    with pytest.raises(FileExistsError):
        directory.write("data", b"second")
    assert directory.read("data", 10) == b"first"


def test_a_file_above_the_limit_is_refused_before_it_is_read(directory: Directory) -> None:
    with (directory.path / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ModelRefused, match=r"has 1,099,511,627,776 bytes, expected at most 9"):
        directory.read("sparse", 9)


def test_an_absent_file_is_told_from_a_refused_one(directory: Directory) -> None:
    with pytest.raises(FileNotFoundError):
        directory.read("absent", 1)
    with pytest.raises(FileNotFoundError):
        directory.open("absent")


def test_what_is_not_a_regular_file_is_refused_without_waiting(directory: Directory) -> None:
    path = directory.path
    (path / "real").write_bytes(b"x")
    (path / "link").symlink_to("real")
    (path / "dangling").symlink_to("nowhere")
    (path / "device").symlink_to("/dev/zero")
    (path / "folder").mkdir()
    os.mkfifo(path / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(path)  # the path of a socket may have 107 bytes only
        try:
            listener.bind("socket")
        finally:
            os.chdir(here)
        for name, kind in {
            "link": "a symbolic link",
            "dangling": "a symbolic link",
            "device": "a symbolic link",
            "folder": "a directory",
            "fifo": "a FIFO",
            "socket": "a socket",
        }.items():
            with pytest.raises(ModelRefused, match=f"{name}' is {kind}, expected a regular file"):
                directory.read(name, 10)


def test_a_hard_link_is_refused(directory: Directory) -> None:
    directory.write("one", b"x")
    os.link(directory.path / "one", directory.path / "two")
    with pytest.raises(ModelRefused, match="has 2 hard links, expected 1"):
        directory.read("two", 10)


def test_only_real_directories_are_opened(directory: Directory) -> None:
    (directory.path / "real").mkdir()
    (directory.path / "link").symlink_to("real")
    (directory.path / "file").touch()
    with directory.open("real") as real:
        assert real.names() == []
    for name, kind in {"link": "a symbolic link", "file": "a regular file"}.items():
        with pytest.raises(ModelRefused, match=f"is {kind}, expected a directory"):
            directory.open(name)
        assert not directory.is_directory(name)


def test_a_directory_with_too_many_entries_is_refused(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "DIRECTORY_ENTRIES_MAX", 3)
    for name in "abc":
        directory.write(name, b"")
    assert directory.names() == ["a", "b", "c"]
    directory.write("d", b"")
    with pytest.raises(ModelRefused, match="has more than 3 entries"):
        directory.names()


def test_a_file_the_operator_names_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"data")
    (tmp_path / "link").symlink_to("real")
    assert read_file(tmp_path / "link", 4) == b"data"
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ModelRefused, match="is a FIFO"):
        read_file(tmp_path / "fifo", 4)
