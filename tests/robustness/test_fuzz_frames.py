# SPDX-License-Identifier: Apache-2.0
"""Random and damaged streams beside a client whose every call must be right (R12)."""

import struct
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from thrift_wire import encode, frame, header_frame, score_request

from thriftscore._generated.ttypes import InferRequest, SparseScoreRequest, Tensor

GOOD = [
    encode(protocol, method, 9, **fields)
    for protocol in ("binary", "compact")
    for method, fields in [
        ("ping", {}),
        ("score", {"request": score_request([[1, 2, 3]], request_id="r")}),
        ("score_values", {"model_name": "linear", "values": [1.0, 2.0, 3.0]}),
        ("score_named", {"model_name": "linear", "features": {"age": 1.0, "area": 2.0}}),
        (
            "score_sparse",
            {"request": SparseScoreRequest("linear", "", bytes(16), b"", b"")},
        ),
        (
            "infer",
            {"request": InferRequest("linear", inputs=[Tensor("features", 11, [1, 3], bytes(12))])},
        ),
    ]
]


@st.composite
def damaged(draw, *, header=False):
    """A good message with some bytes replaced, removed or added, those of its THeader included."""
    good = draw(st.sampled_from(GOOD))
    message = bytearray(header_frame(good)[4:] if header else good)
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(message)))
        removed = draw(st.integers(0, 4))
        message[place : place + removed] = draw(st.binary(max_size=4))
    return frame(bytes(message))


piece = damaged() | damaged(header=True) | st.binary(max_size=60) | st.sampled_from(GOOD)
streams = st.lists(piece, max_size=6)


@pytest.fixture
def victim(server):
    """Calls in a loop while the test runs; all its answers must be right."""
    done, wrong, count = threading.Event(), [], [0]

    def call():
        with server.client() as calls:
            while not done.is_set():
                response = calls.score(score_request([[100, 3, 20]], request_id=str(count[0])))
                right = (struct.pack("<f", 0.25), str(count[0]))
                if (response.scores, response.request_id) != right:
                    wrong.append(response)
                count[0] += 1

    thread = threading.Thread(target=call)
    thread.start()
    yield
    done.set()
    thread.join()
    assert wrong == []
    assert count[0] > 0
    assert server.process.poll() is None
    assert server.events("connection_failed") == []
    assert server.events("reply_failed") == []
    assert server.events("call_failed") == []


@pytest.mark.usefixtures("victim")
@given(parts=streams)
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_stream_hurts_another_connection(server, parts):
    with server.connect(timeout_s=10) as connection:
        try:
            connection.send(b"".join(parts))
            connection.socket.shutdown(1)
        except OSError:
            return  # closed on the first wrong bytes
        connection.read_to_end()
