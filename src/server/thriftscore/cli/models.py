# SPDX-License-Identifier: Apache-2.0
"""`thriftscore models`: what a repository holds, checked the way a server checks it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from thriftscore.cli.output import print_facts, print_json, print_rows, progress
from thriftscore.cli.repository_option import RepositoryOption
from thriftscore.repository import Registry, ServedModel, VersionStatus

models = typer.Typer(no_args_is_help=True, help="Look at the models of a repository.")

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@models.command("list")
def list_models(
    *, repository: RepositoryOption = Path("repository"), as_json: JsonOption = False
) -> None:
    """List every version, and why it cannot be served where it cannot."""
    with progress() as step:
        step("checking the models")
        statuses = Registry(repository).load_all()
    if as_json:
        print_json([_status_facts(status) for status in statuses])
        return
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


@models.command("inspect")
def inspect_model(
    name: Annotated[str, typer.Argument(help="Name of the model.")],
    version: Annotated[
        str, typer.Argument(help="A number or a label. Default: what a request would get.")
    ] = "",
    *,
    repository: RepositoryOption = Path("repository"),
    as_json: JsonOption = False,
) -> None:
    """Show what a version is, where it came from and how it is computed."""
    registry = Registry(repository)
    with progress() as step:
        step("checking the model")
        registry.load_all()
    facts = _model_facts(registry.resolve(name, version))
    if as_json:
        print_json(facts)
        return
    shown = {key: value for key, value in facts.items() if key not in {"model", "version"}}
    print_facts(
        f"{facts['model']} version {facts['version']}",
        {key: _text(value) for key, value in shown.items()},
    )


def _status_facts(status: VersionStatus) -> dict[str, Any]:
    return {
        "model": status.model_name,
        "version": status.version,
        "state": status.state.name,
        "reason": status.reason,
        "digest": status.digest,
        "labels": list(status.labels),
        "is_default": status.is_default,
    }


def _model_facts(served: ServedModel) -> dict[str, Any]:
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
    }


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
