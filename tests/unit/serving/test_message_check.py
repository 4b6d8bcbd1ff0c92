# SPDX-License-Identifier: Apache-2.0
"""The check of a message against the stock library: what one accepts, the other decodes."""

import struct
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thrift.protocol.TBinaryProtocol import TBinaryProtocolAccelerated
from thrift.protocol.TCompactProtocol import TCompactProtocolAccelerated
from thrift.transport.TTransport import TMemoryBuffer
from thrift_wire import encode

from thriftscore._generated import ScoringService
from thriftscore._generated.ttypes import (
    InferParameter,
    InferRequest,
    RequestContext,
    ScoreRequest,
    Tensor,
    TensorContents,
)
from thriftscore.serving.message_check import MessageCheck, MessageLimits
from thriftscore.serving.wire_reader import Encoding, MessageError

ENCODINGS = {"binary": Encoding.BINARY, "compact": Encoding.COMPACT}
ACCELERATED = {"binary": TBinaryProtocolAccelerated, "compact": TCompactProtocolAccelerated}

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
parameters = st.one_of(
    st.builds(InferParameter, bool_param=st.booleans()),
    st.builds(InferParameter, int64_param=st.integers(-(2**63), 2**63 - 1)),
    st.builds(InferParameter, string_param=texts),
    st.builds(InferParameter, double_param=st.floats()),
)
contents = st.builds(
    TensorContents,
    bool_contents=st.none() | st.lists(st.booleans(), max_size=20),
    int_contents=st.none() | st.lists(st.integers(-(2**31), 2**31 - 1), max_size=20),
    int64_contents=st.none() | st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20),
    fp_contents=st.none() | st.lists(st.floats(), max_size=20),
    bytes_contents=st.none() | st.lists(st.binary(max_size=5), max_size=5),
)
tensors = st.builds(
    Tensor,
    name=texts,
    datatype=st.integers(-(2**31), 2**31 - 1),
    shape=st.lists(st.integers(-(2**63), 2**63 - 1), max_size=17),
    data=st.none() | st.binary(max_size=50),
    contents=st.none() | contents,
    parameters=st.none() | st.dictionaries(texts, parameters, max_size=3),
)
contexts = st.builds(
    RequestContext,
    request_id=st.none() | texts,
    deadline_ms=st.none() | st.integers(-(2**31), 2**31 - 1),
)
requests = st.builds(
    InferRequest,
    model_name=texts,
    inputs=st.lists(tensors, max_size=3),
    parameters=st.none() | st.dictionaries(texts, parameters, max_size=3),
    context=st.none() | contexts,
)


def check(protocol, message, **limits):
    checked = MessageCheck(message, ENCODINGS[protocol], MessageLimits(**limits))
    header = checked.header()
    checked.arguments(ScoringService.infer_args.thrift_spec)
    return header, checked.bad_text


@pytest.mark.parametrize("protocol", ENCODINGS)
@given(request=requests, sequence_id=st.integers(-(2**31), 2**31 - 1))
@settings(max_examples=60)
def test_what_the_library_writes_is_accepted(protocol, request, sequence_id):
    header, bad_text = check(protocol, encode(protocol, "infer", sequence_id, request=request))
    assert (header.name, header.message_type, header.sequence_id) == (b"infer", 1, sequence_id)
    assert bad_text is None


@pytest.mark.parametrize("protocol", ENCODINGS)
@given(request=requests, data=st.data())
@settings(max_examples=150)
def test_what_is_accepted_the_library_decodes(protocol, request, data):
    """Damaged messages either are refused here or decode without an exception."""
    message = bytearray(encode(protocol, "infer", 1, request=request))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(message) - 1))
        message[place] = data.draw(st.integers(0, 255))
    try:
        checked = MessageCheck(bytes(message), ENCODINGS[protocol], MessageLimits())
        checked.header()
        start = checked.position
        checked.arguments(ScoringService.infer_args.thrift_spec)
    except MessageError:
        return
    source = ACCELERATED[protocol](TMemoryBuffer(bytes(message), offset=start), fallback=False)
    ScoringService.infer_args().read(source)
    assert source.trans.read(1) == b""


@pytest.mark.parametrize("protocol", ENCODINGS)
def test_every_truncation_is_refused(protocol):
    tensor = Tensor("x", 11, [1, 3], bytes(12), TensorContents(fp_contents=[1.0, 2.0]))
    request = InferRequest("linear", "1", "id", {"a": InferParameter(True)}, [tensor])
    message = encode(protocol, "infer", 1, request=request)
    check(protocol, message)
    for length in range(len(message)):
        with pytest.raises(MessageError):
            check(protocol, message[:length])


@pytest.mark.parametrize("protocol", ENCODINGS)
@given(junk=st.binary(max_size=200))
def test_junk_never_raises_anything_else(protocol, junk):
    with suppress(MessageError):
        check(protocol, junk)


def test_limits_are_exact():
    shape = Tensor("x", shape=[1] * 50)
    message = encode("binary", "infer", 1, request=InferRequest("m", inputs=[shape, shape]))
    # Fields: request; name, version and inputs; in each tensor name, datatype and shape.
    elements = 1 + 3 + 2 + 2 * 3 + 2 * 50
    check("binary", message, elements_max=elements, struct_elements_max=2, nesting_max=5)
    for limits in (
        {"elements_max": elements - 1},
        {"struct_elements_max": 1},
        {"nesting_max": 4},
    ):
        with pytest.raises(MessageError):
            check("binary", message, **limits)


def test_bad_text_is_named_by_its_field():
    message = encode("binary", "score", 1, request=ScoreRequest("linear"))
    message = message.replace(b"linear", b"line\xffr")
    checked = MessageCheck(message, Encoding.BINARY, MessageLimits())
    checked.header()
    checked.arguments(ScoringService.score_args.thrift_spec)
    assert checked.bad_text == "model_name"


def test_zigzag_of_a_negative_field_id():
    negative = b"\x82\x21\x01\x04ping" + b"\x05\x01\x00" + b"\x00"
    checked = MessageCheck(negative, Encoding.COMPACT, MessageLimits())
    checked.header()
    checked.arguments(ScoringService.ping_args.thrift_spec)
    assert struct.unpack(">B", negative[9:10]) == (1,)
