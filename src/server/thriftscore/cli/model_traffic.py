# SPDX-License-Identifier: Apache-2.0
"""`thriftscore models split|shadow`: who gets the requests that name no version."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from thriftscore.cli.model_changes import NameArgument
from thriftscore.cli.model_reports import JsonOption
from thriftscore.cli.output import print_json
from thriftscore.cli.repository_option import RepositoryOption
from thriftscore.errors import InvalidArgument
from thriftscore.repository import Labels, set_published_shadow, set_published_split


def split_requests(
    name: NameArgument,
    shares: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TARGET=WEIGHT]...",
            help="Labels or version numbers, and their weights. Default: end the split.",
            show_default=False,
        ),
    ] = None,
    *,
    repository: RepositoryOption = Path("repository"),
    as_json: JsonOption = False,
) -> None:
    """Spread the requests that name no version over versions by weight.

    A request id gets the same version from every server, as long as the weights stay.

    Example: thriftscore models split credit stable=95 canary=5
    """
    split: dict[str, int] = {}
    for share in shares or []:
        target, weight = _parse_share(share)
        if target in split:
            raise InvalidArgument(f"'{target}' is given twice")
        split[target] = weight
    labels = set_published_split(repository, name, split)
    shown = ", ".join(f"{target} {weight}" for target, weight in sorted(split.items()))
    done = f"requests without a version are split: {shown}" if split else "there is no split"
    _print(labels, f"{name}: {done}", as_json)


def shadow_requests(
    name: NameArgument,
    target: Annotated[
        str, typer.Argument(help="A label or a version number. Default: end the shadow.")
    ] = "",
    *,
    repository: RepositoryOption = Path("repository"),
    as_json: JsonOption = False,
) -> None:
    """Have a version score what requests without a version are answered with, for comparison.

    Nobody gets its answers; model_statistics tells how far they are from those that were given.

    Example: thriftscore models shadow credit candidate
    """
    labels = set_published_shadow(repository, name, target)
    done = f"{target} is the shadow" if target else "there is no shadow"
    _print(labels, f"{name}: {done}", as_json)


def _parse_share(share: str) -> tuple[str, int]:
    target, _, weight = share.partition("=")
    if not target or not re.fullmatch("[0-9]{1,9}", weight):
        raise InvalidArgument(f"{share!a}: expected TARGET=WEIGHT, such as canary=5")
    return target, int(weight)


def _print(labels: Labels, sentence: str, as_json: bool) -> None:
    if as_json:
        print_json({"split": labels.split, "shadow": labels.shadow})
    else:
        typer.echo(sentence)
