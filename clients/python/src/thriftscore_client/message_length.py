# SPDX-License-Identifier: Apache-2.0
"""How long an unframed message is, found by walking over its fields.

Each generator yields how many bytes from the message's start it needs, is sent the bytes that have
come, and returns the length. It never looks at a byte twice, so a message that comes in many pieces
costs no more than one that comes whole. Raises ValueError for what is no Thrift message.

Formats: the Thrift binary and compact protocol specifications.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Generator

_DEPTH_MAX = 64
_VERSION = 0x8001
_BINARY_STRUCT, _BINARY_STRING = 12, 11
_BINARY_SIZES = {2: 1, 3: 1, 4: 8, 6: 2, 8: 4, 10: 8, 16: 16}
_BINARY_MAP, _BINARY_SET, _BINARY_LIST = 13, 14, 15
_COMPACT_SIZES = {3: 1, 7: 8, 13: 16}
_COMPACT_INTEGERS = (4, 5, 6)
_COMPACT_STRING, _COMPACT_MAP, _COMPACT_STRUCT = 8, 11, 12
_COMPACT_LISTS = (9, 10)
_COMPACT_BOOLEANS = (1, 2)

LengthGenerator = Generator[int, bytearray, int]
_Walk = Generator[int, bytearray, int]


def binary_message_length() -> LengthGenerator:
    """Of a message of the strict binary protocol."""
    data = yield 8
    version, name = struct.unpack_from("!H2xi", data)
    if version != _VERSION or name < 0:
        raise ValueError("what came is not a message of the binary protocol")
    return (yield from _binary_struct(8 + name + 4, 0))


def _binary_struct(position: int, depth: int) -> _Walk:
    _check_depth(depth)
    while True:
        data = yield position + 1
        kind = data[position]
        position += 1
        if kind == 0:
            return position
        position = yield from _binary_value(kind, position + 2, depth)


def _binary_value(kind: int, position: int, depth: int) -> _Walk:
    if kind in _BINARY_SIZES:
        return position + _BINARY_SIZES[kind]
    if kind == _BINARY_STRUCT:
        return (yield from _binary_struct(position, depth + 1))
    if kind == _BINARY_STRING:
        return position + 4 + (yield from _binary_count(position))
    _check_depth(depth)
    if kind in {_BINARY_SET, _BINARY_LIST}:
        data = yield position + 1
        kinds = [data[position]]
    elif kind == _BINARY_MAP:
        data = yield position + 2
        kinds = list(data[position : position + 2])
    else:
        raise ValueError(f"a value of the unknown type {kind} came")
    count = yield from _binary_count(position + len(kinds))
    return (yield from _binary_elements(kinds, count, position + len(kinds) + 4, depth + 1))


def _binary_elements(kinds: list[int], count: int, position: int, depth: int) -> _Walk:
    sizes = [_BINARY_SIZES.get(kind, 0) for kind in kinds]
    if all(sizes):
        return position + count * sum(sizes)
    for _ in range(count):
        for kind in kinds:
            position = yield from _binary_value(kind, position, depth)
        yield position
    return position


def _binary_count(position: int) -> _Walk:
    data = yield position + 4
    count: int = struct.unpack_from("!i", data, position)[0]
    if count < 0:
        raise ValueError(f"a size of {count} came")
    return count


def compact_message_length() -> LengthGenerator:
    """Of a message of the compact protocol."""
    data = yield 2
    if data[0] != 0x82 or data[1] & 0x1F != 1:
        raise ValueError("what came is not a message of the compact protocol")
    _, position = yield from _varint(2)
    name, position = yield from _varint(position)
    return (yield from _compact_struct(position + name, 0))


def _compact_struct(position: int, depth: int) -> _Walk:
    _check_depth(depth)
    while True:
        data = yield position + 1
        header = data[position]
        position += 1
        if header == 0:
            return position
        if header >> 4 == 0:  # the field's number follows
            _, position = yield from _varint(position)
        kind = header & 0x0F
        if kind not in _COMPACT_BOOLEANS:  # whose value is their type
            position = yield from _compact_value(kind, position, depth)


def _compact_value(kind: int, position: int, depth: int) -> _Walk:
    if kind in _COMPACT_SIZES:
        return position + _COMPACT_SIZES[kind]
    if kind in _COMPACT_BOOLEANS:
        return position + 1
    if kind in _COMPACT_INTEGERS:
        return (yield from _varint(position))[1]
    if kind == _COMPACT_STRING:
        length, position = yield from _varint(position)
        return position + length
    if kind == _COMPACT_STRUCT:
        return (yield from _compact_struct(position, depth + 1))
    _check_depth(depth)
    kinds, count, position = yield from _compact_container(kind, position)
    for _ in range(count):
        for one in kinds:
            position = yield from _compact_value(one, position, depth + 1)
        yield position
    return position


def _compact_container(
    kind: int, position: int
) -> Generator[int, bytearray, tuple[list[int], int, int]]:
    """The types of a container's elements, how many there are, and where they begin."""
    if kind in _COMPACT_LISTS:
        data = yield position + 1
        header, count, position = data[position], data[position] >> 4, position + 1
        if count == 0x0F:
            count, position = yield from _varint(position)
        return [header & 0x0F], count, position
    if kind != _COMPACT_MAP:
        raise ValueError(f"a value of the unknown type {kind} came")
    count, position = yield from _varint(position)
    if count == 0:
        return [], 0, position
    data = yield position + 1
    return [data[position] >> 4, data[position] & 0x0F], count, position + 1


def _varint(position: int) -> Generator[int, bytearray, tuple[int, int]]:
    """A number of variable length, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        data = yield position + 1
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("a number of more than ten bytes came")


def _check_depth(depth: int) -> None:
    if depth > _DEPTH_MAX:
        raise ValueError(f"values nested more than {_DEPTH_MAX} deep came")


MESSAGE_LENGTHS: dict[str, Callable[[], LengthGenerator]] = {
    "binary": binary_message_length,
    "compact": compact_message_length,
}
