# SPDX-License-Identifier: Apache-2.0
"""The settings of a client and of one call."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, TypedDict

from thriftscore_client.errors import InvalidRequest

FRAME_BYTES_MAX = 2**31 - 1
TIMEOUT_S_MAX = 2_000_000.0  # in milliseconds it must fit the contract's i32


@dataclass(frozen=True)
class ClientOptions:
    """Settings of a client. Raises InvalidRequest for a value outside its range."""

    timeout_s: float = 1.0
    """For a whole call, connecting included, in seconds; a call may give its own."""
    connect_timeout_s: float = 1.0
    """For connecting, in seconds; the time of the call bounds it too."""
    protocol: Literal["binary", "compact"] = "binary"
    """How messages are encoded."""
    frame_bytes_max: int = 16_384_000
    """Largest message sent or accepted, in bytes; the server has a limit of its own."""
    auth_token: str | None = field(default=None, repr=False)
    """Bearer token, sent with the calls that have a context."""

    def __post_init__(self) -> None:
        check_timeout("timeout_s", self.timeout_s)
        check_timeout("connect_timeout_s", self.connect_timeout_s)
        if self.protocol not in {"binary", "compact"}:
            raise InvalidRequest(f"protocol is {self.protocol!r}, expected 'binary' or 'compact'")
        if not 1 <= self.frame_bytes_max <= FRAME_BYTES_MAX:
            raise InvalidRequest(
                f"frame_bytes_max is {self.frame_bytes_max}, expected 1 to {FRAME_BYTES_MAX}"
            )


class CallOptions(TypedDict, total=False):
    """What may be said about one call, by keyword."""

    version: str
    """A version number ("3") or a label ("stable"); absent = the model's default version."""
    request_id: str
    """At most 128 bytes of UTF-8, named in the server's log; absent = made by the client."""
    timeout_s: float
    """For the whole call, in seconds; absent = the client's."""


def check_timeout(name: str, seconds: float) -> None:
    """Raises InvalidRequest unless `seconds` is a time that can be waited for."""
    if not (math.isfinite(seconds) and 0 < seconds <= TIMEOUT_S_MAX):
        raise InvalidRequest(f"{name} is {seconds}, expected above 0 and at most {TIMEOUT_S_MAX:g}")
