# SPDX-License-Identifier: Apache-2.0
"""The settings of a server: typed, frozen, and checked before anything starts.

Each setting is taken from the last of these that names it: its default, the TOML file, the
environment (`THRIFTSCORE_` and the name in capitals), the command line. Names end in their unit.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from annotated_types import Ge, Le, MinLen
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from thriftscore.errors import ConfigurationError

ENVIRONMENT_PREFIX = "THRIFTSCORE_"
# Read elsewhere: by the Python client, the command line and the kernels.
OTHER_VARIABLES = frozenset(
    {
        "THRIFTSCORE_CLIENT_COMPILED",
        "THRIFTSCORE_CONFIG",
        "THRIFTSCORE_DEBUG",
        "THRIFTSCORE_SIMD",
    }
)
# Kubernetes sets these in every pod beside a Service that is called "thriftscore".
SERVICE_LINK = re.compile(r"THRIFTSCORE_(SERVICE_|PORT_\d+_(TCP|UDP))")
SERVICE_LINK_URL = re.compile(r"(tcp|udp)://")


def _split_pairs(value: object) -> object:
    """`name=value; name=value`, as a table is written in the environment, as a mapping."""
    if not isinstance(value, str):
        return value
    pairs = (pair.partition("=") for pair in value.split(";") if pair.strip())
    return {name.strip(): text.strip() for name, _, text in pairs}


_VERSION = "[1-9][0-9]{0,17}"
PolicyText = Annotated[
    str, Field(pattern=rf"^(all|latest [1-9][0-9]{{0,5}}|{_VERSION}( *, *{_VERSION})*)$")
]
PolicyTexts = Annotated[dict[str, PolicyText], BeforeValidator(_split_pairs)]
_POLICIES = "'all', 'latest N', or versions such as '3, 7'"


class ServerConfig(BaseModel):
    """Everything that can be set about a server. Immutable."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    repository: Path = Field(Path("repository"), description="Directory of the models to serve.")
    version_policy: PolicyText = Field(
        "latest 2",
        description="Versions of each model to serve, besides those that a label names.",
        json_schema_extra={"allowed": _POLICIES},
    )
    version_policies: PolicyTexts = Field(
        {},
        description="The same for single models, by name.",
        json_schema_extra={"allowed": f"name = policy, a policy being {_POLICIES}"},
    )
    watch: Literal["events", "poll", "off"] = Field(
        "events", description="How new versions and labels are noticed; off = by load_model only."
    )
    watch_interval_ms: int = Field(
        1_000, ge=10, le=3_600_000, description="Time between looks at the repository."
    )
    audit_log: Path | None = Field(
        None, description="File to which each change is appended, as JSON; else it is in the log."
    )
    io: Literal["native", "python"] = Field(
        "native", description="Who owns the sockets of the data port: C++ loops or Python threads."
    )
    host: str = Field(
        "0.0.0.0",  # noqa: S104
        min_length=1,
        description="Address of the data port.",
    )
    port: int = Field(9090, ge=0, le=65_535, description="Data port; 0 = any that is free.")
    admin_host: str = Field("127.0.0.1", min_length=1, description="Address of the admin port.")
    admin_port: int = Field(9091, ge=0, le=65_535, description="Admin port; 0 = any that is free.")
    unix_socket: Path | None = Field(
        None, description="Path of a Unix-domain socket that serves what the data port serves."
    )
    ready_file: Path | None = Field(
        None, description="File to write when ready: JSON with port, admin_port and pid."
    )
    threads: int = Field(
        max(2, os.cpu_count() or 1), ge=1, le=256, description="Python threads that answer calls."
    )
    io_threads: int = Field(
        0, ge=0, le=1_024, description="Native event loops; 0 = one for each core."
    )
    busy_poll: bool = Field(
        False, description="Native loops never sleep: the lowest latency, for a core each."
    )
    compute_threads: int = Field(
        0, ge=0, le=1_024, description="Native threads for large requests; 0 = one for each core."
    )
    inline_work_us_max: int = Field(
        200, ge=0, le=1_000_000, description="Estimated work above which a request is a large one."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="auto = console on a terminal, JSON elsewhere."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least severe lines that are logged."
    )
    frame_bytes_max: int = Field(
        16_384_000, ge=1_024, le=268_435_456, description="Longest frame, received or sent."
    )
    message_bytes_max: int = Field(
        104_857_600, ge=1_024, le=2_147_483_647, description="Longest unframed message."
    )
    message_elements_max: int = Field(
        262_144, ge=1_024, le=16_777_216, description="Elements that are not doubles in a request."
    )
    nesting_max: int = Field(64, ge=8, le=64, description="Depth of structs and containers.")
    method_name_bytes_max: int = Field(128, ge=32, le=1_024, description="Longest method name.")
    tensors_max: int = Field(256, ge=1, le=4_096, description="Tensors in an infer request.")
    tensor_rank_max: int = Field(16, ge=2, le=32, description="Dimensions of a tensor.")
    sparse_cells_max: int = Field(
        67_108_864,
        ge=65_536,
        le=2**40,
        description="Rows times columns of a sparse request that has to be made dense.",
    )
    queue_calls_max: int = Field(
        1_024, ge=1, le=1_048_576, description="Calls that wait for a thread."
    )
    queue_bytes_max: int = Field(
        268_435_456, ge=65_536, le=2**40, description="Bytes of the calls that wait for a thread."
    )
    shadow_queue_calls_max: int = Field(
        4_096, ge=1, le=1_048_576, description="Answered calls that wait for a shadow version."
    )
    shadow_queue_bytes_max: int = Field(
        67_108_864, ge=65_536, le=2**40, description="Bytes of the calls that wait for a shadow."
    )
    retry_after_ms: int = Field(
        50, ge=0, le=60_000, description="When to retry a call that found the queue full."
    )
    connections_max: int = Field(
        0, ge=0, le=1_048_576, description="Connections of a port; 0 = what RLIMIT_NOFILE allows."
    )
    pipeline_calls_max: int = Field(
        128, ge=1, le=65_536, description="Unanswered calls of a connection before reading stops."
    )
    inflight_bytes_pause: int = Field(
        1_048_576, ge=1_024, le=2**32, description="Unanswered bytes before reading stops."
    )
    output_bytes_max: int = Field(
        33_554_432, ge=65_536, le=2**32, description="Unsent bytes before a connection is closed."
    )
    frame_time_max_ms: int = Field(
        10_000, ge=10, le=3_600_000, description="Time from a frame's first byte to its last."
    )
    idle_timeout_ms: int = Field(
        300_000, ge=10, le=86_400_000, description="Quiet time before closing, ±10 %."
    )
    write_stall_ms: int = Field(
        10_000, ge=10, le=3_600_000, description="Time without progress in sending a reply."
    )
    pre_stop_ms: int = Field(
        0, ge=0, le=600_000, description="Time between failing health checks and draining."
    )
    drain_timeout_ms: int = Field(
        30_000, ge=0, le=3_600_000, description="Time to answer what was received before stopping."
    )


