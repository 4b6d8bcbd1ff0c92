# SPDX-License-Identifier: Apache-2.0
"""The stock Thrift library as the reference: decoding calls to plain values, framing, replies."""

from __future__ import annotations

from typing import Any

from thrift.protocol.TBinaryProtocol import TBinaryProtocol, TBinaryProtocolAccelerated
from thrift.protocol.TCompactProtocol import TCompactProtocol, TCompactProtocolAccelerated
from thrift.protocol.TProtocol import TProtocolBase
from thrift.Thrift import TMessageType, TType
from thrift.transport.THeaderTransport import THeaderClientType, THeaderTransport
from thrift.transport.TTransport import TFramedTransport, TMemoryBuffer

from thriftscore._generated import ScoringService

PURE = {"binary": TBinaryProtocol, "compact": TCompactProtocol}
ACCELERATED = {"binary": TBinaryProtocolAccelerated, "compact": TCompactProtocolAccelerated}
PROTOCOLS = ["binary", "compact"]
HEADER_PROTOCOL_IDS = {"binary": 0, "compact": 2}
METHODS = ["ping", "score", "score_sparse", "score_values", "score_named", "normalize", "infer"]


class RefusedError(Exception):
    """The reference does not accept the bytes."""


def protocol_over(kinds: dict[str, type[TProtocolBase]], name: str, transport: Any) -> Any:
    if kinds is ACCELERATED:
        options = {"strictRead": True} if name == "binary" else {}
        return kinds[name](transport, fallback=False, **options)
    return kinds[name](transport, strictRead=True) if name == "binary" else kinds[name](transport)


def encode_call(name: str, arguments: Any, protocol_name: str, sequence_id: int = 7) -> bytes:
    buffer = TMemoryBuffer()
    protocol = protocol_over(PURE, protocol_name, buffer)
    protocol.writeMessageBegin(name, TMessageType.CALL, sequence_id)
    arguments.write(protocol)
    protocol.writeMessageEnd()
    return bytes(buffer.getvalue())


def decode_call(message: bytes, protocol_name: str, kinds: dict[str, Any]) -> dict[str, Any]:
    """The call as `_native.wire.decode_call` gives it, with the bytes that were consumed.

    Raises RefusedError for everything the library raises, which is more than its own exceptions.
    """
    buffer = TMemoryBuffer(message)
    protocol = protocol_over(kinds, protocol_name, buffer)
    try:
        name, message_type, sequence_id = protocol.readMessageBegin()
        service, _, method = name.rpartition(":") if ":" in name else ("", "", name)
        arguments = getattr(ScoringService, f"{method}_args", ScoringService.ping_args)()
        arguments.read(protocol)
    except Exception as error:
        raise RefusedError(f"{type(error).__name__}: {error}") from error
    return {
        "service": service,
        "method": method,
        "type": message_type,
        "sequence_id": sequence_id,
        "arguments": plain(arguments),
        "consumed": buffer._buffer.tell(),
    }


def plain(value: Any) -> Any:
    """Structs as dicts of their fields, recursively."""
    if isinstance(value, list):
        return [plain(element) for element in value]
    if isinstance(value, dict):
        return {key: plain(element) for key, element in value.items()}
    spec = getattr(value, "thrift_spec", None)
    if spec is None:
        return value
    return {field[2]: plain(getattr(value, field[2])) for field in spec if field}


def frame(message: bytes, transport: str, protocol: str, headers: dict[bytes, bytes]) -> bytes:
    """The message as a stock client puts it on the wire."""
    if transport == "unframed":
        return message
    buffer = TMemoryBuffer()
    if transport == "framed":
        framed: Any = TFramedTransport(buffer)
    else:
        framed = THeaderTransport(
            buffer, [THeaderClientType.HEADERS], HEADER_PROTOCOL_IDS[protocol]
        )
        for key, value in headers.items():
            framed.set_header(key, value)
    framed.write(message)
    framed.flush()
    return bytes(buffer.getvalue())


def receive(reply: bytes, transport: str, protocol_name: str, method: str) -> Any:
    """What a generated client returns, or raises, for this reply."""
    buffer: Any = TMemoryBuffer(reply)
    if transport == "framed":
        buffer = TFramedTransport(buffer)
    if transport == "header":
        buffer = THeaderTransport(buffer, [THeaderClientType.HEADERS])
        buffer.readFrame(0)
        assert buffer.protocol_id == HEADER_PROTOCOL_IDS[protocol_name]
    protocol = protocol_over(PURE, protocol_name, buffer)
    return getattr(ScoringService.Client(protocol), f"recv_{method}")()


def write_value(protocol: Any, type_code: int, value: Any) -> None:
    """Writes a value that no contract knows. Containers are (element types…, elements)."""
    writers = {
        TType.BOOL: "writeBool",
        TType.BYTE: "writeByte",
        TType.I16: "writeI16",
        TType.I32: "writeI32",
        TType.I64: "writeI64",
        TType.DOUBLE: "writeDouble",
        TType.STRING: "writeBinary",
        TType.UUID: "writeUuid",
    }
    if type_code in writers:
        getattr(protocol, writers[type_code])(value)
    elif type_code == TType.STRUCT:
        write_fields(protocol, value)
    elif type_code == TType.MAP:
        key_type, value_type, pairs = value
        protocol.writeMapBegin(key_type, value_type, len(pairs))
        for key, element in pairs:
            write_value(protocol, key_type, key)
            write_value(protocol, value_type, element)
        protocol.writeMapEnd()
    else:
        element_type, elements = value
        kind = "List" if type_code == TType.LIST else "Set"
        getattr(protocol, f"write{kind}Begin")(element_type, len(elements))
        for element in elements:
            write_value(protocol, element_type, element)
        getattr(protocol, f"write{kind}End")()


def write_fields(protocol: Any, fields: list[tuple[int, int, Any]]) -> None:
    """Writes a struct of (id, type, value)."""
    protocol.writeStructBegin("unknown")
    for identifier, type_code, value in fields:
        protocol.writeFieldBegin("unknown", type_code, identifier)
        write_value(protocol, type_code, value)
        protocol.writeFieldEnd()
    protocol.writeFieldStop()
    protocol.writeStructEnd()


def encode_unknown_call(name: str, fields: list[tuple[int, int, Any]], protocol_name: str) -> bytes:
    buffer = TMemoryBuffer()
    protocol = protocol_over(PURE, protocol_name, buffer)
    protocol.writeMessageBegin(name, TMessageType.CALL, 7)
    write_fields(protocol, fields)
    protocol.writeMessageEnd()
    return bytes(buffer.getvalue())
