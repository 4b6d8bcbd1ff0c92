# SPDX-License-Identifier: Apache-2.0
"""Reading the two Thrift encodings item by item, with every length checked against the bytes.

These readers exist to check a message, not to build values from it: they move a position and
raise MessageError where the bytes are not what the protocol allows. Formats: the specifications
`thrift-binary-protocol.md` and `thrift-compact-protocol.md` of Apache Thrift; strict binary only.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from struct import Struct
from typing import Final, Protocol

from thrift.Thrift import TType

STOP: Final = TType.STOP
# A bool field of the compact protocol, whose value is in the field's header.
BOOL_IN_HEADER: Final = -1

_I16 = Struct(">h")
_I32 = Struct(">i")
_BINARY_HEADER = Struct(">Ii")
_BINARY_FIELD = Struct(">Bh")
_BINARY_LIST = Struct(">Bi")
_BINARY_MAP = Struct(">BBi")
_INT32_MAX = 2**31 - 1


class MessageError(Exception):
    """The bytes are not a message of the protocol; says at which byte and why."""


class TruncatedError(MessageError):
    """The bytes end before the message does."""


class Encoding(Enum):
    """The encoding of a message, known from its first byte."""

    BINARY = 0x80
    COMPACT = 0x82

    @staticmethod
    def detect(message: bytes | bytearray) -> Encoding | None:
        """The encoding that a message starts as; None for neither."""
        first = message[0] if message else 0
        return next((encoding for encoding in Encoding if encoding.value == first), None)


@dataclass(frozen=True, slots=True)
class Header:
    """What precedes the arguments of a message."""

    name: bytes
    message_type: int
    sequence_id: int


class Reader(Protocol):
    """A position in a message, moved past one item at a time."""

    position: int
    fixed_sizes: dict[int, int]
    smallest_sizes: dict[int, int]

    def header(self) -> Header:
        """Reads the header; raises MessageError unless its version is understood."""

    def field(self, previous_id: int) -> tuple[int, int]:
        """Reads the header of a field: (type, id); the type is STOP after the last."""

    def bools(self, count: int) -> None:
        """Passes bools that are not in a field's header."""

    def integer(self, field_type: int) -> None:
        """Passes an integer whose length is not fixed."""

    def text(self) -> tuple[int, int]:
        """Passes a string or binary; returns where it starts and ends."""

    def list_header(self) -> tuple[int, int]:
        """Reads (element type, count) of a list or a set."""

    def map_header(self) -> tuple[int, int, int]:
        """Reads (key type, value type, count); the types are STOP where the count is 0."""

    def skip(self, size: int) -> None:
        """Passes `size` bytes."""


class _Bytes:
    """What both encodings share: the bytes and a position that never leaves them."""

    def __init__(self, data: bytes | bytearray) -> None:
        self.data = data
        self.position = 0

    def skip(self, size: int) -> None:
        if size > len(self.data) - self.position:
            left = len(self.data) - self.position
            raise TruncatedError(f"byte {self.position}: {size} bytes needed, {left} left")
        self.position += size

    def unpack(self, layout: Struct) -> tuple[int, ...]:
        start = self.position
        self.skip(layout.size)
        return layout.unpack_from(self.data, start)

    def take(self, length: int) -> tuple[int, int]:
        if length < 0:
            raise MessageError(f"byte {self.position}: negative length {length}")
        start = self.position
        self.skip(length)
        return start, self.position

    def bool_bytes(self, count: int, allowed: bytes) -> None:
        start = self.position
        self.skip(count)
        wrong = self.data[start : self.position].strip(allowed)
        if wrong:
            raise MessageError(f"byte {start}: bool byte {wrong[0]:#04x}")


class BinaryReader(_Bytes):
    """The strict binary protocol."""

    fixed_sizes = {  # noqa: RUF012
        TType.BYTE: 1,
        TType.DOUBLE: 8,
        TType.I16: 2,
        TType.I32: 4,
        TType.I64: 8,
        TType.UUID: 16,
    }
    smallest_sizes = fixed_sizes | {
        TType.BOOL: 1,
        TType.STRING: 4,
        TType.STRUCT: 1,
        TType.MAP: 6,
        TType.SET: 5,
        TType.LIST: 5,
    }

    def header(self) -> Header:
        """Reads version, type, name and sequence id."""
        version, length = self.unpack(_BINARY_HEADER)
        if version & 0xFFFF_0000 != 0x8001_0000:
            raise MessageError(f"version {version >> 16:#06x} is not 0x8001 (strict binary)")
        start, end = self.take(length)
        (sequence_id,) = self.unpack(_I32)
        return Header(bytes(self.data[start:end]), version & 0xFF, sequence_id)

    def field(self, previous_id: int) -> tuple[int, int]:  # noqa: ARG002
        """Reads type and id; the binary protocol has no use for the previous id."""
        if self.position < len(self.data) and self.data[self.position] == STOP:
            self.position += 1
            return STOP, 0
        field_type, field_id = self.unpack(_BINARY_FIELD)
        return field_type, field_id

    def bools(self, count: int) -> None:
        """Passes bytes that are 0 or 1."""
        self.bool_bytes(count, b"\x00\x01")

    def integer(self, field_type: int) -> None:
        """Is never needed: the binary protocol's integers have fixed lengths."""
        raise MessageError(f"byte {self.position}: type {field_type} is not defined")

    def text(self) -> tuple[int, int]:
        """Passes a length of four bytes and what it announces."""
        return self.take(self.unpack(_I32)[0])

    def list_header(self) -> tuple[int, int]:
        """Reads one byte of type and four of count."""
        element_type, count = self.unpack(_BINARY_LIST)
        return element_type, _checked_count(count)

    def map_header(self) -> tuple[int, int, int]:
        """Reads two bytes of types and four of count."""
        key_type, value_type, count = self.unpack(_BINARY_MAP)
        return key_type, value_type, _checked_count(count)


