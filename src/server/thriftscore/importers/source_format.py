# SPDX-License-Identifier: Apache-2.0
"""What a source file is, by its first bytes; its name may only agree."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from thriftscore.errors import ModelRefused


class SourceFormat(Enum):
    """A kind of file that a model may come in; the value is how it is called in messages."""

    ONNX = "ONNX"
    PICKLE = "a pickle"
    COMPRESSED = "a compressed file"
    NUMPY = "a NumPy array"
    ZIP = "a ZIP archive"
    SAFETENSORS = "safetensors"
    JSON = "JSON"
    UNKNOWN = "of an unknown format"


_MAGIC = (
    (b"\x93NUMPY", SourceFormat.NUMPY),
    (b"PK\x03\x04", SourceFormat.ZIP),
    (b"\x1f\x8b", SourceFormat.COMPRESSED),  # gzip
    (b"\x78\x01", SourceFormat.COMPRESSED),  # zlib, as are the next three
    (b"\x78\x5e", SourceFormat.COMPRESSED),
    (b"\x78\x9c", SourceFormat.COMPRESSED),
    (b"\x78\xda", SourceFormat.COMPRESSED),
    (b"BZh", SourceFormat.COMPRESSED),
    (b"\xfd7zXZ\x00", SourceFormat.COMPRESSED),
    (b"\x5d\x00\x00", SourceFormat.COMPRESSED),  # lzma
    (b"\x04\x22\x4d\x18", SourceFormat.COMPRESSED),  # lz4
    (b"\x08", SourceFormat.ONNX),  # field 1 of ModelProto, ir_version, as a varint
)
_PICKLE_PROTOCOLS = range(2, 6)
_PICKLE_SUFFIXES = {".joblib", ".pkl", ".pickle"}


def detect(data: bytes) -> SourceFormat:
    """The format that the first bytes of a file announce."""
    if len(data) > 1 and data[0] == 0x80 and data[1] in _PICKLE_PROTOCOLS:
        return SourceFormat.PICKLE
    for magic, found in _MAGIC:
        if data.startswith(magic):
            return found
    if data[8:9] == b"{":
        return SourceFormat.SAFETENSORS
    return SourceFormat.JSON if data.lstrip()[:1] == b"{" else SourceFormat.UNKNOWN


def importable_format(source: Path, data: bytes) -> SourceFormat:
    """ONNX or PICKLE, where content and name of the file agree. Raises ModelRefused."""
    if not data:
        raise ModelRefused(f"'{source}' is empty")
    found, suffix = detect(data[:64]), source.suffix.lower()
    if suffix == ".onnx" and found is SourceFormat.ONNX:
        return SourceFormat.ONNX
    if suffix in _PICKLE_SUFFIXES and found in {SourceFormat.PICKLE, SourceFormat.COMPRESSED}:
        return SourceFormat.PICKLE
    if suffix == ".onnx" or suffix in _PICKLE_SUFFIXES:
        raise ModelRefused(f"'{source}' is {found.value}, which its name does not say")
    raise ModelRefused(
        f"'{source}' is {found.value}; expected a file named .onnx, .joblib, .pkl or .pickle"
    )
