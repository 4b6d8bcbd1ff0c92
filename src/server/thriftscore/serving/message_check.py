# SPDX-License-Identifier: Apache-2.0
"""Checks a whole message before the generated code sees it.

The Thrift library trusts a message more than a server can: it builds a Python object for each
element of a container (a valid frame of 4 MB grows to 400 MB), replaces bytes that are not UTF-8,
takes any byte for a bool, and does not notice what follows the message. A message that passes
here decodes without surprises, in memory that is a small multiple of its size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from thrift.Thrift import TType

from thriftscore.serving.wire_reader import (
    BOOL_IN_HEADER,
    READERS,
    STOP,
    Encoding,
    Header,
    MessageError,
    Reader,
)


@dataclass(frozen=True, slots=True)
class MessageLimits:
    """How much structure a message may have."""

    nesting_max: int = 64
    """Depth of structs and containers; the arguments are at depth 1."""
    elements_max: int = 262_144
    """Fields and elements of all structs and containers together. Lists of doubles do not count:
    their 8 bytes an element bound them."""
    struct_elements_max: int = 4_096
    """Structs in containers; each becomes an object of some hundred bytes."""


class MessageCheck:
    """One pass over one message. `header`, then `arguments` with the types of the method."""

    def __init__(self, message: bytes, encoding: Encoding, limits: MessageLimits) -> None:
        self._data = message
        self._reader: Reader = READERS[encoding](message)
        self._limits = limits
        self._elements_left = limits.elements_max
        self._structs_left = limits.struct_elements_max
        self.bad_text: str | None = None
        """Name of the first text field that is not UTF-8."""

    @property
    def position(self) -> int:
        """How many bytes are read."""
        return self._reader.position

    def header(self) -> Header:
        """Reads the header. Raises MessageError."""
        return self._reader.header()

    def arguments(self, specification: tuple[Any, ...]) -> None:
        """Checks the arguments against the generated `thrift_spec`; nothing may follow them.

        Raises MessageError. A text that is not UTF-8 is noted in `bad_text`: the message can be
        decoded, and its sender deserves to hear which field it was.
        """
        self._struct(specification, 1)
        left = len(self._data) - self._reader.position
        if left:
            raise MessageError(f"{left} bytes follow the end of the message")

    def _struct(self, specification: tuple[Any, ...] | None, depth: int) -> None:
        if depth > self._limits.nesting_max:
            raise MessageError(f"nested deeper than {self._limits.nesting_max}")
        field_id = 0
        while True:
            field_type, field_id = self._reader.field(field_id)
            if field_type == STOP:
                return
            self._spend(1)
            if field_type == BOOL_IN_HEADER:
                continue
            known = _known_field(specification, field_type, field_id)
            if field_type == TType.STRING:
                self._text(known)
            else:
                self._value(field_type, known[3] if known else None, depth)

    def _value(self, value_type: int, arguments: Any, depth: int) -> None:  # noqa: ANN401
        reader = self._reader
        size = reader.fixed_sizes.get(value_type)
        if size is not None:
            reader.skip(size)
        elif value_type == TType.STRUCT:
            self._struct(arguments[1] if arguments else None, depth + 1)
        elif value_type in (TType.LIST, TType.SET):
            self._list(arguments, depth + 1)
        elif value_type == TType.MAP:
            self._map(arguments, depth + 1)
        elif value_type == TType.BOOL:
            reader.bools(1)
        elif value_type == TType.STRING:
            self._element_text(arguments)
        else:
            reader.integer(value_type)

    def _list(self, arguments: Any, depth: int) -> None:  # noqa: ANN401
        element_type, count = self._reader.list_header()
        if count == 0:
            return
        self._bound(depth, count, (element_type,))
        if arguments and arguments[0] != element_type:
            raise MessageError(f"elements of type {element_type}, expected {arguments[0]}")
        size = self._reader.fixed_sizes.get(element_type)
        if size is not None:
            self._reader.skip(count * size)
        elif element_type == TType.BOOL:
            self._reader.bools(count)
        else:
            element_arguments = arguments[1] if arguments else None
            for _ in range(count):
                self._value(element_type, element_arguments, depth)

    def _map(self, arguments: Any, depth: int) -> None:  # noqa: ANN401
        key_type, value_type, count = self._reader.map_header()
        if count == 0:
            return
        self._bound(depth, count, (key_type, value_type))
        if arguments and (arguments[0], arguments[2]) != (key_type, value_type):
            raise MessageError(f"map of types {key_type} and {value_type}")
        key_arguments, value_arguments = (arguments[1], arguments[3]) if arguments else (None, None)
        for _ in range(count):
            self._value(key_type, key_arguments, depth)
            self._value(value_type, value_arguments, depth)

    def _bound(self, depth: int, count: int, types: tuple[int, ...]) -> None:
        """Refuses a container that is too deep, or that cannot fit in the bytes that are left."""
        if depth > self._limits.nesting_max:
            raise MessageError(f"nested deeper than {self._limits.nesting_max}")
        smallest = self._reader.smallest_sizes
        if any(value_type not in smallest for value_type in types):
            raise MessageError(f"container of undefined types {types}")
        left = len(self._data) - self._reader.position
        if count * sum(smallest[value_type] for value_type in types) > left:
            raise MessageError(f"container of {count} elements in {left} bytes")
        if types != (TType.DOUBLE,):
            self._spend(count * len(types))
        if TType.STRUCT in types:
            self._structs_left -= count
            if self._structs_left < 0:
                raise MessageError(f"more than {self._limits.struct_elements_max} structs")

    def _spend(self, elements: int) -> None:
        self._elements_left -= elements
        if self._elements_left < 0:
            raise MessageError(f"more than {self._limits.elements_max} fields and elements")

    def _text(self, known: tuple[Any, ...] | None) -> None:
        start, end = self._reader.text()
        if known is not None and known[3] != "BINARY":
            self._require_utf8(start, end, known[2])

    def _element_text(self, arguments: Any) -> None:  # noqa: ANN401
        start, end = self._reader.text()
        if arguments is not None and arguments != "BINARY":
            self._require_utf8(start, end, "map key")

    def _require_utf8(self, start: int, end: int, name: str) -> None:
        try:
            self._data[start:end].decode()
        except UnicodeDecodeError:
            self.bad_text = self.bad_text or name


def _known_field(
    specification: tuple[Any, ...] | None, field_type: int, field_id: int
) -> tuple[Any, ...] | None:
    """The generated description of a field; None where the id is unknown or has another type."""
    if specification is None or not 0 < field_id < len(specification):
        return None
    known: tuple[Any, ...] | None = specification[field_id]
    return known if known is not None and known[1] == field_type else None
