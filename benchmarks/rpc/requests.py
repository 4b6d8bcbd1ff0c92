# SPDX-License-Identifier: Apache-2.0
"""The bytes of one request, for the peers whose load is made by h2load."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from peers.registry import MODEL_NAME, Form
from rpc.models import SEED

_UNCOMPRESSED = 0


def write_request(folder: Path, form: Form, rows: int, features: int) -> Path | None:
    """A file with a request of seeded rows; None for Thrift, whose requests our generator makes."""
    if form == "binary":
        return None
    path = folder / f"{form}_{rows}x{features}.body"
    if not path.exists():
        values = np.random.default_rng(SEED).normal(0, 1, (rows, features)).astype(np.float32)
        path.write_bytes(_json(values) if form == "json" else _grpc_message(values, form))
    return path


def _grpc_message(values: np.ndarray, form: Form) -> bytes:
    from peers.python import inference  # made by the build of the peers

    message = inference.request(MODEL_NAME, values, form).SerializeToString()
    return struct.pack(">BI", _UNCOMPRESSED, len(message)) + message


def _json(values: np.ndarray) -> bytes:
    import orjson  # of the peers' group

    tensor = {"name": "input", "shape": values.shape, "datatype": "FP32", "data": values.ravel()}
    return orjson.dumps({"inputs": [tensor]}, option=orjson.OPT_SERIALIZE_NUMPY)