class CompactReader(_Bytes):
    """The compact protocol, version 1."""

    fixed_sizes = {TType.BYTE: 1, TType.DOUBLE: 8, TType.UUID: 16}  # noqa: RUF012
    smallest_sizes = fixed_sizes | {
        TType.BOOL: 1,
        TType.I16: 1,
        TType.I32: 1,
        TType.I64: 1,
        TType.STRING: 1,
        TType.STRUCT: 1,
        TType.MAP: 1,
        TType.SET: 1,
        TType.LIST: 1,
    }
    _BITS: Final = {TType.I16: 16, TType.I32: 32, TType.I64: 64}
    _TYPES: Final = (
        *(STOP, TType.BOOL, TType.BOOL, TType.BYTE, TType.I16, TType.I32, TType.I64),
        *(TType.DOUBLE, TType.STRING, TType.LIST, TType.SET, TType.MAP, TType.STRUCT, TType.UUID),
    )

    def header(self) -> Header:
        """Reads protocol id, version and type, sequence id and name."""
        protocol_id, version_and_type = self.take_byte(), self.take_byte()
        if protocol_id != Encoding.COMPACT.value or version_and_type & 0x1F != 1:
            version = version_and_type & 0x1F
            raise MessageError(f"protocol {protocol_id:#04x} version {version} is not 0x82 1")
        sequence_id = self.varint(32)
        start, end = self.text()
        signed = sequence_id - 2**32 if sequence_id > _INT32_MAX else sequence_id
        return Header(bytes(self.data[start:end]), version_and_type >> 5, signed)

    def take_byte(self) -> int:
        """Reads one byte."""
        self.skip(1)
        return self.data[self.position - 1]

    def varint(self, bits: int) -> int:
        """Reads an unsigned integer of at most `bits`, in at most as many bytes as those need."""
        value = 0
        for shift in range(0, bits, 7):
            byte = self.take_byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if value >> bits:
                    break
                return value
        raise MessageError(f"byte {self.position}: integer of more than {bits} bits")

    def integer(self, field_type: int) -> None:
        """Passes a varint of 16, 32 or 64 bits."""
        bits = self._BITS.get(field_type)
        if bits is None:
            raise MessageError(f"byte {self.position}: type {field_type} is not defined")
        self.varint(bits)

    def field(self, previous_id: int) -> tuple[int, int]:
        """Reads a type and either the distance from the previous id or the id itself."""
        byte = self.take_byte()
        if byte & 0x0F == STOP:
            return STOP, 0
        field_type = self._type(byte)
        if byte >> 4:
            field_id = previous_id + (byte >> 4)
            if field_id > 32_767:
                raise MessageError(f"byte {self.position}: field id {field_id} is beyond 16 bits")
        else:
            zigzag = self.varint(16)
            field_id = (zigzag >> 1) ^ -(zigzag & 1)
        return BOOL_IN_HEADER if field_type == TType.BOOL else field_type, field_id

    def bools(self, count: int) -> None:
        """Passes bytes that are 1, or 2 or 0 for false: implementations write either."""
        self.bool_bytes(count, b"\x00\x01\x02")

    def text(self) -> tuple[int, int]:
        """Passes a length and what it announces."""
        return self.take(self.varint(32))

    def list_header(self) -> tuple[int, int]:
        """Reads the type and the count, which is in the same byte where it is below 15."""
        byte = self.take_byte()
        count = self.varint(32) if byte >> 4 == 15 else byte >> 4
        return self._type(byte), _checked_count(count)

    def map_header(self) -> tuple[int, int, int]:
        """Reads the count and, unless it is 0, a byte with both types."""
        count = _checked_count(self.varint(32))
        if count == 0:
            return STOP, STOP, 0
        byte = self.take_byte()
        return self._type(byte >> 4), self._type(byte), count

    def _type(self, nibble: int) -> int:
        nibble &= 0x0F
        if nibble >= len(self._TYPES):
            raise MessageError(f"byte {self.position}: type {nibble} is not defined")
        return int(self._TYPES[nibble])


READERS: dict[Encoding, type[BinaryReader] | type[CompactReader]] = {
    Encoding.BINARY: BinaryReader,
    Encoding.COMPACT: CompactReader,
}


def _checked_count(count: int) -> int:
    if not 0 <= count <= _INT32_MAX:
        raise MessageError(f"count {count} is not 0 to {_INT32_MAX}")
    return count
