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
from thriftscore_client.codec import Codec, Payload
from thriftscore_client.tensors import memory

READERS = {
    "binary": (TBinaryProtocol, TBinaryProtocolAccelerated),
    "compact": (TCompactProtocol, TCompactProtocolAccelerated),
}


def arguments(features: bytes | None) -> object:
    request = ttypes.ScoreRequest(
        model_name="linear",
        model_version="stable",
        features=features,
        context=ttypes.RequestContext(request_id="r"),
        columns=3,
    )
    return ScoringService.score_args(request)


@pytest.mark.parametrize("accelerated", [0, 1])
@pytest.mark.parametrize("protocol", READERS)
@pytest.mark.parametrize("rows", [0, 1, 10, 11, 1366, 200_000])
def test_a_payload_is_read_as_the_field_it_is(protocol, accelerated, rows):
    features = np.random.default_rng(seed=1).normal(size=(rows, 3)).astype(np.float32)
    payload = Payload(3, memory(features))
    parts = Codec(ClientOptions(protocol=protocol)).encode("score", 7, arguments(None), payload)
    transport = TMemoryBuffer(b"".join(parts))
    reader = READERS[protocol][accelerated](transport)
    assert reader.readMessageBegin() == ("score", TMessageType.CALL, 7)
    read = ScoringService.score_args()
    read.read(reader)
    reader.readMessageEnd()
    assert read == arguments(features.tobytes())
    assert transport.cstringio_buf.read() == b""


@pytest.mark.parametrize("protocol", READERS)
def test_a_payload_is_sent_from_the_callers_memory(protocol):
    features = np.zeros((100, 3), dtype=np.float32)
    payload = Payload(3, memory(features))
    parts = Codec(ClientOptions(protocol=protocol)).encode("score", 1, arguments(None), payload)
    assert np.shares_memory(np.frombuffer(parts[1], dtype=np.uint8), features)


def test_a_missing_compiled_codec_is_reported_and_works(monkeypatch, caplog):
    ping = ScoringService.ping_args()
    fast = Codec(ClientOptions()).encode("ping", 1, ping, None)
    monkeypatch.setitem(codec._PROTOCOLS, "binary", TBinaryProtocol)
    with caplog.at_level(logging.WARNING, "thriftscore_client"):
        slow = Codec(ClientOptions()).encode("ping", 1, ping, None)
    assert "no compiled codec" in caplog.text
    assert b"".join(slow) == b"".join(fast)
