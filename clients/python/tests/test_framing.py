# SPDX-License-Identifier: Apache-2.0
"""Messages come out of a stream whole and in order, however the stream is cut."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.protocol.TCompactProtocol import TCompactProtocol
from thrift.Thrift import TMessageType
from thrift.transport.TTransport import TMemoryBuffer

from thriftscore_client._generated import ScoringService, ttypes
from thriftscore_client.framing import FrameError, Framing

PROTOCOLS = {"binary": TBinaryProtocol, "compact": TCompactProtocol}
LIMIT = 1_000_000


def statistics() -> object:
    """A result with every type of the contract: nested lists of structs, maps, numbers, texts."""
    metadata = ttypes.ModelMetadata(
        name="größe",
        versions=["1", "2"],
        inputs=[ttypes.TensorMetadata(name="x", datatype=11, shape=[-1, 2**40])],
        feature_names=[f"feature {number}" for number in range(20)],
        has_normalizer=True,
        labels={"stable": 3, "canary": -(2**60)},
        categories={"colour": ["red", "green"], "none": []},
        split={},
    )
    return ScoringService.model_metadata_result(success=metadata)


def messages(protocol: str) -> list[bytes]:
    """Replies of several methods."""
    results = {
        "model_metadata": statistics(),
        "score_values": ScoringService.score_values_result(success=[0.5, -1e300]),
        "ping": ScoringService.ping_result(success=True),
        "score": ScoringService.score_result(
            success=ttypes.ScoreResponse(scores=b"\0" * 70_000, rows=1, request_id="r")
        ),
        "server_live": ScoringService.server_live_result(
            error=ttypes.ScoringError(code=4, message="late", retryable=True, retry_after_ms=-7)
        ),
    }
    return [
        _encoded(protocol, name, number, result)
        for number, (name, result) in enumerate(results.items())
    ]


def _encoded(protocol: str, name: str, number: int, result: object) -> bytes:
    transport = TMemoryBuffer()
    writer = PROTOCOLS[protocol](transport)
    writer.writeMessageBegin(name, TMessageType.REPLY, number)
    result.write(writer)
    writer.writeMessageEnd()
    return transport.getvalue()


def fed(splitter: object, data: bytes, piece: int) -> list[bytes]:
    """What comes out when the stream comes in pieces of this size."""
    found = []
    view = memoryview(data)
    while view:
        room = splitter.buffer()
        count = min(piece, len(view), len(room))
        room[:count] = view[:count]
        found += splitter.filled(count)
        view = view[count:]
    return [bytes(message) for message in found]


@pytest.mark.parametrize("piece", [1, 7, 65_535, 1_000_000])
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("transport", ["framed", "unframed", "header"])
def test_messages_come_out_as_they_went_in(transport, protocol, piece):
    framing = Framing(transport, protocol, LIMIT)
    sent = messages(protocol) * 2
    stream = b"".join(framing.prefix(len(message), 1) + message for message in sent)
    assert fed(framing.splitter(), stream, piece) == sent


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("transport", ["framed", "unframed", "header"])
def test_random_bytes_are_refused_or_waited_for_and_never_loop(transport, protocol):
    generator = np.random.default_rng(seed=3)
    starts = [b"", Framing(transport, protocol, LIMIT).prefix(60, 1) + messages(protocol)[0][:20]]
    for number in range(300):
        splitter = Framing(transport, protocol, LIMIT).splitter()
        try:
            fed(splitter, starts[number % 2] + generator.bytes(500), 500)
        except FrameError:
            continue


@pytest.mark.parametrize(
    ("transport", "bytes_", "reason"),
    [
        ("framed", struct.pack("!i", 0), "0 bytes"),
        ("framed", struct.pack("!i", -1), "-1 bytes"),
        ("framed", struct.pack("!i", LIMIT + 1), "expected 1 to"),
        ("header", struct.pack("!i", 5) + b"12345", "too short"),
        ("header", struct.pack("!i", 14) + b"\x0f\xfe" + bytes(12), "without"),
        ("header", struct.pack("!iHHIH", 14, 0xFFF, 0, 1, 9) + bytes(4), "without"),
        ("header", struct.pack("!iHHIH", 14, 0xFFF, 0, 1, 1) + b"\0\1\1\0", "transforms"),
        ("unframed", b"HTTP/1.1 400 Bad Request\r\n\r\n", "not a message"),
        ("unframed", struct.pack("!Hxbi", 0x8001, 2, -5), "not a message"),
        ("unframed", struct.pack("!Hxbi", 0x8001, 2, LIMIT), "at most"),
        ("unframed", struct.pack("!Hxbiibhi", 0x8001, 2, 0, 1, 11, 1, -1), "size of -1"),
        ("unframed", struct.pack("!Hxbiibh", 0x8001, 2, 0, 1, 99, 1), "unknown type"),
        ("unframed", struct.pack("!Hxbiibhbi", 0x8001, 2, 0, 1, 15, 1, 4, 2**31 - 1), "at most"),
        ("unframed", struct.pack("!Hxbii", 0x8001, 2, 0, 1) + b"\x0c\0\1" * 100, "nested"),
    ],
)
def test_what_is_no_message_is_refused(transport, bytes_, reason):
    with pytest.raises(FrameError, match=reason):
        fed(Framing(transport, "binary", LIMIT).splitter(), bytes_, 1_000)


@pytest.mark.parametrize(
    ("bytes_", "reason"),
    [
        (b"\x80\x01\0\1", "not a message"),
        (b"\x82\x41" + b"\xff" * 11, "ten bytes"),
        (b"\x82\x41\1\0" + b"\x1c" * 100, "nested"),
        (b"\x82\x41\1\0\x1e", "unknown type"),
    ],
)
def test_what_is_no_compact_message_is_refused(bytes_, reason):
    with pytest.raises(FrameError, match=reason):
        fed(Framing("unframed", "compact", LIMIT).splitter(), bytes_, 1_000)
