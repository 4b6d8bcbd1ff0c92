# SPDX-License-Identifier: Apache-2.0
"""What a source file is, by its content; its name may only agree."""

from __future__ import annotations

import io
import re
import zipfile
from enum import Enum
from pathlib import Path

from thriftscore.errors import ModelRefused


class SourceFormat(Enum):
    """A kind of file that a model may come in; the value is how it is called in messages."""

    ONNX = "ONNX"
    PICKLE = "a pickle"
    COMPRESSED = "a compressed file"
    SKOPS = "a skops file"
    XGBOOST = "an XGBoost model"
    LIGHTGBM = "a LightGBM model"
    NPZ = "an .npz archive"
    WEIGHTS = "JSON weights"
    NUMPY = "a NumPy array"
    ZIP = "a ZIP archive"
    SAFETENSORS = "safetensors"
    JSON = "JSON with neither a model nor weights"
    UNKNOWN = "of an unknown format"


_MAGIC = (
    (b"\x93NUMPY", SourceFormat.NUMPY),
    (b"PK\x03\x04", SourceFormat.ZIP),
    (b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner", SourceFormat.XGBOOST),  # UBJSON
    (b"{L\x00\x00\x00\x00\x00\x00\x00\x07version", SourceFormat.XGBOOST),
    (b"tree\n", SourceFormat.LIGHTGBM),
    (b"tree\r\n", SourceFormat.LIGHTGBM),
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
_PICKLES = {SourceFormat.PICKLE, SourceFormat.COMPRESSED}
_BY_SUFFIX = {
    ".onnx": {SourceFormat.ONNX},
    ".joblib": _PICKLES,
    ".pkl": _PICKLES,
    ".pickle": _PICKLES,
    ".skops": {SourceFormat.SKOPS},
    ".npz": {SourceFormat.NPZ},
    ".ubj": {SourceFormat.XGBOOST},
    ".json": {SourceFormat.XGBOOST, SourceFormat.WEIGHTS},
}
_IMPORTABLE = {
    SourceFormat.ONNX,
    SourceFormat.PICKLE,
    SourceFormat.COMPRESSED,
    SourceFormat.SKOPS,
    SourceFormat.XGBOOST,
    SourceFormat.LIGHTGBM,
    SourceFormat.NPZ,
    SourceFormat.WEIGHTS,
}
_JSON_HEAD_BYTES = 1 << 20


def detect(data: bytes) -> SourceFormat:
    """The format that the content of a file announces."""
    if len(data) > 1 and data[0] == 0x80 and data[1] in _PICKLE_PROTOCOLS:
        return SourceFormat.PICKLE
    for magic, found in _MAGIC:
        if data.startswith(magic):
            return _archive(data) if found is SourceFormat.ZIP else found
    if data[8:9] == b"{":
        return SourceFormat.SAFETENSORS
    return _json(data[:_JSON_HEAD_BYTES].lstrip())


def _archive(data: bytes) -> SourceFormat:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        return SourceFormat.ZIP
    if "schema.json" in names:
        return SourceFormat.SKOPS
    npz = names and all(name.endswith(".npy") for name in names)
    return SourceFormat.NPZ if npz else SourceFormat.ZIP


def _json(head: bytes) -> SourceFormat:
    if head[:1] != b"{":
        return SourceFormat.UNKNOWN
    if re.search(rb'"(learner|gradient_booster)"\s*:', head):
        return SourceFormat.XGBOOST
    return SourceFormat.WEIGHTS if re.search(rb'"weights"\s*:', head) else SourceFormat.JSON


def importable_format(source: Path, data: bytes) -> SourceFormat:
    """What can be imported, where content and name of the file agree. Raises ModelRefused."""
    if not data:
        raise ModelRefused(f"'{source}' is empty")
    found, expected = detect(data), _BY_SUFFIX.get(source.suffix.lower())
    misnamed = expected is not None and found not in expected and found is not SourceFormat.JSON
    if misnamed and found in _IMPORTABLE:
        raise ModelRefused(f"'{source}' is {found.value}, which its name does not say")
    if found not in _IMPORTABLE:
        raise ModelRefused(
            f"'{source}' is {found.value}; expected ONNX, a scikit-learn model (.joblib, .pkl,"
            " .skops), an XGBoost model (JSON, UBJSON), a LightGBM model (text), or weights (.npz,"
            " JSON)"
        )
    return found
