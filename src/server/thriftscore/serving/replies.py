# SPDX-License-Identifier: Apache-2.0
"""Encoding with the Thrift library: protocols over bytes, and the replies that no handler gives."""

from __future__ import annotations

from typing import Any

from thrift.protocol.TBinaryProtocol import TBinaryProtocolAccelerated
from thrift.protocol.TCompactProtocol import TCompactProtocolAccelerated
from thrift.Thrift import TApplicationException, TMessageType
from thrift.transport.TTransport import TMemoryBuffer

from thriftscore.serving.wire_reader import Encoding


def open_protocol(  # the library's protocols have no types
    transport: TMemoryBuffer, encoding: Encoding, length_max: int
) -> Any:  # noqa: ANN401
    """A protocol of the Thrift library over `transport`, decoding in C.

    The library limits strings to 16,384,000 bytes by itself, whatever the frame limit is, so the
    limits are always given. A missing C extension is an error: the pure Python decoder is not
    bounded in depth.
    """
    if encoding is Encoding.BINARY:
        return TBinaryProtocolAccelerated(
            transport,
            strictRead=True,
            string_length_limit=length_max,
            container_length_limit=length_max,
            fallback=False,
        )
    return TCompactProtocolAccelerated(
        transport,
        string_length_limit=length_max,
        container_length_limit=length_max,
        fallback=False,
    )


def encode_exception(
    encoding: Encoding, call: tuple[str, int], error: TApplicationException
) -> bytes:
    """The message that answers `call`, a method and sequence id, with an exception."""
    return _encode(encoding, (call[0], TMessageType.EXCEPTION, call[1]), error)


def encode_result(encoding: Encoding, call: tuple[str, int], result: Any) -> bytes:  # noqa: ANN401
    """The message that answers `call` with `result`, a generated result struct."""
    return _encode(encoding, (call[0], TMessageType.REPLY, call[1]), result)


def _encode(encoding: Encoding, header: tuple[str, int, int], body: Any) -> bytes:  # noqa: ANN401
    transport = TMemoryBuffer()
    protocol = open_protocol(transport, encoding, 0)
    protocol.writeMessageBegin(*header)
    body.write(protocol)
    protocol.writeMessageEnd()
    encoded: bytes = transport.getvalue()
    return encoded
