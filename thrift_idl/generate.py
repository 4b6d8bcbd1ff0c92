#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Generates the code of all languages from thriftscore.thrift, or checks that it is fresh.

    generate.py            write the generated folders
    generate.py --check    exit 1 and name the folders that differ from what would be written

Only the Thrift compiler of the pinned version is used, since its output goes into the repository.
"""

from __future__ import annotations

import argparse
import filecmp
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

COMPILER_VERSION = "0.17.0"
ROOT = Path(__file__).resolve().parent.parent
IDL = ROOT / "thrift_idl" / "thriftscore.thrift"

PYTHON_FOLDERS = (
    Path("src/server/thriftscore/_generated"),
    Path("clients/python/src/thriftscore_client/_generated"),
)
JAVA_FOLDER = Path("clients/java/src/generated/java/io/thriftscore/idl")
GO_FOLDER = Path("clients/go/gen/thriftscoreidl")
NOTICE = "Made by `make generate` from thrift_idl/thriftscore.thrift. Do not edit.\n"


def main() -> int:
    """Runs the command; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare only, write nothing")
    arguments = parser.parse_args()
    problem = compiler_problem()
    if problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        folders = generate_into(Path(scratch))
        if arguments.check:
            return report_stale(folders)
        for target, made in folders.items():
            replace_folder(ROOT / target, made)
            print(f"generated {target}")
    return 0


def compiler_problem() -> str:
    """Says what is wrong with the Thrift compiler on this machine; empty if nothing is."""
    if shutil.which("thrift") is None:
        return f"the Thrift compiler {COMPILER_VERSION} is missing: apt-get install thrift-compiler"
    version = subprocess.run(["thrift", "--version"], capture_output=True, text=True, check=False)
    if COMPILER_VERSION not in version.stdout:
        return f"Thrift compiler {COMPILER_VERSION} is needed, found {version.stdout.strip()!r}"
    return ""


def generate_into(scratch: Path) -> dict[Path, Path]:
    """Generates every language under `scratch`; returns target folder → generated folder."""
    for generator in ("py", "java:private_members,generated_annotations=suppress", "go"):
        subprocess.run(
            ["thrift", "-strict", "--gen", generator, "-o", str(scratch), str(IDL)], check=True
        )
    python = scratch / "gen-py" / "thriftscore_idl"
    java = scratch / "gen-java" / "io" / "thriftscore" / "idl"
    go = scratch / "gen-go" / "thriftscoreidl"
    for service in java.glob("*Service.java"):
        service.write_text(without_server_classes(service.read_text()))
    for program in go.glob("*-remote"):
        shutil.rmtree(program)
    for program in python.glob("*-remote"):
        program.unlink()
    for folder in (python, java, go):
        (folder / "GENERATED.md").write_text(NOTICE)
    return {**dict.fromkeys(PYTHON_FOLDERS, python), JAVA_FOLDER: java, GO_FOLDER: go}


def without_server_classes(source: str) -> str:
    """Drops the nested Processor and AsyncProcessor of a generated Java service.

    The Java package is a client. The server half that this compiler writes does not compile with
    current libthrift releases, which the client half needs for their security fixes.
    """
    for name in ("Processor", "AsyncProcessor"):
        start = re.search(rf"^  public static class {name}<.*$", source, flags=re.MULTILINE)
        if start is None:
            raise SystemExit(f"error: the generated Java service has no class {name}")
        end = source.index("\n  }\n", start.start()) + len("\n  }\n")
        source = source[: start.start()] + source[end:].lstrip("\n")
    return source


def replace_folder(target: Path, made: Path) -> None:
    """Makes `target` a copy of `made`."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(made, target)


def report_stale(folders: dict[Path, Path]) -> int:
    """Prints each target folder that differs from its generated copy; returns the exit code."""
    stale = [target for target, made in folders.items() if not same_tree(ROOT / target, made)]
    for target in stale:
        print(f"stale: {target} differs from thriftscore.thrift; run make generate")
    return 1 if stale else 0


def same_tree(target: Path, made: Path) -> bool:
    """True if both folders hold the same files with the same bytes."""
    names = sorted(path.name for path in made.iterdir())
    if not target.is_dir():
        return False
    kept = sorted(path.name for path in target.iterdir() if path.name != "__pycache__")
    return names == kept and not any(filecmp.cmpfiles(target, made, names, shallow=False)[1:])


if __name__ == "__main__":
    raise SystemExit(main())
