# SPDX-License-Identifier: Apache-2.0
"""Every call in every way that a client may put it into the stream, on every kind of socket."""

import itertools
import struct

import pytest
from thrift.Thrift import TApplicationException
from thrift_wire import (
    TRANSPORTS,
    StockClient,
    encode,
    encode_reply,
    frame,
    header_frame,
    score_request,
)

from thriftscore._generated.ttypes import (
    DataType,
    InferRequest,
    NormalizeRequest,
    RepositoryIndexRequest,
    ScoreRequest,
    ScoringError,
    SparseScoreRequest,
    Tensor,
    TensorContents,
)

MODEL_NOT_FOUND = 2
PROTOCOLS = ["binary", "compact"]
LINEAR = {"model_name": "linear", "values": [100.0, 3.0, 20.0]}
ROW = struct.pack("<3f", 100, 3, 20)
SCORE = struct.pack("<f", 0.25)


def call_every_method(calls):
    """Answers on the loop, from Python and from the compute threads, and refusals."""
    assert calls.ping() is True
    response = calls.score(score_request([[100, 3, 20]], request_id="r-1"))
    assert (response.scores, response.request_id) == (SCORE, "r-1")
    assert calls.score_values("linear", [100.0, 3.0, 20.0]) == [0.25]
    assert calls.score_named("linear", {"area": 100.0, "rooms": 3.0, "age": 20.0}) == [0.25]
    sparse = SparseScoreRequest(
        "linear", "", struct.pack("<2q", 0, 3), struct.pack("<3i", 0, 1, 2), ROW
    )
    assert calls.score_sparse(sparse).scores == SCORE
    forward = calls.normalize(NormalizeRequest("linear", "", ROW))
    assert forward.values == bytes(12)
    assert calls.denormalize(NormalizeRequest("linear", "", forward.values)).values == ROW
    for fields in ({"data": ROW}, {"contents": TensorContents(fp_contents=[100, 3, 20])}):
        tensor = Tensor("features", DataType.FP32, [1, 3], **fields)
        assert calls.infer(InferRequest("linear", inputs=[tensor])).outputs[0].data == SCORE
    assert calls.score(ScoreRequest("wide", features=bytes(1024 * 8_000))).rows == 8_000
    assert calls.server_metadata().name == "thriftscore"
    assert calls.model_metadata("versioned", "canary").model_version == "2"
    with pytest.raises(ScoringError, match="nope") as failure:
        calls.score(ScoreRequest("nope"))
    assert failure.value.code == MODEL_NOT_FOUND
    with pytest.raises(ScoringError, match="'age'"):
        calls.score_named("linear", {"area": 1.0, "rooms": 2.0})
    assert calls.ping() is True


@pytest.mark.parametrize("service", ["", "ScoringService"], ids=["plain", "multiplexed"])
@pytest.mark.parametrize("protocol", ["binary", "compact"])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_stock_client_of_every_kind(server, transport, protocol, service):
    with server.client(protocol, transport=transport, service=service) as calls:
        call_every_method(calls)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("service", ["", "ModelRepositoryService"], ids=["plain", "multiplexed"])
def test_method_of_another_service_is_unknown(server, transport, service):
    with (
        StockClient(server.address, transport=transport, service=service, admin=True) as calls,
        pytest.raises(TApplicationException) as failure,
    ):
        calls.repository_index(RepositoryIndexRequest())
    assert failure.value.type == TApplicationException.UNKNOWN_METHOD


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_unix_socket_takes_every_transport(start_server, tmp_path, transport):
    path = tmp_path / "thriftscore.sock"
    start_server(unix_socket=path)
    with StockClient(str(path), "compact", transport=transport) as calls:
        call_every_method(calls)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_admin_port_takes_every_transport(server, transport, protocol):
    with StockClient(server.admin_address, protocol, transport=transport, admin=True) as calls:
        assert calls.repository_index(RepositoryIndexRequest()).versions


def test_messages_of_every_kind_may_follow_each_other(server):
    """H-15: each message is answered in its own encoding and transport, and in its turn."""
    around = {"framed": frame, "unframed": bytes, "header": header_frame}
    kinds = list(itertools.product(around.values(), PROTOCOLS))
    for number in range(50):
        sent, wanted = b"", b""
        for (first, encoding), (second, other) in itertools.permutations(kinds, 2):
            sent += first(encode(encoding, "score_values", number, **LINEAR))
            sent += second(encode(other, "ping", number))
            wanted += first(encode_reply(encoding, "score_values", number, success=[0.25]))
            wanted += second(encode_reply(other, "ping", number, success=True))
        with server.connect() as connection:
            connection.send(sent)
            connection.socket.shutdown(1)
            assert connection.read_to_end() == wanted


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_header_frame_in_pieces_of_any_size(server, protocol):
    message = header_frame(encode(protocol, "score_values", 3, **LINEAR))
    expected = header_frame(encode_reply(protocol, "score_values", 3, success=[0.25]))
    for cut in range(1, len(message)):
        with server.connect() as connection:
            connection.send(message[:cut])
            connection.send(message[cut:])
            assert connection.receive(len(expected)) == expected


def test_limit_of_a_frame_holds_with_a_header(start_server):
    limit = 4_096
    server = start_server(frame_bytes_max=limit)
    ping = encode("binary", "ping", 1)
    around = len(header_frame(ping)) - len(frame(ping))
    for excess in (0, 1):
        padding = limit - around - len(ping) - 7 + excess
        message = ping[:-1] + struct.pack(">bhi", 11, 99, padding) + bytes(padding) + b"\0"
        with server.connect() as connection:
            connection.send(header_frame(message))
            connection.socket.shutdown(1)
            reply = connection.read_to_end()
        answer = header_frame(encode_reply("binary", "ping", 1, success=True))
        assert reply == (b"" if excess else answer)


@pytest.mark.parametrize("verb", ["GET", "POST"])
def test_http_request_gets_one_answer_and_the_end(server, verb):
    request = f"{verb} /v2/health/live HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12345"
    with server.connect() as connection:
        connection.send(request.encode() * 2)
        head, _, body = connection.read_to_end().decode().partition("\r\n\r\n")
    assert head.splitlines()[0] == "HTTP/1.1 400 Bad Request"
    assert f"Content-Length: {len(body)}" in head.splitlines()
    assert "Connection: close" in head.splitlines()
    assert "speaks Apache Thrift" in body
    assert body.count("\n") == 1
