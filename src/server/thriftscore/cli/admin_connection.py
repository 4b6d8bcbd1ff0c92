# SPDX-License-Identifier: Apache-2.0
"""Calls to the admin port of a server."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from thriftscore._generated import ModelRepositoryService
from thriftscore._generated.ttypes import RepositoryIndexRequest
from thriftscore.cli.server_connection import ServerConnection
from thriftscore.errors import ConfigurationError, InvalidArgument, ModelRefused
from thriftscore.repository import VersionState, VersionStatus

DEFAULT_ADMIN_ENDPOINT = "127.0.0.1:9091"
_HELP = "Admin port of a running server: host:port."
AdminOption = Annotated[str, typer.Option("--server", help=_HELP)]
ServerOption = Annotated[
    str | None,
    typer.Option("--server", help=f"{_HELP} Default: work on the repository directory."),
]

_TIMEOUT_MS = 600_000
"""A large model takes long to load and to check."""


def change_at(endpoint: str, method: str, request: object) -> list[VersionStatus]:
    """The versions that a call of the admin port changed. Raises ThriftscoreError."""
    return _statuses(_call(endpoint, method, request).versions)


def index_of(endpoint: str) -> tuple[list[VersionStatus], str]:
    """What a server has, and why it cannot read its repository, if so. Raises ThriftscoreError."""
    response = _call(endpoint, "repository_index", RepositoryIndexRequest())
    return _statuses(response.versions), response.repository_error


def _call(endpoint: str, method: str, request: object) -> Any:  # noqa: ANN401 - as it is generated
    with ServerConnection(endpoint, _TIMEOUT_MS, ModelRepositoryService, "--server") as server:
        try:
            return server.call(method, request)
        except ConfigurationError:
            raise
        except InvalidArgument as error:  # the command line was right, and the server refuses
            raise ModelRefused(error.message) from error


def _statuses(statuses: Any) -> list[VersionStatus]:  # noqa: ANN401 - as it is generated
    return [
        VersionStatus(
            status.model_name,
            status.version,
            VersionState(status.state),
            status.reason,
            status.digest,
            tuple(status.labels),
            status.is_default,
        )
        for status in statuses
    ]
