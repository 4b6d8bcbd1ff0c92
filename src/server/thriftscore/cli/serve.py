# SPDX-License-Identifier: Apache-2.0
"""`thriftscore serve`: serve a repository over Apache Thrift until a signal says stop."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from thriftscore.config import load_config, to_toml

_CONFIG_VARIABLE = "THRIFTSCORE_CONFIG"


def serve(
    repository: Annotated[
        Path | None, typer.Option(help="Directory of the models to serve.")
    ] = None,
    version_policy: Annotated[
        str | None, typer.Option(help="Versions to serve: all, latest N, or a list such as 3,7.")
    ] = None,
    watch: Annotated[
        str | None, typer.Option(help="How new versions are noticed: events, poll or off.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help=f"TOML file of settings; or {_CONFIG_VARIABLE}.")
    ] = None,
    io: Annotated[str | None, typer.Option(help="Who owns the sockets: native or python.")] = None,
    host: Annotated[str | None, typer.Option(help="Address of the data port.")] = None,
    port: Annotated[int | None, typer.Option(help="Data port; 0 = any that is free.")] = None,
    admin_host: Annotated[str | None, typer.Option(help="Address of the admin port.")] = None,
    admin_port: Annotated[
        int | None, typer.Option(help="Admin port; 0 = any that is free.")
    ] = None,
    unix_socket: Annotated[
        Path | None, typer.Option(help="Path of a Unix-domain socket to serve as well.")
    ] = None,
    io_threads: Annotated[
        int | None, typer.Option(help="Native event loops; 0 = one for each core.")
    ] = None,
    busy_poll: Annotated[
        bool | None,
        typer.Option("--busy-poll", help="Native loops never sleep: lowest latency, a core each."),
    ] = None,
    threads: Annotated[int | None, typer.Option(help="Python threads that answer calls.")] = None,
    ready_file: Annotated[
        Path | None,
        typer.Option(help="File to write when ready: JSON with port, admin_port and pid."),
    ] = None,
    log_format: Annotated[str | None, typer.Option(help="auto, json or console.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    drain_timeout_ms: Annotated[
        int | None, typer.Option(help="Time to answer what was received before stopping.")
    ] = None,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print all settings as TOML and exit.")
    ] = False,
) -> None:
    """Serve the models of a repository over Apache Thrift.

    Every setting can also be given in the TOML file, or as THRIFTSCORE_ and its name in capitals;
    --print-config shows all of them. SIGTERM drains; a second one stops at once.
    """
    flags: dict[str, Any] = dict(locals())
    file = flags.pop("config")
    del flags["print_config"]
    settings = load_config(flags, file=file or _config_from_environment())
    if print_config:
        typer.echo(to_toml(settings), nl=False)
        return
    # Imported late: loading the engine takes long, and a wrong setting should not.
    from thriftscore.serving import run_until_stopped  # noqa: PLC0415

    raise typer.Exit(run_until_stopped(settings))


def _config_from_environment() -> Path | None:
    path = os.environ.get(_CONFIG_VARIABLE)
    return Path(path) if path else None
