# SPDX-License-Identifier: Apache-2.0
"""Where servers listen: the text form, the addresses behind it, and how to reach one."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from thriftscore_client.deadline import Deadline
from thriftscore_client.errors import InvalidRequest

_TCP = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.%\w]+)\]|(?P<host>[^\[\]:/\s]+)):(?P<port>[0-9]{1,5})")
_UNIX = "unix:"


@dataclass(frozen=True)
class Endpoint:
    """A host and a port, or the path of a Unix-domain socket."""

    text: str
    host: str
    """Name or address; empty for a Unix-domain socket."""
    port: int = 0
    path: str = ""

    @property
    def is_name(self) -> bool:
        """True where addresses must be looked up, and may change."""
        if self.path:
            return False
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return True
        return False

    def lookup(self) -> list[Address]:
        """The addresses, in the system's order. For a name it may take long. Raises OSError."""
        if self.path:
            return [Address(self.text, socket.AF_UNIX, self.path)]
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        return [self.address(family, target) for family, _, _, _, target in found]

    def address(self, family: int, target: tuple[Any, ...]) -> Address:
        """One that a lookup found."""
        shown = f"{self.text} ({target[0]})" if self.is_name else self.text
        return Address(shown, family, target, self.host)


@dataclass(frozen=True)
class Address:
    """One place to connect to."""

    name: str
    """For messages: the endpoint, and the address where the endpoint is a name."""
    family: int
    target: str | tuple[Any, ...]
    host: str = ""
    """What a certificate must name; empty for a Unix-domain socket."""

    def connect(self, deadline: Deadline) -> socket.socket:
        """Returns a connected socket. Raises OSError, of which TimeoutError is one."""
        new = socket.socket(self.family, socket.SOCK_STREAM)
        try:
            new.settimeout(deadline.remaining_s())
            new.connect(self.target)
            prepare(new)
        except BaseException:
            new.close()
            raise
        return new


def prepare(connected: socket.socket) -> None:
    """Lets small messages leave at once, and notices a peer that vanished."""
    if connected.family != socket.AF_UNIX:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def parse_endpoint(text: str) -> Endpoint:
    """Reads "host:port", "[IPv6]:port" or "unix:/path". Raises InvalidRequest."""
    if text.startswith(_UNIX) and len(text) > len(_UNIX):
        return Endpoint(text, "", path=text.removeprefix(_UNIX))
    match = _TCP.fullmatch(text)
    if match is None or not 1 <= int(match["port"]) <= 65535:
        raise InvalidRequest(
            f"endpoint is {text!r}, expected 'host:port', '[IPv6]:port' or 'unix:/path'"
        )
    return Endpoint(text, match["v6"] or match["host"], int(match["port"]))


def parse_endpoints(endpoints: str | Iterable[str]) -> Sequence[Endpoint]:
    """Reads several: a list, or a text with commas between. Raises InvalidRequest."""
    texts = endpoints.split(",") if isinstance(endpoints, str) else list(endpoints)
    if not texts:
        raise InvalidRequest("no endpoint is given")
    return [parse_endpoint(text.strip(" ")) for text in dict.fromkeys(texts)]
