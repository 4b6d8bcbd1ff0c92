# SPDX-License-Identifier: Apache-2.0
"""Finding the end of a message that no frame announces."""

from __future__ import annotations

from dataclasses import dataclass

from thrift.Thrift import TType

from thriftscore.serving.wire_reader import (
    BOOL_IN_HEADER,
    READERS,
    STOP,
    Encoding,
    MessageError,
    Reader,
    TruncatedError,
)


@dataclass(slots=True)
class _Struct:
    """A struct whose fields are being passed."""

    previous_id: int = 0


@dataclass(slots=True)
class _Elements:
    """A container, by the types that its elements repeat: one, or a key's and a value's."""

    types: tuple[int, ...]
    left: int
    """Keys and values count apart."""


class UnframedMessage:
    """A message at the start of bytes that are still arriving.

    What was passed is not looked at again, so messages that arrive byte by byte cost time linear in
    their length. What the message means is for MessageCheck to judge once it is complete.
    """

    def __init__(self, received: bytearray, encoding: Encoding, nesting_max: int) -> None:
        """`received` grows behind, and keeps its front, until the end is found."""
        self._reader: Reader = READERS[encoding](received)
        self._nesting_max = nesting_max
        self._open: list[_Struct | _Elements] | None = None  # the header is not passed yet

    def end(self) -> int | None:
        """How long the message is, or None while more has to come. Raises MessageError."""
        while self._open != []:
            start = self._reader.position
            try:
                self._step()
            except TruncatedError:
                self._reader.position = start
                return None
        return self._reader.position

    def _step(self) -> None:
        """Passes the header, or one field or element of what is open."""
        if self._open is None:
            self._reader.header()
            self._open = [_Struct()]
            return
        inside = self._open[-1]
        if isinstance(inside, _Struct):
            self._field(inside)
        elif inside.left == 0:
            self._open.pop()
        else:
            self._value(inside.types[-inside.left % len(inside.types)])
            inside.left -= 1

    def _field(self, inside: _Struct) -> None:
        assert self._open is not None
        field_type, field_id = self._reader.field(inside.previous_id)
        if field_type == STOP:
            self._open.pop()
            return
        if field_type != BOOL_IN_HEADER:
            self._value(field_type)
        inside.previous_id = field_id

    def _value(self, value_type: int) -> None:
        reader = self._reader
        size = reader.fixed_sizes.get(value_type)
        if size is not None:
            reader.skip(size)
        elif value_type == TType.STRUCT:
            self._enter(_Struct())
        elif value_type in (TType.LIST, TType.SET):
            element_type, count = reader.list_header()
            self._elements((element_type,), count)
        elif value_type == TType.MAP:
            key_type, item_type, count = reader.map_header()
            self._elements((key_type, item_type), count)
        elif value_type == TType.STRING:
            reader.text()
        elif value_type == TType.BOOL:
            reader.bools(1)
        else:
            reader.integer(value_type)

    def _elements(self, types: tuple[int, ...], count: int) -> None:
        size = self._reader.fixed_sizes.get(types[0])
        if len(types) == 1 and size is not None:
            self._reader.skip(count * size)
        else:
            self._enter(_Elements(types, count * len(types)))

    def _enter(self, inside: _Struct | _Elements) -> None:
        assert self._open is not None
        if len(self._open) >= self._nesting_max:
            raise MessageError(f"nested deeper than {self._nesting_max}")
        self._open.append(inside)