def load_config(
    flags: Mapping[str, Any],
    *,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> ServerConfig:
    """Merges defaults < file < environment < flags; a flag that is None was not given.

    Raises ConfigurationError with one line that names the source, the key, the value and what is
    allowed.
    """
    settings: dict[str, tuple[str, Any]] = {}
    if file is not None:
        settings |= {key: (f"{file}: {key}", value) for key, value in _read_toml(file).items()}
    settings |= _read_environment(os.environ if environment is None else environment)
    for key, value in flags.items():
        if value is not None:
            settings[key] = ("--" + key.replace("_", "-"), value)
    return _validate(settings)


def to_toml(config: ServerConfig) -> str:
    """All settings as a TOML file that load_config reads back."""
    lines = []
    for key, field in ServerConfig.model_fields.items():
        value = getattr(config, key)
        allowed = allowed_values(field)
        lines.append(f"# {field.description}{f' {allowed}.' if allowed else ''}")
        lines.append(f"# {key} = " if value is None else f"{key} = {_toml_value(value)}")
    return "\n".join(lines) + "\n"


def allowed_values(field: FieldInfo) -> str:
    """What a setting may be, in words; empty where its type says it all."""
    if isinstance(field.json_schema_extra, dict):
        return str(field.json_schema_extra["allowed"])
    choices = get_args(field.annotation)
    if choices and all(isinstance(choice, str) for choice in choices):
        return "One of " + ", ".join(choices)
    low = next((item.ge for item in field.metadata if isinstance(item, Ge)), None)
    high = next((item.le for item in field.metadata if isinstance(item, Le)), None)
    if low is not None and high is not None:
        return f"{low} to {high}"
    if field.annotation is bool:
        return "true or false"
    return "Not empty" if any(isinstance(item, MinLen) for item in field.metadata) else ""


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"configuration file {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"configuration file {file} is not TOML: {error}") from error


def _read_environment(environment: Mapping[str, str]) -> dict[str, tuple[str, Any]]:
    settings: dict[str, tuple[str, Any]] = {}
    for name, value in environment.items():
        if not name.startswith(ENVIRONMENT_PREFIX) or name in OTHER_VARIABLES:
            continue
        if SERVICE_LINK.match(name) or SERVICE_LINK_URL.match(value):
            continue
        settings[name.removeprefix(ENVIRONMENT_PREFIX).lower()] = (name, value)
    return settings


def _validate(settings: Mapping[str, tuple[str, Any]]) -> ServerConfig:
    try:
        config = ServerConfig(**{key: value for key, (_, value) in settings.items()})
    except ValidationError as failure:
        detail = failure.errors(include_url=False)[0]
    else:
        _require_message_holds_frame(config)
        return config
    key = str(detail["loc"][0])
    source, value = settings[key]
    field = ServerConfig.model_fields.get(key)
    if field is None:
        known = ", ".join(sorted(ServerConfig.model_fields))
        raise ConfigurationError(f"{source}: no such setting; the settings are {known}")
    allowed = allowed_values(field) or "a path"
    raise ConfigurationError(f"{source} = {value!r}: expected {allowed[0].lower() + allowed[1:]}")


def _require_message_holds_frame(config: ServerConfig) -> None:
    if config.frame_bytes_max > config.message_bytes_max:
        raise ConfigurationError(
            f"frame_bytes_max = {config.frame_bytes_max}: expected at most message_bytes_max, "
            f"which is {config.message_bytes_max}"
        )


def _toml_value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, dict):
        pairs = (f"{_toml_value(key)} = {_toml_value(item)}" for key, item in value.items())
        return "{ " + ", ".join(pairs) + " }" if value else "{}"
    text = str(value)
    # TOML's basic strings escape what JSON's strings escape, so a backslash and a quote suffice.
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in escaped) + '"'
