# SPDX-License-Identifier: Apache-2.0
"""Listening sockets, TCP and Unix-domain, and how many connections they may take."""

from __future__ import annotations

import resource
import socket
import stat
import struct
from pathlib import Path

from thriftscore.errors import ConfigurationError, Unavailable

BACKLOG = 1_024
_RESERVED_DESCRIPTORS = 64
_CONNECTIONS_MAX = 65_536
_UNIX_PATH_BYTES_MAX = 107
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid


def peer_name(connected: socket.socket) -> str:
    """Who is at the other end: host:port, or the user and process of a Unix-domain socket."""
    try:
        if connected.family == socket.AF_UNIX:
            credentials = connected.getsockopt(
                socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size
            )
            process, user, _ = _CREDENTIALS.unpack(credentials)
            return f"unix:uid={user},pid={process}"
        host, port = connected.getpeername()[:2]
    except OSError:
        return ""  # reset before it was looked at
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def listen_tcp(host: str, port: int, setting: str) -> socket.socket:
    """A listening socket; port 0 = any. `setting` is what a user would change.

    Raises ConfigurationError for a host that does not exist here and Unavailable for a port that
    is in use.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigurationError(f"{setting}: host {host!r}: {reason}") from error
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise Unavailable(f"{setting}: cannot listen on {host}:{port}: {error.strerror}") from error
    listener.setblocking(False)
    return listener


def listen_unix(path: Path) -> socket.socket:
    """A listening Unix-domain socket. One that a dead server left behind is replaced.

    Raises ConfigurationError where the path cannot be used and Unavailable where it is in use.
    """
    if len(str(path).encode()) > _UNIX_PATH_BYTES_MAX:
        raise ConfigurationError(
            f"unix-socket: {path}: expected a path of at most {_UNIX_PATH_BYTES_MAX} bytes"
        )
    _remove_stale_socket(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigurationError(f"unix-socket: {path}: {error.strerror}") from error
    listener.setblocking(False)
    return listener


def _remove_stale_socket(path: Path) -> None:
    try:
        is_socket = stat.S_ISSOCK(path.lstat().st_mode)
    except OSError:
        return  # binding says what is wrong, if anything is
    if not is_socket:
        raise ConfigurationError(f"unix-socket: {path} exists and is not a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise ConfigurationError(f"unix-socket: {path}: {error.strerror}") from error
        else:
            raise Unavailable(f"unix-socket: {path} is in use by another server")


def address(listener: socket.socket) -> str:
    """Where a socket listens, as a client would name it."""
    name = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        return f"unix:{name}"
    host = f"[{name[0]}]" if ":" in name[0] else name[0]
    return f"{host}:{name[1]}"


def derive_connections_max(configured: int) -> int:
    """`configured`, or what the limit of open files allows beside everything else."""
    if configured:
        return configured
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _CONNECTIONS_MAX
    return max(1, min(_CONNECTIONS_MAX, soft - _RESERVED_DESCRIPTORS))
