# SPDX-License-Identifier: Apache-2.0
"""What only the native data port does: more transports, and answers without the GIL."""

import struct
import subprocess
import sys
import threading

import pytest
from server_process import native_only
from thrift.Thrift import TApplicationException
from thrift_wire import (
    TRANSPORTS,
    StockClient,
    encode,
    encode_reply,
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
from thriftscore.cli.load_generator import run_load

pytestmark = native_only

MODEL_NOT_FOUND, INVALID_ARGUMENT = 2, 1
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
    assert calls.server_metadata().io_mode == "native"
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


def test_unframed_and_framed_messages_may_follow_each_other(server):
    """H-15: each message is answered in its own encoding and transport."""
    with server.connect() as connection:
        for number in range(50):
            for protocol in ("binary", "compact"):
                message = encode(protocol, "score_values", number, **LINEAR)
                assert connection.call(message, protocol).success == [0.25]
                connection.send(message)
                expected = encode_reply(protocol, "score_values", number, success=[0.25])
                assert connection.receive(len(expected)) == expected
        connection.socket.shutdown(1)
        assert connection.read_to_end() == b""


LINEAR = {"model_name": "linear", "values": [100.0, 3.0, 20.0]}


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


def test_large_and_small_requests_of_many_clients_are_answered_right(server):
    """Loops and compute threads at once: no reply may reach another client."""
    failures = []

    def ask(client):
        with server.client("compact" if client % 2 else "binary") as calls:
            for turn in range(15):
                rows = 1 if turn % 3 else 20_000
                fill = struct.pack("<2f", float(client), float(turn))
                context_id = f"{client}-{turn}"
                request = ScoreRequest("versioned", features=fill * rows)
                request.context = score_request([[0.0]], request_id=context_id).context
                response = calls.score(request)
                right = struct.pack("<f", 100.0 + client - turn) * rows
                if (response.scores, response.request_id) != (right, context_id):
                    failures.append((client, turn))

    threads = [threading.Thread(target=ask, args=(client,)) for client in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


HOLDER = """
import ctypes, os, sys
from pathlib import Path
from thriftscore.config import load_config
from thriftscore.serving import serve

free = {"host": "127.0.0.1", "port": 0, "admin_port": 0}
flags = free | {"repository": Path(sys.argv[1]), "io": sys.argv[2]}
with serve(load_config(flags, environment={})) as server:
    print(server.port, flush=True)
    sys.stdin.readline()
    libc = ctypes.PyDLL(None)      # PyDLL keeps the GIL
    sys.setswitchinterval(1_000)   # and nobody gets it between the two calls
    libc.write(1, b"holding\\n", 8)
    libc.sleep(5)
    os.write(1, b"released\\n")
    sys.setswitchinterval(0.005)
    sys.stdin.readline()
"""


@pytest.fixture
def holder(models_repository, io_mode):
    """A process with an embedded server; a line to it makes it hold the GIL for five seconds."""
    command = [sys.executable, "-c", HOLDER, str(models_repository), io_mode]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        yield process
        process.kill()


def test_scores_come_while_the_process_holds_the_gil(holder):
    """R26: a call for Python, which waits for the GIL, proves that it is held all the time."""
    address = ("127.0.0.1", int(holder.stdout.readline()))
    python_answered = threading.Event()

    def ask_python():
        with StockClient(address) as calls:
            assert calls.server_live() is True
            python_answered.set()

    with StockClient(address) as calls:
        assert calls.score(score_request([[100, 3, 20]])).scores == SCORE
        holder.stdin.write("\n")
        assert holder.stdout.readline() == "holding\n"
        asker = threading.Thread(target=ask_python)
        asker.start()
        released = threading.Thread(target=holder.stdout.readline)
        released.start()
        during = 0
        while released.is_alive():
            assert calls.score(score_request([[100, 3, 20]])).scores == SCORE
            during += not python_answered.is_set()
        asker.join()
        assert python_answered.is_set()
        assert during >= 100
    holder.stdin.write("\n")
    assert holder.wait(30) == 0


def test_large_messages_get_the_memory_of_earlier_ones(start_server):
    """Memory that is asked for anew has to be cleared by the system, page by page."""
    server = start_server()
    load = {"endpoint": "{}:{}".format(*server.address), "model": "wide", "features": 256}
    load |= {"rows": 1_000, "connections": 4, "requests": 400, "duration_s": 0, "warmup_s": 0}
    run_load(load)
    before = server.page_faults()
    assert run_load(load)["requests"] == 400
    pages_of_requests = 400 * 1_000 * 256 * 4 // 4096
    assert server.page_faults() - before < pages_of_requests / 50
