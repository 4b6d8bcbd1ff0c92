# SPDX-License-Identifier: Apache-2.0
"""What ran where: the facts without which a number means nothing."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import psutil

from thriftscore import _native

ROOT = Path(__file__).parents[2]
_PYTHON_PACKAGES = (
    "thriftscore",
    "thrift",
    "numpy",
    "grpcio",
    "fastapi",
    "uvicorn",
    "orjson",
    "onnxruntime",
    "scikit-learn",
    "lightgbm",
    "xgboost",
    "lleaves",
    "tl2cgen",
)
_DEBIAN_PACKAGES = ("libthrift-dev", "libgrpc++-dev", "nghttp2-client", "libasio-dev", "g++")


def machine() -> dict[str, Any]:
    """Processor, kernel and memory."""
    cpu = _cpu_facts()
    return {
        "cpu": cpu.get("model name", platform.machine()),
        "cores": os.cpu_count(),
        "cpu_flags": cpu.get("flags", "").split(),
        "simd_target": _native.simd_target(),
        "kernel": platform.release(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    """Of thriftscore and of every peer that is installed."""
    return _python_versions() | _debian_versions()


def commit() -> str:
    """The short id of what is checked out, with + where files differ from it."""
    head = _output("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD")
    changed = _output("git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no")
    return f"{head}+" if changed else head


def _cpu_facts() -> dict[str, str]:
    lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _python_versions() -> dict[str, str]:
    found = {}
    for package in _PYTHON_PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _debian_versions() -> dict[str, str]:
    lines = _output("dpkg-query", "-W", "-f=${Package} ${Version}\n", *_DEBIAN_PACKAGES)
    return dict(line.split(" ", 1) for line in lines.splitlines())


def _output(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout.strip()
