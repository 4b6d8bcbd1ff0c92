# SPDX-License-Identifier: Apache-2.0
"""The settings of a client and of one call."""

from __future__ import annotations

import math
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypedDict

from thriftscore_client.errors import InvalidRequest
from thriftscore_client.observing import Observer

FRAME_BYTES_MAX = 2**31 - 1
TIMEOUT_S_MAX = 2_000_000.0  # in milliseconds it must fit the contract's i32
_COUNT_MAX = 1_000_000
_PIPELINED_CONNECTIONS = 2
_SINGLE_CONNECTIONS = 16


@dataclass(frozen=True)
class TlsOptions:
    """How the server is recognised, and how the client shows who it is."""

    authorities_file: str | None = None
    """Certificates (PEM) of the authorities that are trusted; None = those of the system."""
    certificate_file: str | None = None
    """The client's certificate chain (PEM), for servers that ask for one."""
    key_file: str | None = None
    """The private key (PEM) of the certificate; None = it is in `certificate_file`."""
    server_name: str | None = None
    """The name that the server's certificate must have; None = the endpoint's host."""

    def context(self) -> ssl.SSLContext:
        """TLS 1.2 or newer, certificate and name verified. Raises OSError for unusable files."""
        context = ssl.create_default_context(cafile=self.authorities_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.certificate_file is not None:
            context.load_cert_chain(self.certificate_file, self.key_file)
        return context


@dataclass(frozen=True)
class ClientOptions:
    """Settings of a client. Raises InvalidRequest for a value outside its range."""

    timeout_s: float = 1.0
    """For a whole call, in seconds: waiting, connecting and retries included; a call may give its
    own."""
    connect_timeout_s: float = 0.5
    """For connecting, in seconds; the time of the call bounds it too."""
    protocol: Literal["binary", "compact"] = "binary"
    """How messages are encoded."""
    transport: Literal["framed", "unframed", "header"] = "framed"
    """How messages are put into the stream; "header" is THeader."""
    frame_bytes_max: int = 16_384_000
    """Largest message sent or accepted, in bytes; the server has a limit of its own."""
    auth_token: str | None = field(default=None, repr=False)
    """Bearer token, sent with the calls that have a context."""
    tls: TlsOptions | None = None
    """None = no TLS."""
    calls_per_connection_max: int = 32
    """Calls under way on one connection; 1 = one after the other."""
    connections_max: int | None = None
    """Connections to one address; None = 2, or 16 with one call per connection."""
    idle_timeout_s: float = 60.0
    """A connection without calls is closed after this, in seconds; less than the server's 300."""
    connection_age_max_s: float = 300.0
    """A connection takes no more calls after this, in seconds, give or take 10 %."""
    attempts_max: int = 3
    """Attempts of one call; 1 = no retries."""
    backoff_base_s: float = 0.01
    """Longest wait before the first retry at a server that failed, in seconds; it doubles."""
    backoff_max_s: float = 1.0
    """What it doubles to."""
    hedge_after: float | Literal["p95"] | None = None
    """After how many seconds without an answer a second attempt is made elsewhere; "p95" = when
    19 of 20 recent calls had theirs; None = never."""
    resolve_interval_s: float = 30.0
    """How often the addresses of names are looked up again, in seconds."""
    chunk_rows: int = 16_384
    """Rows in one call of `score_batch`."""
    observers: Sequence[Observer] = ()
    """Told of calls and attempts."""

    def __post_init__(self) -> None:
        for name in ("timeout_s", "connect_timeout_s", "idle_timeout_s", "connection_age_max_s"):
            check_timeout(name, getattr(self, name))
        for name in ("backoff_base_s", "backoff_max_s", "resolve_interval_s"):
            check_timeout(name, getattr(self, name))
        _check_choice("protocol", self.protocol, ("binary", "compact"))
        _check_choice("transport", self.transport, ("framed", "unframed", "header"))
        _check_count("frame_bytes_max", self.frame_bytes_max, FRAME_BYTES_MAX)
        for name in ("calls_per_connection_max", "attempts_max", "chunk_rows"):
            _check_count(name, getattr(self, name), _COUNT_MAX)
        if self.connections_max is not None:
            _check_count("connections_max", self.connections_max, _COUNT_MAX)
        if self.hedge_after not in {None, "p95"}:
            check_timeout("hedge_after", self.hedge_after)

    @property
    def connections_limit(self) -> int:
        """`connections_max`, or its default."""
        if self.connections_max is not None:
            return self.connections_max
        return _PIPELINED_CONNECTIONS if self.calls_per_connection_max > 1 else _SINGLE_CONNECTIONS


class CallOptions(TypedDict, total=False):
    """What may be said about one call, by keyword."""

    version: str
    """A version number ("3") or a label ("stable"); absent = the model's default version."""
    request_id: str
    """At most 128 bytes of UTF-8, named in the server's log; absent = made by the client."""
    timeout_s: float
    """For the whole call, in seconds; absent = the client's."""
    traceparent: str
    """W3C Trace Context of the caller's span; absent = OpenTelemetry's current one, if any."""


def check_timeout(name: str, seconds: object) -> None:
    """Raises InvalidRequest unless `seconds` is a time that can be waited for."""
    if (
        not isinstance(seconds, int | float)
        or not math.isfinite(seconds)
        or not 0 < seconds <= TIMEOUT_S_MAX
    ):
        raise InvalidRequest(f"{name} is {seconds}, expected above 0 and at most {TIMEOUT_S_MAX:g}")


def _check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise InvalidRequest(f"{name} is {value!r}, expected {' or '.join(map(repr, choices))}")


def _check_count(name: str, value: int, maximum: int) -> None:
    if not 1 <= value <= maximum:
        raise InvalidRequest(f"{name} is {value}, expected 1 to {maximum}")
