# SPDX-License-Identifier: Apache-2.0
"""The entry point of `thriftscore`: one module for each command, one place for errors."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Annotated

import typer

from thriftscore import _native
from thriftscore.cli.output import print_error
from thriftscore.errors import ConfigurationError, InvalidArgument, ModelRefused, ThriftscoreError

# Where each command lives. A command is a function, or a Typer of its own with sub-commands.
_COMMANDS: Mapping[str, tuple[str, str]] = {
    "bench": ("thriftscore.cli.bench", "bench"),
    "health": ("thriftscore.cli.health", "health"),
    "import": ("thriftscore.cli.import_model", "import_command"),
    "models": ("thriftscore.cli.models", "models"),
    "score": ("thriftscore.cli.score", "score"),
    "serve": ("thriftscore.cli.serve", "serve"),
    "version": ("thriftscore.cli.version", "version"),
}
_INTERRUPTED = 130
_EXIT_STATUS = (
    "Exit status: 0 = done, or healthy; 1 = refused, failed, or not healthy; 2 = wrong usage or"
    " configuration; 130 = interrupted. Errors are one line on standard error."
)
_COMPLETION = "_THRIFTSCORE_COMPLETE"
"""Set by a shell that asks how to complete a command line."""

_WORDS_SO_FAR = ("COMP_WORDS", "_TYPER_COMPLETE_ARGS")
"""Where shells put that command line: bash, and the others."""


def main() -> None:
    """Run the command line of this process and exit."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit status. Errors are one line on standard error."""
    try:
        _check_simd_target()
        status = build(arguments)(
            args=list(arguments), prog_name="thriftscore", standalone_mode=False
        )
        sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        return _INTERRUPTED
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if os.environ.get("THRIFTSCORE_DEBUG") == "1":
            raise
        return _report(error)
    return status if isinstance(status, int) else 0


def build(arguments: Sequence[str]) -> typer.Typer:
    """The application. Only the command that `arguments` name is imported; all where none is.

    What is to be completed counts as the arguments where a shell asks for that.
    """
    app = typer.Typer(
        name="thriftscore",
        help="Fast, trustworthy model scoring over Apache Thrift.",
        epilog=_EXIT_STATUS,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_common)
    words = _words_so_far() if _COMPLETION in os.environ else arguments
    named = next((word for word in words if not word.startswith("-")), "")
    for name in [named] if named in _COMMANDS else _COMMANDS:
        module, attribute = _COMMANDS[name]
        command = getattr(importlib.import_module(module), attribute)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def _words_so_far() -> list[str]:
    line = next((os.environ[name] for name in _WORDS_SO_FAR if name in os.environ), "")
    return line.split()[1:]


def _print_version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"thriftscore {metadata.version('thriftscore')}\n")
        raise typer.Exit


def _common(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Print the version; `thriftscore version` says more.",
            callback=_print_version,
            is_eager=True,
        ),
    ] = False,
) -> None:
    """Fast, trustworthy model scoring over Apache Thrift."""


def _check_simd_target() -> None:
    """Refuse a THRIFTSCORE_SIMD that names no instruction set of this machine."""
    if problem := _native.simd_error():
        raise ConfigurationError(problem)


def _report(error: Exception) -> int:
    """Say in one line what went wrong; return the exit status."""
    if isinstance(error, ThriftscoreError):
        print_error(error.message)
        usage = isinstance(error, ConfigurationError | InvalidArgument)
        return 2 if usage and not isinstance(error, ModelRefused) else 1
    if hasattr(error, "format_message"):  # the command line itself was wrong
        if message := error.format_message():  # empty where the help was printed instead
            print_error(message)
        return int(getattr(error, "exit_code", 2))
    if isinstance(error, OSError):
        place = f"'{error.filename}': " if error.filename else ""
        print_error(f"{place}{error.strerror or type(error).__name__}")
        return 1
    print_error(f"{type(error).__name__}: {error} (THRIFTSCORE_DEBUG=1 shows where)")
    return 1
