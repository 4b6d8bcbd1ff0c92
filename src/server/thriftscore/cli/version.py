# SPDX-License-Identifier: Apache-2.0
"""`thriftscore version`: what is installed and what it computes with."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import Annotated

import typer

from thriftscore import _native
from thriftscore.cli.output import print_facts, print_json


def version(
    *, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Print the versions of thriftscore and of what it runs on."""
    facts = {
        "version": metadata.version("thriftscore"),
        "simd_target": _native.simd_target(),
        "simd_targets": _native.simd_targets(),
        "python": platform.python_version(),
        "thrift": metadata.version("thrift"),
    }
    if as_json:
        print_json(facts)
        return
    print_facts(
        f"thriftscore {facts['version']}",
        {
            "SIMD target": facts["simd_target"],
            "available": ", ".join(_native.simd_targets()),
            "Python": facts["python"],
            "Thrift": facts["thrift"],
        },
    )
