# SPDX-License-Identifier: Apache-2.0
"""The native codec against the stock Thrift library, both its pure and its accelerated decoder.

The rule is to refuse what either of the two refuses, and to agree with both about the rest. The
exceptions are decisions, listed here:

* Refused although both accept it: bool bytes other than 0 and 1; varints with more bits than their
  type and field ids beyond 16 bits, which one decoder lets grow and the other cuts; bytes after
  the message; names, counts and nesting beyond the limits of thriftscore.
* Accepted although one refuses it: strings in unknown fields that are not UTF-8, as they may be
  binary; nesting is counted in structs and containers only, so that a number may be inside 64.
"""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest
import stock_thrift as stock
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st
from thrift.Thrift import TApplicationException

from thriftscore._generated import ttypes
from thriftscore._native import wire

STRICTER = {
    "bad_bool",
    "varint_too_long",
    "field_id_out_of_range",
    "name_too_long",
    "too_many_elements",
    "too_many_values",
    "too_deep",
}
EXAMPLES = settings(max_examples=150, deadline=None)


def comparable(value: Any) -> Any:
    """NaN equals NaN of the same bits, and -0.0 is not 0.0."""
    if isinstance(value, float):
        return struct.pack(">d", value)
    if isinstance(value, list):
        return [comparable(element) for element in value]
    if isinstance(value, dict):
        return {key: comparable(element) for key, element in value.items()}
    return value


def stock_decodings(message: bytes, protocol: str) -> tuple[list[dict[str, Any]], list[str]]:
    """What the decoders that accept the message make of it, and why the others do not."""
    decodings = []
    refusals = []
    for kinds in (stock.PURE, stock.ACCELERATED):
        try:
            decodings.append(stock.decode_call(message, protocol, kinds))
        except stock.RefusedError as refused:
            refusals.append(str(refused))
    return decodings, refusals


def is_explained(refusal: str) -> bool:
    return "UnicodeDecodeError" in refusal or "depth exceeded" in refusal


def check_same(message: bytes, protocol: str) -> None:
    native = wire.decode_call(message, protocol)
    decodings, refusals = stock_decodings(message, protocol)
    status = native.pop("status")
    if status == "ok":
        assert all(is_explained(refusal) for refusal in refusals), refusals
        for decoding in decodings:
            assert decoding.pop("consumed") == len(message)
            assert decoding.pop("type") == 1
            if "arguments" not in native:  # no decoder: the arguments were checked only
                decoding.pop("arguments")
            assert comparable(native) == comparable(decoding)
    elif status == "trailing_bytes":
        assert refusals or all(decoding["consumed"] < len(message) for decoding in decodings)
    elif status == "invalid_message_type":
        assert all(decoding["type"] != 1 for decoding in decodings)
    else:
        assert refusals or status in STRICTER, (status, decodings)


@EXAMPLES
@given(strategies.calls())
def test_calls_that_keep_the_contract_are_decoded_alike(call: tuple[str, str, bytes]) -> None:
    _, protocol, message = call
    assert wire.decode_call(message, protocol)["status"] == "ok"
    check_same(message, protocol)


@EXAMPLES
@given(strategies.unknown_calls())
def test_unknown_fields_are_skipped_alike(call: tuple[str, str, bytes]) -> None:
    _, protocol, message = call
    check_same(message, protocol)


@EXAMPLES
@given(strategies.damaged_calls())
def test_damaged_calls_are_accepted_or_refused_alike(call: tuple[str, bytes]) -> None:
    protocol, message = call
    check_same(message, protocol)


@pytest.mark.parametrize("protocol", stock.PROTOCOLS)
def test_every_part_of_a_call_is_refused_by_all(protocol: str) -> None:
    context = ttypes.RequestContext("r", 5, "t", "a")
    request = ttypes.ScoreRequest("m", "1", b"\0\0\x80\x3f", ttypes.DataType.FP32, context, 1)
    arguments = strategies.ScoringService.score_args(request)
    message = stock.encode_call("score", arguments, protocol)
    for size in range(len(message)):
        assert wire.decode_call(message[:size], protocol)["status"] == "truncated"
        decodings, _ = stock_decodings(message[:size], protocol)
        assert decodings == []


