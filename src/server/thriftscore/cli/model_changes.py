# SPDX-License-Identifier: Apache-2.0
"""`thriftscore models label|rollback|remove|load|unload`: changing what is served."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from thriftscore import repository as repositories
from thriftscore._generated.ttypes import LabelRequest, ModelVersionRequest
from thriftscore.cli.admin_connection import (
    DEFAULT_ADMIN_ENDPOINT,
    AdminOption,
    ServerOption,
    change_at,
)
from thriftscore.cli.model_reports import JsonOption, status_facts
from thriftscore.cli.output import print_json, print_warning, progress
from thriftscore.cli.repository_option import RepositoryOption
from thriftscore.errors import ConfigurationError
from thriftscore.repository import Registry, VersionStatus

NameArgument = Annotated[str, typer.Argument(help="Name of the model.", show_default=False)]
LabelArgument = Annotated[str, typer.Argument(help="The label, such as stable or canary.")]


def label_version(
    name: NameArgument,
    label: LabelArgument,
    version: Annotated[
        int | None, typer.Argument(help="The version that the label shall name.")
    ] = None,
    *,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the label instead.")] = False,
    repository: RepositoryOption = Path("repository"),
    server: ServerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Point a label at a version, which is checked first.

    Example: thriftscore models label credit stable 3
    """
    if remove == (version is not None):
        raise ConfigurationError("models label: expected either a VERSION or --remove")
    with progress() as step:
        if server is not None:
            method = "remove_label" if remove else "set_label"
            changed = change_at(server, method, LabelRequest(name, label, version or 0))
        elif version is None:
            changed = Registry(repository).remove_label(name, label)
        else:
            step(f"checking version {version}")
            registry = Registry(repository)
            registry.load(name, str(version))
            changed = registry.set_label(name, label, version)
    done = "is removed" if version is None else f"names version {version}"
    _print(changed, f"{name}: the label {label} {done}", as_json)


def roll_back_label(
    name: NameArgument,
    label: LabelArgument = repositories.STABLE,
    *,
    repository: RepositoryOption = Path("repository"),
    server: ServerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Point a label at the version it named before; done again, at the one before that.

    Example: thriftscore models rollback credit
    """
    with progress() as step:
        step(f"rolling {label} back")
        if server is not None:
            changed = change_at(server, "rollback_label", LabelRequest(name, label))
        else:
            changed = Registry(repository).rollback_label(name, label)
    (now,) = (status.version for status in changed if label in status.labels)
    _print(changed, f"{name}: the label {label} names version {now} again", as_json)


def remove_version(
    name: NameArgument,
    version: Annotated[int, typer.Argument(help="The version to remove.")],
    *,
    repository: RepositoryOption = Path("repository"),
) -> None:
    """Remove a version from the repository for good; no label may name it.

    A server that has it loaded goes on serving it until it is unloaded.

    Example: thriftscore models remove credit 1
    """
    repositories.remove_version(repository, name, version)
    typer.echo(f"{name}: version {version} is removed from {repository}")


def load_version(
    name: NameArgument,
    version: Annotated[
        str, typer.Argument(help="A number or a label. Default: the newest version.")
    ] = "",
    *,
    server: AdminOption = DEFAULT_ADMIN_ENDPOINT,
    as_json: JsonOption = False,
) -> None:
    """Have a server load a version, whatever its policy; what it serves is untouched on error.

    Example: thriftscore models load credit 2 --server 127.0.0.1:9091
    """
    with progress() as step:
        step("loading")
        changed = change_at(server, "load_model", ModelVersionRequest(name, version))
    numbers = ", ".join(str(status.version) for status in changed)
    _print(changed, f"{name}: version {numbers} is loaded", as_json)


def unload_version(
    name: NameArgument,
    version: Annotated[
        str, typer.Argument(help="A number or a label. Default: all versions.")
    ] = "",
    *,
    server: AdminOption = DEFAULT_ADMIN_ENDPOINT,
    as_json: JsonOption = False,
) -> None:
    """Have a server stop serving a version, until it is loaded again by name.

    Example: thriftscore models unload credit 2 --server 127.0.0.1:9091
    """
    changed = change_at(server, "unload_model", ModelVersionRequest(name, version))
    numbers = ", ".join(str(status.version) for status in changed) or "none"
    for status in changed:
        if status.labels:
            labels = ", ".join(status.labels)
            print_warning(f"requests for {labels} fail until version {status.version} is loaded")
    _print(changed, f"{name}: unloaded version {numbers}", as_json)


def _print(changed: list[VersionStatus], sentence: str, as_json: bool) -> None:
    if as_json:
        print_json([status_facts(status) for status in changed])
        return
    typer.echo(sentence)
