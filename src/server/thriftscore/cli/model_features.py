# SPDX-License-Identifier: Apache-2.0
"""Asks a server what the features of a model are, as any Thrift client would."""

from __future__ import annotations

from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.Thrift import TException
from thrift.transport.TSocket import TSocket
from thrift.transport.TTransport import TFramedTransport

from thriftscore._generated import ScoringService
from thriftscore._generated.ttypes import ScoringError
from thriftscore.errors import ConfigurationError, ThriftscoreError, Unavailable

_TIMEOUT_MS = 5_000
_UNIX_PREFIX = "unix:"


def model_features(endpoint: str, model: str) -> list[str]:
    """Names of the features of the default version of a model, in the order of a row.

    Raises ConfigurationError for an endpoint that cannot be one, Unavailable where nobody answers,
    ThriftscoreError where the server refuses.
    """
    socket = _socket(endpoint)
    socket.setTimeout(_TIMEOUT_MS)
    transport = TFramedTransport(socket)
    try:
        transport.open()
        client = ScoringService.Client(TBinaryProtocol(transport))
        metadata = client.model_metadata(model, "")
    except ScoringError as error:
        raise ThriftscoreError(error.message) from error
    except (TException, OSError, EOFError) as error:
        raise Unavailable(
            f"cannot ask {endpoint} for the features of '{model}': {error}"
        ) from error
    finally:
        transport.close()
    return list(metadata.feature_names)


def _socket(endpoint: str) -> TSocket:
    if endpoint.startswith(_UNIX_PREFIX):
        return TSocket(unix_socket=endpoint.removeprefix(_UNIX_PREFIX))
    host, _, port = endpoint.rpartition(":")
    if not host or not port.isdecimal():
        raise ConfigurationError(
            f"--endpoint: expected host:port or unix:/path, received '{endpoint}'"
        )
    return TSocket(host.strip("[]"), int(port))
