# SPDX-License-Identifier: Apache-2.0
"""Files below a repository, reached one path component at a time.

Every open is relative to the descriptor of its directory and follows no symbolic link, so no name
and no race can lead outside the repository. Reads are of regular files with one link, bounded
before the first byte, and do not block on a FIFO.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from thriftscore.errors import ModelRefused

DIRECTORY_ENTRIES_MAX = 65_536
"""Entries of one directory that are looked at; a larger directory is refused."""

_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Directory:
    """An open directory. A context manager; not shared between threads."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self.descriptor = descriptor
        self.path = path

    @classmethod
    def open_root(cls, path: Path) -> Self:
        """Open a directory the operator named; this one path may be a symbolic link.

        Raises OSError.
        """
        return cls(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self.descriptor)

    def open(self, name: str) -> Directory:
        """Open the sub-directory `name`.

        Raises FileNotFoundError where it is absent, ModelRefused where it is anything but a
        directory that can be opened.
        """
        path = self.path / name
        try:
            return Directory(os.open(name, _DIRECTORY_FLAGS, dir_fd=self.descriptor), path)
        except FileNotFoundError:
            raise
        except NotADirectoryError:
            raise ModelRefused(f"'{path}' is {self._kind(name)}, expected a directory") from None
        except OSError as error:
            raise ModelRefused(f"cannot open '{path}': {_why(error)}") from error

    def create(self, name: str) -> Directory:
        """Open the sub-directory `name`, made first where it is absent. Raises OSError."""
        with suppress(FileExistsError):
            os.mkdir(name, 0o755, dir_fd=self.descriptor)
        self.sync()
        return self.open(name)

    def names(self) -> list[str]:
        """The names in this directory, sorted. Raises ModelRefused where there are too many."""
        names: list[str] = []
        with os.scandir(self.descriptor) as entries:
            for entry in entries:
                if len(names) == DIRECTORY_ENTRIES_MAX:
                    raise ModelRefused(
                        f"'{self.path}' has more than {DIRECTORY_ENTRIES_MAX:,} entries"
                    )
                names.append(entry.name)
        return sorted(names)

    def is_directory(self, name: str) -> bool:
        """Whether `name` is a directory itself, not a link to one."""
        try:
            found = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return stat.S_ISDIR(found.st_mode)

    @property
    def exposure(self) -> str:
        """Why others than this user and root may change what is here; empty where they may not."""
        found = os.fstat(self.descriptor)
        if found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
            return "every user may write to it"
        if found.st_uid not in {0, os.geteuid()}:
            return f"it belongs to user {found.st_uid}"
        return ""

    def read(self, name: str, bytes_max: int) -> bytes:
        """All bytes of the regular file `name`, read once.

        Raises FileNotFoundError where it is absent, ModelRefused where it is not a regular file
        with one link, has more than `bytes_max` bytes, changes its size meanwhile or cannot be
        read.
        """
        path = self.path / name
        try:
            descriptor = os.open(name, _READ_FLAGS, dir_fd=self.descriptor)
        except FileNotFoundError:
            raise
        except OSError as error:
            reason = f"is {self._kind(name)}, expected a regular file"
            if self._kind(name) == "a regular file":
                reason = f"cannot be read: {_why(error)}"
            raise ModelRefused(f"'{path}' {reason}") from error
        try:
            found = os.fstat(descriptor)
            if stat.S_ISREG(found.st_mode) and found.st_nlink != 1:
                raise ModelRefused(f"'{path}' has {found.st_nlink} hard links, expected 1")
            return _read_checked(descriptor, path, bytes_max)
        finally:
            os.close(descriptor)

    def signature(self) -> tuple[tuple[str, int, int, int], ...]:
        """What changes whenever a file of this directory is replaced, written or removed."""
        found = []
        for name in self.names():
            with suppress(FileNotFoundError):
                is_now = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
                found.append((name, is_now.st_ino, is_now.st_mtime_ns, is_now.st_size))
        return tuple(found)

    def write(self, name: str, data: bytes) -> None:
        """Write the new file `name` and wait until it is on disk. Raises OSError."""
        descriptor = os.open(name, _CREATE_FLAGS, 0o644, dir_fd=self.descriptor)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, source: str, target: str) -> None:
        """Rename within this directory and wait until that is on disk. Raises OSError."""
        os.rename(source, target, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)
        self.sync()

    def remove(self, name: str) -> None:
        """Remove the file `name`; nothing happens where it is absent."""
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self.descriptor)

    def sync(self) -> None:
        """Wait until the entries of this directory are on disk. Raises OSError."""
        os.fsync(self.descriptor)

    def _kind(self, name: str) -> str:
        try:
            mode = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False).st_mode
        except OSError:
            return "gone"
        return _kind_of(mode)


def read_file(path: Path, bytes_max: int) -> bytes:
    """All bytes of a regular file that the operator named; `path` may be or have symbolic links.

    Raises OSError where it cannot be opened, ModelRefused where it is not a regular file, has more
    than `bytes_max` bytes, or cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return _read_checked(descriptor, path, bytes_max)
    finally:
        os.close(descriptor)


def _read_checked(descriptor: int, path: Path, bytes_max: int) -> bytes:
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise ModelRefused(f"'{path}' is {_kind_of(found.st_mode)}, expected a regular file")
    if found.st_size > bytes_max:
        raise ModelRefused(f"'{path}' has {found.st_size:,} bytes, expected at most {bytes_max:,}")
    data = bytearray(found.st_size)
    view, filled = memoryview(data), 0
    try:
        while filled < len(data) and (count := os.readv(descriptor, [view[filled:]])):
            filled += count
        grown = os.read(descriptor, 1)
    except OSError as error:
        raise ModelRefused(f"'{path}' cannot be read: {_why(error)}") from error
    if filled != len(data) or grown:
        raise ModelRefused(f"'{path}' changed its size while it was read")
    view.release()
    return bytes(data)


def _kind_of(mode: int) -> str:
    kinds = {
        stat.S_IFREG: "a regular file",
        stat.S_IFDIR: "a directory",
        stat.S_IFLNK: "a symbolic link",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return kinds.get(stat.S_IFMT(mode), "a special file")


def _why(error: OSError) -> str:
    return error.strerror or type(error).__name__
