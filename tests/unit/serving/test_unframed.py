# SPDX-License-Identifier: Apache-2.0
"""Where a message without a frame ends, against messages whose length is known."""

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from thrift_wire import encode

from thriftscore.serving.unframed import UnframedMessage
from thriftscore.serving.wire_reader import Encoding, MessageError

sys.path.append(str(Path(__file__).parents[2] / "wire"))
import strategies as wire

ENCODINGS = {"binary": Encoding.BINARY, "compact": Encoding.COMPACT}
NESTING_MAX = 64


def unframed(received, protocol, nesting_max=NESTING_MAX):
    return UnframedMessage(received, ENCODINGS[protocol], nesting_max)


@given(wire.calls() | wire.unknown_calls(), st.binary(max_size=9))
def test_the_end_is_found_whatever_follows(call, behind):
    _, protocol, message = call
    assert unframed(bytearray(message + behind), protocol).end() == len(message)


@given(wire.calls() | wire.unknown_calls(), st.data())
def test_the_end_is_found_in_pieces_and_not_before(call, data):
    _, protocol, message = call
    received = bytearray()
    ending = unframed(received, protocol)
    while len(received) < len(message):
        assert ending.end() is None
        left = len(message) - len(received)
        received += message[len(received) :][: data.draw(st.integers(1, left))]
    assert ending.end() == len(message)


@given(wire.damaged_calls())
def test_damaged_messages_end_are_refused_or_awaited(call):
    protocol, message = call
    if Encoding.detect(message) is not ENCODINGS[protocol]:
        return
    try:
        end = unframed(bytearray(message), protocol).end()
    except MessageError:
        return
    assert end is None or 0 < end <= len(message)


@pytest.mark.parametrize("protocol", ENCODINGS)
def test_nesting_has_a_limit(protocol):
    deep = {"binary": b"\x0c\x00\x01", "compact": b"\x1c"}[protocol] * (NESTING_MAX + 1)
    with pytest.raises(MessageError, match="deeper than 64"):
        unframed(bytearray(encode(protocol, "ping", 1)[:-1] + deep), protocol).end()


@pytest.mark.parametrize("protocol", ENCODINGS)
def test_byte_by_byte_costs_no_second_look(protocol):
    """A list of 20,000 strings in single bytes: each is passed once."""
    elements = {"binary": b"\x0f\x00\x01\x0b\x00\x00\x4e\x20", "compact": b"\x19\xf8\xa0\x9c\x01"}
    text = {"binary": b"\x00\x00\x00\x01a", "compact": b"\x01a"}[protocol] * 20_000
    message = encode(protocol, "ping", 1)[:-1] + elements[protocol] + text + b"\x00"
    received = bytearray()
    ending = unframed(received, protocol)
    steps = 0
    step = ending._step

    def counted():
        nonlocal steps
        steps += 1
        step()

    ending._step = counted
    for byte in message:
        received.append(byte)
        end = ending.end()
    assert end == len(message)
    assert steps < len(message) + 20_000 + 10