HEADERS = st.dictionaries(st.binary(min_size=1, max_size=20), st.binary(max_size=20), max_size=5)


@EXAMPLES
@given(
    st.lists(
        st.tuples(strategies.calls(), st.sampled_from(["framed", "unframed", "header"]), HEADERS),
        min_size=1,
        max_size=4,
    ),
    st.integers(1, 100),
)
def test_streams_of_stock_clients_are_split_into_their_messages(
    sent: list[tuple[tuple[str, str, bytes], str, dict[bytes, bytes]]], read_bytes: int
) -> None:
    stream = b"".join(
        stock.frame(message, transport, protocol, headers)
        for (_, protocol, message), transport, headers in sent
    )
    *messages, end = wire.split_stream(stream, read_bytes)
    assert end is None
    assert [
        (found["transport"], found["protocol"], found["payload"], found["headers"])
        for found in messages
    ] == [
        (transport, protocol, message, headers if transport == "header" else {})
        for (_, protocol, message), transport, headers in sent
    ]
    assert sum(found["total_bytes"] for found in messages) == len(stream)


ADDRESSES = st.tuples(
    st.sampled_from(["framed", "unframed", "header"]), st.sampled_from(stock.PROTOCOLS)
)


@EXAMPLES
@given(ADDRESSES, strategies.REQUESTS["score"], strategies.I64, strategies.TEXTS)
def test_stock_clients_read_scores(
    address: tuple[str, str], source: Any, rows: int, version: str
) -> None:
    fields = {
        "scores": source.features,
        "datatype": source.datatype,
        "rows": rows,
        "columns": source.columns or 0,
        "model_version": version,
        "request_id": source.model_name or None,
    }
    reply = wire.encode_scores((*address, 7, "score"), fields)
    assert stock.plain(stock.receive(reply, *address, "score")) == fields


@EXAMPLES
@given(ADDRESSES, st.lists(strategies.DOUBLES, max_size=300))
def test_stock_clients_read_doubles(address: tuple[str, str], values: list[float]) -> None:
    reply = wire.encode_doubles((*address, -1, "score_values"), values)
    assert comparable(stock.receive(reply, *address, "score_values")) == comparable(values)


@EXAMPLES
@given(
    ADDRESSES,
    st.lists(
        st.tuples(
            strategies.TEXTS,
            strategies.I32,
            st.lists(strategies.I64, max_size=16),
            strategies.BLOBS,
        ),
        max_size=20,
    ),
)
def test_stock_clients_read_tensors(address: tuple[str, str], outputs: list[Any]) -> None:
    reply = wire.encode_tensors((*address, 7, "infer"), "m", outputs)
    response = stock.receive(reply, *address, "infer")
    assert [(t.name, t.datatype, t.shape, t.data) for t in response.outputs] == outputs
    assert (response.model_name, response.model_version, response.id) == ("m", "1", None)


@EXAMPLES
@given(ADDRESSES, st.booleans(), st.sampled_from(range(1, 11)), strategies.TEXTS)
def test_stock_clients_read_bools_and_errors(
    address: tuple[str, str], value: bool, code: int, text: str
) -> None:
    assert stock.receive(wire.encode_bool((*address, 7, "ping"), value), *address, "ping") is value
    with pytest.raises(ttypes.ScoringError) as error:
        stock.receive(wire.encode_error((*address, 7, "ping"), code, text, code), *address, "ping")
    assert (error.value.code, error.value.message) == (code, text)
    assert (error.value.retryable, error.value.retry_after_ms) == (True, code)
    with pytest.raises(TApplicationException) as exception:
        stock.receive(wire.encode_exception((*address, 7, "ping"), text, code), *address, "ping")
    assert (exception.value.type, exception.value.message) == (code, text)


def test_doubles_that_are_hard_to_carry_survive() -> None:
    values = [math.nan, math.inf, -math.inf, -0.0, 5e-324, 1.7976931348623157e308]
    for protocol in stock.PROTOCOLS:
        call = strategies.ScoringService.score_values_args("m", values)
        decoded = wire.decode_call(stock.encode_call("score_values", call, protocol), protocol)
        assert comparable(decoded["arguments"]["values"]) == comparable(values)
