# SPDX-License-Identifier: Apache-2.0
"""`thriftscore serve`: serve a repository over Apache Thrift until a signal says stop."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from thriftscore.config import ServerConfig, allowed_values, load_config, to_toml

_CONFIG_VARIABLE = "THRIFTSCORE_CONFIG"


def _setting(name: str, *flags: str) -> Any:  # noqa: ANN401 - as typer has it
    """The option of a setting, with the words of the settings."""
    field = ServerConfig.model_fields[name]
    default = "none" if field.default is None else str(field.default)
    allowed = allowed_values(field)
    choices = f" {allowed}." if allowed.startswith("One of") else ""
    return typer.Option(*flags, help=f"{field.description}{choices}", show_default=default)


def serve(
    repository: Annotated[Path | None, _setting("repository")] = None,
    version_policy: Annotated[str | None, _setting("version_policy")] = None,
    watch: Annotated[str | None, _setting("watch")] = None,
    config: Annotated[
        Path | None, typer.Option(help=f"TOML file of settings; or {_CONFIG_VARIABLE}.")
    ] = None,
    io: Annotated[str | None, _setting("io")] = None,
    host: Annotated[str | None, _setting("host")] = None,
    port: Annotated[int | None, _setting("port")] = None,
    admin_host: Annotated[str | None, _setting("admin_host")] = None,
    admin_port: Annotated[int | None, _setting("admin_port")] = None,
    unix_socket: Annotated[Path | None, _setting("unix_socket")] = None,
    io_threads: Annotated[int | None, _setting("io_threads")] = None,
    busy_poll: Annotated[bool | None, _setting("busy_poll", "--busy-poll")] = None,
    threads: Annotated[int | None, _setting("threads")] = None,
    ready_file: Annotated[Path | None, _setting("ready_file")] = None,
    log_format: Annotated[str | None, _setting("log_format")] = None,
    log_level: Annotated[str | None, _setting("log_level")] = None,
    drain_timeout_ms: Annotated[int | None, _setting("drain_timeout_ms")] = None,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print all settings as TOML and exit.")
    ] = False,
) -> None:
    """Serve the models of a repository over Apache Thrift.

    Every setting can also be given in the TOML file, or as THRIFTSCORE_ and its name in capitals;
    --print-config shows all of them. SIGTERM drains; a second one stops at once.

    Example: thriftscore serve --repository repository --host 127.0.0.1 --port 9090
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
