# SPDX-License-Identifier: Apache-2.0
"""Ways to damage a published version, and what a server says of each."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path


def rewrite(version: Path, name: str, data: bytes) -> None:
    """Replace a file and make the manifest agree with it, as an attacker would."""
    (version / name).write_bytes(data)
    manifest = json.loads((version / "manifest.json").read_text())
    digest = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    manifest["files"][name] = digest
    (version / "manifest.json").write_text(json.dumps(manifest))


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position % len(data)] ^= 1 << (position % 8)
    path.write_bytes(data)


def link_to(version: Path) -> None:
    (version / "model.safetensors").rename(version / "elsewhere")
    (version / "model.safetensors").symlink_to("elsewhere")


def fifo(version: Path) -> None:
    (version / "model.safetensors").unlink()
    os.mkfifo(version / "model.safetensors")


def folder(version: Path) -> None:
    (version / "model.safetensors").unlink()
    (version / "model.safetensors").mkdir()


def sparse(version: Path) -> None:
    os.truncate(version / "model.safetensors", 1 << 40)


def not_a_folder(version: Path) -> None:
    shutil.rmtree(version)
    version.write_text("a file")


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a flipped bit in the model": (lambda v: flip(v / "model.safetensors", 100), "SHA-256"),
    "a flipped bit in the golden rows": (lambda v: flip(v / "golden.safetensors", 99), "SHA-256"),
    "a model that was cut": (lambda v: os.truncate(v / "model.safetensors", 50), "has 50 bytes"),
    "a huge sparse model": (sparse, "expected at most"),
    "a model with a right digest": (
        lambda v: rewrite(v, "model.safetensors", b"\x80\x04pickle, renamed" * 9),
        "",
    ),
    "golden rows of another kind": (
        lambda v: rewrite(v, "golden.safetensors", b"\x93NUMPY" * 9),
        "golden.safetensors",
    ),
    "a linked model": (link_to, "is a symbolic link"),
    "a FIFO": (fifo, "is a FIFO"),
    "a directory": (folder, "is a directory"),
    "a missing model": (lambda v: (v / "model.safetensors").unlink(), "has no model.safetensors"),
    "a missing manifest": (lambda v: (v / "manifest.json").unlink(), "has no manifest.json"),
    "a manifest that is not JSON": (lambda v: (v / "manifest.json").write_text("{"), "JSON"),
    "an empty manifest": (lambda v: (v / "manifest.json").write_text("{}"), "files"),
    "a version that is a file": (not_a_folder, "is a regular file"),
}
