# SPDX-License-Identifier: Apache-2.0
"""Calls of every kind, valid ones and damaged ones."""

from __future__ import annotations

import uuid
from typing import Any

from hypothesis import strategies as st
from stock_thrift import METHODS, PROTOCOLS, encode_call, encode_unknown_call
from thrift.Thrift import TType

from thriftscore._generated import ScoringService, ttypes

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
BLOBS = st.binary(max_size=40)
I32 = st.integers(-(2**31), 2**31 - 1)
I64 = st.integers(-(2**63), 2**63 - 1)
DOUBLES = st.floats()


def optional(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


CONTEXTS = optional(
    st.builds(
        ttypes.RequestContext, optional(TEXTS), optional(I32), optional(TEXTS), optional(TEXTS)
    )
)
PARAMETERS = optional(
    st.dictionaries(
        TEXTS,
        st.builds(
            ttypes.InferParameter,
            optional(st.booleans()),
            optional(I64),
            optional(TEXTS),
            optional(DOUBLES),
        ),
        max_size=3,
    )
)
CONTENTS = st.builds(
    ttypes.TensorContents,
    optional(st.lists(st.booleans(), max_size=20)),
    optional(st.lists(I32, max_size=20)),
    optional(st.lists(I64, max_size=20)),
    optional(st.lists(DOUBLES, max_size=20)),
    optional(st.lists(BLOBS, max_size=5)),
)
TENSORS = st.builds(
    ttypes.Tensor,
    TEXTS,
    I32,
    st.lists(I64, max_size=16),
    optional(BLOBS),
    optional(CONTENTS),
    PARAMETERS,
)
OUTPUTS = st.builds(ttypes.InferRequestedOutput, TEXTS, PARAMETERS)

REQUESTS: dict[str, st.SearchStrategy[Any]] = {
    "score": st.builds(ttypes.ScoreRequest, TEXTS, TEXTS, BLOBS, I32, CONTEXTS, optional(I32)),
    "score_sparse": st.builds(
        ttypes.SparseScoreRequest, TEXTS, TEXTS, BLOBS, BLOBS, BLOBS, I32, CONTEXTS
    ),
    "normalize": st.builds(
        ttypes.NormalizeRequest, TEXTS, TEXTS, BLOBS, I32, CONTEXTS, optional(I32)
    ),
    "infer": st.builds(
        ttypes.InferRequest,
        TEXTS,
        TEXTS,
        optional(TEXTS),
        PARAMETERS,
        st.lists(TENSORS, max_size=3),
        optional(st.lists(OUTPUTS, max_size=3)),
        CONTEXTS,
    ),
}

ARGUMENTS: dict[str, st.SearchStrategy[Any]] = {
    "ping": st.builds(ScoringService.ping_args),
    "score_values": st.builds(
        ScoringService.score_values_args, optional(TEXTS), optional(st.lists(DOUBLES, max_size=40))
    ),
    "score_named": st.builds(
        ScoringService.score_named_args,
        optional(TEXTS),
        optional(st.dictionaries(TEXTS, DOUBLES, max_size=20)),
    ),
    **{
        method: st.builds(getattr(ScoringService, f"{method}_args"), optional(requests))
        for method, requests in REQUESTS.items()
    },
}

PREFIXES = st.sampled_from(["", "ScoringService:"])


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, str, bytes]:
    """Method, protocol and bytes of a call that keeps the contract."""
    method = draw(st.sampled_from(METHODS))
    protocol = draw(st.sampled_from(PROTOCOLS))
    name = draw(PREFIXES) + method
    return method, protocol, encode_call(name, draw(ARGUMENTS[method]), protocol, draw(I32))


UNKNOWN_SCALARS: dict[int, st.SearchStrategy[Any]] = {
    TType.BOOL: st.booleans(),
    TType.BYTE: st.integers(-128, 127),
    TType.I16: st.integers(-(2**15), 2**15 - 1),
    TType.I32: I32,
    TType.I64: I64,
    TType.DOUBLE: DOUBLES,
    TType.STRING: st.binary(max_size=12),
    TType.UUID: st.uuids().map(lambda value: uuid.UUID(bytes=value.bytes)),
}


def unknown_values(type_code: int, depth: int) -> st.SearchStrategy[Any]:
    """Values of any type, as `write_value` takes them."""
    if type_code in UNKNOWN_SCALARS:
        return UNKNOWN_SCALARS[type_code]
    if type_code == TType.STRUCT:
        return unknown_fields(depth)
    element_types = unknown_types(depth)
    if type_code == TType.MAP:
        return st.tuples(element_types, element_types).flatmap(
            lambda types: st.tuples(
                st.just(types[0]),
                st.just(types[1]),
                st.lists(
                    st.tuples(*(unknown_values(code, depth - 1) for code in types)), max_size=3
                ),
            )
        )
    return element_types.flatmap(
        lambda code: st.tuples(
            st.just(code), st.lists(unknown_values(code, depth - 1), max_size=20)
        )
    )


def unknown_types(depth: int) -> st.SearchStrategy[int]:
    containers = [TType.STRUCT, TType.MAP, TType.SET, TType.LIST] if depth > 0 else []
    return st.sampled_from([*UNKNOWN_SCALARS, *containers])


def unknown_fields(depth: int) -> st.SearchStrategy[list[tuple[int, int, Any]]]:
    field = unknown_types(depth).flatmap(
        lambda code: st.tuples(
            st.integers(-(2**15), 2**15 - 1) | st.integers(1, 10),
            st.just(code),
            unknown_values(code, depth - 1),
        )
    )
    return st.lists(field, max_size=4)


@st.composite
def unknown_calls(draw: st.DrawFn) -> tuple[str, str, bytes]:
    """As `calls`, with fields of ids and types that the contract may not have."""
    method = draw(st.sampled_from(METHODS))
    protocol = draw(st.sampled_from(PROTOCOLS))
    return method, protocol, encode_unknown_call(method, draw(unknown_fields(3)), protocol)


@st.composite
def damaged_calls(draw: st.DrawFn) -> tuple[str, bytes]:
    """Protocol and bytes of a call that was cut, extended, or changed in places."""
    _, protocol, message = draw(calls() | unknown_calls())
    damaged = bytearray(message)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(damaged)))
        kind = draw(st.sampled_from(["set", "insert", "delete", "cut"]))
        if kind == "set" and at < len(damaged):
            damaged[at] = draw(st.integers(0, 255))
        elif kind == "insert":
            damaged[at:at] = draw(st.binary(min_size=1, max_size=8))
        elif kind == "delete":
            del damaged[at : at + draw(st.integers(1, 8))]
        elif kind == "cut":
            del damaged[at:]
    return protocol, bytes(damaged)
