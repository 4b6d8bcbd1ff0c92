# SPDX-License-Identifier: Apache-2.0
"""Messages are what the stock Thrift library reads, in both protocols."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from thrift.protocol.TBinaryProtocol import TBinaryProtocol, TBinaryProtocolAccelerated
from thrift.protocol.TCompactProtocol import TCompactProtocol, TCompactProtocolAccelerated
from thrift.Thrift import TMessageType
from thrift.transport.TTransport import TMemoryBuffer

from thriftscore_client import ClientOptions, codec
from thriftscore_client._generated import ScoringService, ttypes
from thriftscore_client.calls import Call, Context, Wire
from thriftscore_client.codec import Codec, Payload
from thriftscore_client.deadline import Deadline
from thriftscore_client.tensors import memory

READERS = {
    "binary": (TBinaryProtocol, TBinaryProtocolAccelerated),
    "compact": (TCompactProtocol, TCompactProtocolAccelerated),
}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def request(features: bytes | None, context: object = None) -> object:
    return ttypes.ScoreRequest(
        model_name="linear",
        model_version="stable",
        features=features,
        context=context,
        columns=3,
    )


def encoded(protocol: str, features: np.ndarray) -> list[bytes]:
    wire = Wire(ClientOptions(protocol=protocol, transport="unframed"))
    codec = wire.codec
    arguments = codec.encode_struct(ScoringService.score_args(request(None)))
    rest = codec.string_field(3, TRACE) + codec.string_field(4, "secret")
    call = Call(
        "score",
        codec.open_context(arguments, 5),
        convert=float,
        context=Context("r", b"r", rest),
        payload=Payload(3, memory(features)),
    )
    return wire.encode(call, 7, Deadline(0.9995))


@pytest.mark.parametrize("accelerated", [0, 1])
@pytest.mark.parametrize("protocol", READERS)
@pytest.mark.parametrize("rows", [0, 1, 10, 11, 1366, 200_000])
def test_a_payload_and_a_context_are_read_as_the_fields_they_are(protocol, accelerated, rows):
    features = np.random.default_rng(seed=1).normal(size=(rows, 3)).astype(np.float32)
    transport = TMemoryBuffer(b"".join(encoded(protocol, features)))
    reader = READERS[protocol][accelerated](transport)
    assert reader.readMessageBegin() == ("score", TMessageType.CALL, 7)
    read = ScoringService.score_args()
    read.read(reader)
    reader.readMessageEnd()
    context = ttypes.RequestContext(
        request_id="r",
        deadline_ms=read.request.context.deadline_ms,
        traceparent=TRACE,
        auth_token="secret",
    )
    assert 0 < context.deadline_ms < 1000
    assert read == ScoringService.score_args(request(features.tobytes(), context))
    assert transport.cstringio_buf.read() == b""


@pytest.mark.parametrize("protocol", READERS)
def test_a_payload_is_sent_from_the_callers_memory(protocol):
    features = np.zeros((10_000, 3), dtype=np.float32)
    parts = encoded(protocol, features)
    assert any(np.shares_memory(np.frombuffer(part, np.uint8), features) for part in parts if part)


@pytest.mark.parametrize("protocol", READERS)
@pytest.mark.parametrize("sequence", [1, 127, 128, 2**31 - 1])
@pytest.mark.parametrize("kind", [TMessageType.REPLY, TMessageType.EXCEPTION])
def test_heads_that_the_stock_library_writes_are_read(protocol, sequence, kind):
    transport = TMemoryBuffer()
    writer = READERS[protocol][0](transport)
    writer.writeMessageBegin("score_values", kind, sequence)
    message = transport.getvalue()
    head = Codec(protocol, 1000).read_head(message)
    assert head == ("score_values", kind, sequence, len(message))


def test_a_missing_compiled_codec_is_reported_and_works(monkeypatch, caplog):
    ping = ScoringService.ping_args()
    fast = Codec("binary", 1000).encode_struct(ping)
    monkeypatch.setitem(codec._PROTOCOLS, "binary", TBinaryProtocol)
    with caplog.at_level(logging.WARNING, "thriftscore_client"):
        slow = Codec("binary", 1000).encode_struct(ping)
    assert "no compiled codec" in caplog.text
    assert slow == fast
