# SPDX-License-Identifier: Apache-2.0
"""Calls to a server from a command, as any Thrift client would make them."""

from __future__ import annotations

import logging
import time
from types import ModuleType, TracebackType
from typing import Annotated, Any, Self

import typer
from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.Thrift import TApplicationException
from thrift.transport.TSocket import TSocket
from thrift.transport.TTransport import TFramedTransport, TTransportException

from thriftscore import errors
from thriftscore._generated import ScoringService
from thriftscore._generated.ttypes import ScoringError
from thriftscore.errors import ConfigurationError, ThriftscoreError, Unavailable

DEFAULT_ENDPOINT = "127.0.0.1:9090"
EndpointOption = Annotated[
    str, typer.Option("--endpoint", help="The server: host:port, [IPv6]:port or unix:/path.")
]

_TIMEOUT_MS = 5_000
_UNIX_PREFIX = "unix:"
_PORT_MAX = 65_535
_PORTS = {
    "ScoringService": ("data port", 9090),
    "ModelRepositoryService": ("admin port", 9091),
}
"""Which service is at which port of a server, and the default number of that."""

_ERRORS: dict[int, type[ThriftscoreError]] = {
    kind.code.value: kind
    for kind in (
        errors.InvalidArgument,
        errors.ModelNotFound,
        errors.ModelNotReady,
        errors.DeadlineExceeded,
        errors.Unauthenticated,
        errors.PermissionDenied,
        errors.Unavailable,
        errors.Unimplemented,
        errors.Internal,
    )
}
# What the library logs is in its exceptions too, and an error is one line.
logging.getLogger("thrift").addHandler(logging.NullHandler())


class ServerConnection:
    """A connection to a port of a server. A context manager; not shared between threads."""

    def __init__(
        self,
        endpoint: str,
        timeout_ms: int = _TIMEOUT_MS,
        service: ModuleType = ScoringService,
        option: str = "--endpoint",
    ) -> None:
        """Connects at the first call; `timeout_ms` is for each call from its start to its end.

        `service` is the generated module of the service at that port, `option` what the user gave
        the endpoint by.

        Raises ConfigurationError for an endpoint that cannot be one.
        """
        self.endpoint = endpoint
        self._timeout_ms = timeout_ms
        self._service = service.__name__.rpartition(".")[2]
        self._socket = _socket(endpoint, option)
        self._transport = TFramedTransport(self._socket)
        self._client = service.Client(TBinaryProtocol(self._transport))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._transport.close()

    def call(self, method: str, *arguments: object) -> Any:  # noqa: ANN401 - as it is generated
        """The result of a method of the service.

        Raises the error that the server answers with, and Unavailable where nobody answers in
        time, or what answers does not speak Thrift or is the other port of a server.
        """
        try:
            self._socket.start(self._timeout_ms)
            if not self._transport.isOpen():
                self._transport.open()
            return getattr(self._client, method)(*arguments)
        except ScoringError as error:
            raise _raised(error) from error
        except Exception as error:  # the library raises anything for bytes that are not Thrift
            self._transport.close()
            said = self._other_port(error) or f": {self._reason(error)}"
            raise Unavailable(f"{self.endpoint}{said}") from error

    def _other_port(self, error: Exception) -> str:
        """What is wrong where the port is not that of this service; empty where it is."""
        if not isinstance(error, TApplicationException):
            return ""
        unknown = error.type == TApplicationException.UNKNOWN_METHOD
        names = (error.message or "").split()  # that of the service is the first
        if not unknown or not names or names[0] not in _PORTS.keys() - {self._service}:
            return ""
        found, (expected, number) = _PORTS[names[0]][0], _PORTS[self._service]
        return f" is the {found} of a server, expected its {expected} (default {number})"

    def _reason(self, error: Exception) -> str:
        if isinstance(error, TApplicationException):
            return f"the server refuses to {error.message or 'answer'}"
        if not isinstance(error, TTransportException):
            return f"what answers does not speak Thrift ({error or type(error).__name__})"
        if error.type == TTransportException.TIMED_OUT or isinstance(error.inner, TimeoutError):
            return f"no answer within {self._timeout_ms:,} ms"
        if error.type == TTransportException.END_OF_FILE or isinstance(
            error.inner, BrokenPipeError | ConnectionResetError
        ):
            return "the connection was closed before the answer"
        if error.type == TTransportException.SIZE_LIMIT:
            return f"what answers does not speak framed Thrift ({error.message})"
        what = getattr(error.inner, "strerror", None) or error.message or str(error)
        return f"cannot connect: {what}" if error.type == TTransportException.NOT_OPEN else what


def _raised(error: ScoringError) -> ThriftscoreError:
    if error.code == errors.Overloaded.code.value:
        return errors.Overloaded(error.message, error.retry_after_ms)
    return _ERRORS.get(error.code, errors.Internal)(error.message)


class _BoundedSocket(TSocket):  # type: ignore[misc] # the library has no types
    """A socket whose reads end when the call has to, however slowly bytes arrive."""

    _ends_s = 0.0

    def start(self, timeout_ms: int) -> None:
        self._ends_s = time.monotonic() + timeout_ms / 1e3
        self.setTimeout(timeout_ms)

    def read(self, size: int) -> bytes:
        left_s = self._ends_s - time.monotonic()
        if left_s <= 0:
            raise TTransportException(TTransportException.TIMED_OUT, "read timeout")
        self.handle.settimeout(left_s)
        received: bytes = super().read(size)
        return received


def _socket(endpoint: str, option: str) -> _BoundedSocket:
    if len(endpoint) > len(_UNIX_PREFIX) and endpoint.startswith(_UNIX_PREFIX):
        return _BoundedSocket(unix_socket=endpoint.removeprefix(_UNIX_PREFIX))
    host, _, port = endpoint.rpartition(":")
    is_port = port.isascii() and port.isdecimal() and 1 <= int(port) <= _PORT_MAX
    if not host or not is_port or (":" in host.strip("[]") and host[0] != "["):
        raise ConfigurationError(
            f"{option}: expected host:port or unix:/path, received '{endpoint}'"
        )
    return _BoundedSocket(host.strip("[]"), int(port))
