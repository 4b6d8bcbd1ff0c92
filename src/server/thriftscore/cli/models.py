# SPDX-License-Identifier: Apache-2.0
"""`thriftscore models`: what a repository and a server hold, and changing it."""

from __future__ import annotations

import typer

from thriftscore.cli.model_changes import (
    label_version,
    load_version,
    remove_version,
    roll_back_label,
    unload_version,
)
from thriftscore.cli.model_reports import inspect_model, list_models, verify_models
from thriftscore.cli.model_traffic import shadow_requests, split_requests

_EPILOG = (
    "Versions are numbered 1, 2, 3, ... A request that names none gets the one labelled 'stable',"
    " or else the newest. Commands work on the repository directory, which a running server follows"
    " within a second or so; with --server they ask the server itself, at its admin port."
)

models = typer.Typer(
    no_args_is_help=True, help="Look at the models of a repository and change them.", epilog=_EPILOG
)
models.command("list")(list_models)
models.command("inspect")(inspect_model)
models.command("verify")(verify_models)
models.command("label")(label_version)
models.command("rollback")(roll_back_label)
models.command("split")(split_requests)
models.command("shadow")(shadow_requests)
models.command("remove")(remove_version)
models.command("load")(load_version)
models.command("unload")(unload_version)
