# SPDX-License-Identifier: Apache-2.0
"""Cases `via: wire`: generated structs filled field by field, sent by the generated stub."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from thrift.protocol.TBinaryProtocol import TBinaryProtocolAccelerated
from thrift.protocol.TCompactProtocol import TCompactProtocolAccelerated
from thrift.protocol.THeaderProtocol import THeaderProtocol
from thrift.Thrift import TType
from thrift.transport.THeaderTransport import THeaderClientType, THeaderSubprotocolID
from thrift.transport.TSocket import TSocket
from thrift.transport.TTransport import TBufferedTransport, TFramedTransport

from thriftscore_client._generated import ScoringService, ttypes

PROTOCOLS = {"binary": TBinaryProtocolAccelerated, "compact": TCompactProtocolAccelerated}
HEADER_PROTOCOLS = {"binary": THeaderSubprotocolID.BINARY, "compact": THeaderSubprotocolID.COMPACT}
TRANSPORTS = {"framed": TFramedTransport, "unframed": TBufferedTransport}
ELEMENTS = {"FP32": "<f4", "FP64": "<f8", "INT32": "<i4", "INT64": "<i8"}
ENUM_FIELDS = {"datatype": ttypes.DataType, "code": ttypes.ErrorCode}
CALL_TIMEOUT_MS = 10_000


class WireClient:
    """The generated client over a connection of its own."""

    def __init__(self, endpoint: str, transport: str, protocol: str) -> None:
        host, _, port = endpoint.rpartition(":")
        self._socket = TSocket(host, int(port))
        self._socket.setTimeout(CALL_TIMEOUT_MS)
        self._stub = ScoringService.Client(messages(self._socket, transport, protocol))
        self._socket.open()

    def close(self) -> None:
        self._socket.close()

    def call(self, method: str, args: Mapping[str, Any]) -> dict[str, Any]:
        """The result as plain values, by the names of the IDL; raises ScoringError."""
        arguments = filled(getattr(ScoringService, f"{method}_args"), args)
        names = [spec[2] for spec in arguments.thrift_spec if spec is not None]
        return plain_result(getattr(self._stub, method)(*(getattr(arguments, n) for n in names)))


def messages(source: TSocket, transport: str, protocol: str) -> Any:
    """The stock library's protocol over its transport."""
    if transport == "header":
        kinds = [THeaderClientType.HEADERS]
        return THeaderProtocol(source, kinds, default_protocol=HEADER_PROTOCOLS[protocol])
    return PROTOCOLS[protocol](TRANSPORTS[transport](source))


def filled(kind: type, fields: Mapping[str, Any]) -> Any:
    """A generated struct with these fields; null and absent fields keep or lose their default."""
    struct = kind()
    by_name = {spec[2]: spec for spec in kind.thrift_spec if spec is not None}
    for name, value in fields.items():
        setattr(struct, name, field_value(by_name[name], value))
    return struct


def field_value(spec: tuple[Any, ...], value: Any) -> Any:
    _, thrift_type, name, details, _ = spec
    if value is None:
        return None
    if name in ENUM_FIELDS and isinstance(value, str):
        return ENUM_FIELDS[name]._NAMES_TO_VALUES[value]
    if thrift_type == TType.STRING and details == "BINARY":
        return binary(value)
    return typed_value(thrift_type, details, value)


def typed_value(thrift_type: int, details: Any, value: Any) -> Any:
    if thrift_type == TType.STRUCT:
        return filled(details[0], value)
    if thrift_type == TType.LIST:
        return [typed_value(details[0], details[1], item) for item in value]
    if thrift_type == TType.MAP:
        return {key: typed_value(details[2], details[3], item) for key, item in value.items()}
    return float(value) if thrift_type == TType.DOUBLE else value


def binary(value: Mapping[str, Any]) -> bytes:
    """{"FP32": [..]} or {"hex": ".."} as bytes."""
    ((kind, content),) = value.items()
    if kind == "hex":
        return bytes.fromhex(content)
    numbers = [float(n) for n in content] if kind.startswith("FP") else content
    return np.array(numbers, dtype=ELEMENTS[kind]).tobytes()


def rows_of(data: bytes, datatype: int, rows: int, columns: int) -> list[list[float]]:
    elements = ELEMENTS[ttypes.DataType._VALUES_TO_NAMES[datatype]]
    return np.frombuffer(data, elements).reshape(rows, columns).tolist()


def plain_result(result: Any) -> dict[str, Any]:
    """The fields of a generated result, with tensors as numbers."""
    if not hasattr(result, "thrift_spec"):
        return {"result": result}
    fields = dict(vars(result))
    for name in ("scores", "values"):
        if name in fields:
            shape = (result.rows, result.columns)
            fields[name] = rows_of(fields[name], result.datatype, *shape)
    if "datatype" in fields:
        fields["datatype"] = ttypes.DataType._VALUES_TO_NAMES[result.datatype]
    if "outputs" in fields and isinstance(result, ttypes.InferResponse):
        fields["outputs"] = {tensor.name: plain_tensor(tensor) for tensor in result.outputs}
    return fields


def plain_tensor(tensor: Any) -> dict[str, Any]:
    elements = ELEMENTS[ttypes.DataType._VALUES_TO_NAMES[tensor.datatype]]
    return {"shape": tensor.shape, "values": np.frombuffer(tensor.data, elements).tolist()}
