# SPDX-License-Identifier: Apache-2.0
"""`thriftscore models list|inspect|verify`: what is there, checked the way a server checks it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from thriftscore.cli.admin_connection import ServerOption, index_of
from thriftscore.cli.output import print_facts, print_json, print_rows, print_warning, progress
from thriftscore.cli.repository_option import RepositoryOption
from thriftscore.errors import ModelNotFound
from thriftscore.repository import (
    LabelChange,
    Labels,
    Registry,
    ServedModel,
    VersionState,
    VersionStatus,
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def list_models(
    *,
    repository: RepositoryOption = Path("repository"),
    server: ServerOption = None,
    as_json: JsonOption = False,
) -> None:
    """List every version, and why it cannot be served where it cannot.

    Of a directory, AVAILABLE means fit to be served; of a server, that it is being served.

    Example: thriftscore models list --server 127.0.0.1:9091
    """
    problem = ""
    with progress() as step:
        if server is None:
            step("checking the models")
            statuses = Registry(repository).load_all()
        else:
            statuses, problem = index_of(server)
    if problem:
        print_warning(f"the server cannot read its repository: {problem}")
    if as_json:
        print_json([status_facts(status) for status in statuses])
    else:
        print_statuses(statuses)


def verify_models(
    name: Annotated[str, typer.Argument(help="Only this model. Default: all.")] = "",
    *,
    repository: RepositoryOption = Path("repository"),
    as_json: JsonOption = False,
) -> None:
    """Check every version as a server does before it serves it; status 1 = one is unfit.

    Digests, structure, and the answers to the rows that were kept when it was imported.

    Example: thriftscore models verify credit
    """
    registry = Registry(repository)
    with progress() as step:
        step("checking the models")
        registry.load_all(lambda event: step(f"{event.model_name} version {event.version}"))
    statuses = registry.index(name)
    if not statuses:
        raise ModelNotFound(f"there is no model in '{repository}'")
    unfit = [status for status in statuses if status.state is not VersionState.AVAILABLE]
    if as_json:
        print_json([status_facts(status) for status in statuses])
    else:
        print_statuses(statuses)
        typer.echo(f"{len(statuses) - len(unfit)} of {len(statuses)} versions are fit to serve")
    raise typer.Exit(1 if unfit else 0)


def inspect_model(
    name: Annotated[str, typer.Argument(help="Name of the model.")],
    version: Annotated[
        str, typer.Argument(help="A number or a label. Default: what a request would get.")
    ] = "",
    *,
    repository: RepositoryOption = Path("repository"),
    as_json: JsonOption = False,
) -> None:
    """Show what a version is, where it came from and how it is computed.

    Example: thriftscore models inspect credit stable
    """
    registry = Registry(repository)
    with progress() as step:
        step("checking the model")
        registry.load_all()
    facts = _model_facts(registry.resolve(name, version), registry.labels(name))
    if as_json:
        print_json(facts)
        return
    shown = {key: value for key, value in facts.items() if key not in {"model", "version"}}
    shown["label_history"] = "\n".join(shown["label_history"]) or "none"
    print_facts(
        f"{facts['model']} version {facts['version']}",
        {key: _text(value) for key, value in shown.items()},
    )


def print_statuses(statuses: Sequence[VersionStatus]) -> None:
    """A table of versions, for people."""
    print_rows(
        ["model", "version", "state", "labels", "default", "digest", "reason"],
        [
            [
                status.model_name,
                status.version,
                status.state.name,
                ", ".join(status.labels),
                "yes" if status.is_default else "",
                status.digest[:12],
                status.reason,
            ]
            for status in statuses
        ],
    )


def status_facts(status: VersionStatus) -> dict[str, Any]:
    """A version for programs."""
    return {
        "model": status.model_name,
        "version": status.version,
        "state": status.state.name,
        "reason": status.reason,
        "digest": status.digest,
        "labels": list(status.labels),
        "is_default": status.is_default,
    }


def _model_facts(served: ServedModel, labels: Labels) -> dict[str, Any]:
    model, manifest = served.model, served.manifest
    return {
        "model": served.name,
        "version": served.version,
        "task": model.task,
        "link": model.link,
        "precision": model.precision,
        "missing_values": model.missing_values,
        "has_normalizer": model.has_normalizer,
        "features": list(model.features),
        "classes": list(model.classes),
        "categories": {name: list(names) for name, names in model.categories.items()},
        "hashes_names": model.hashes_names,
        "outputs": list(model.output_names),
        "label": model.label,
        "plan": list(model.plan),
        "digest": served.digest,
        "created_at": manifest.created_at.isoformat(),
        "tolerance": manifest.tolerance,
        "source": manifest.source.model_dump(mode="json"),
        "report": manifest.report.model_dump(mode="json") if manifest.report else None,
        "labels": labels.versions,
        "split": labels.split,
        "shadow": labels.shadow or None,
        "label_history": [_change_text(change) for change in labels.history],
    }


def _change_text(change: LabelChange) -> str:
    """One change of a label, in a line."""
    return (
        f"{change.at:%Y-%m-%d %H:%M:%S}Z {change.change} {change.label}:"
        f" {change.before or 'none'} -> {change.after or 'none'}"
    )


def _text(value: object) -> str:
    """A value for people: a line for each entry of a record, one line for the rest."""
    if isinstance(value, dict):
        return "\n".join(f"{key}: {_line(item)}" for key, item in value.items())
    return _line(value)


def _line(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(str(item) for item in value) or "none"
    return "none" if value is None else str(value)
