# SPDX-License-Identifier: Apache-2.0
"""Where a server listens: the text form, and how to reach it."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from typing import Protocol

from thriftscore_client.deadline import Deadline
from thriftscore_client.errors import InvalidRequest

_TCP = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.%\w]+)\]|(?P<host>[^\[\]:/\s]+)):(?P<port>[0-9]{1,5})")
_UNIX = "unix:"


class Endpoint(Protocol):
    """A place to connect to; str() gives its text form."""

    def connect(self, deadline: Deadline) -> socket.socket:
        """Returns a connected socket. Raises OSError, of which TimeoutError is one."""
        ...


@dataclass(frozen=True)
class TcpEndpoint:
    """A host, by name or address, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def connect(self, deadline: Deadline) -> socket.socket:
        """Tries the host's addresses in order. Looking up the name is not bounded by `deadline`."""
        failure: OSError = OSError("the host has no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(
            self.host, self.port, type=socket.SOCK_STREAM
        ):
            try:
                connected = _connect(socket.socket(family, kind, protocol), address, deadline)
            except OSError as error:
                failure = error
                continue
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connected
        raise failure


@dataclass(frozen=True)
class UnixEndpoint:
    """The path of a Unix-domain socket."""

    path: str

    def __str__(self) -> str:
        return f"{_UNIX}{self.path}"

    def connect(self, deadline: Deadline) -> socket.socket:
        """Connects to the socket file."""
        return _connect(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), self.path, deadline)


def _connect(new: socket.socket, address: object, deadline: Deadline) -> socket.socket:
    try:
        new.settimeout(deadline.remaining_s())
        new.connect(address)  # type: ignore[arg-type]  # its form depends on the family
    except BaseException:
        new.close()
        raise
    return new


def parse_endpoint(text: str) -> Endpoint:
    """Reads "host:port", "[IPv6]:port" or "unix:/path". Raises InvalidRequest."""
    if text.startswith(_UNIX) and len(text) > len(_UNIX):
        return UnixEndpoint(text.removeprefix(_UNIX))
    match = _TCP.fullmatch(text)
    if match is None or not 1 <= int(match["port"]) <= 65535:
        raise InvalidRequest(
            f"endpoint is {text!r}, expected 'host:port', '[IPv6]:port' or 'unix:/path'"
        )
    return TcpEndpoint(match["v6"] or match["host"], int(match["port"]))
