# SPDX-License-Identifier: Apache-2.0
"""ScoringService of the IDL, as far as the comparison calls it, for the stock library's servers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
from peer import ADDRESS, announce
from thrift.protocol.TBinaryProtocol import TBinaryProtocolAcceleratedFactory
from thrift.transport.TSocket import TServerSocket

import thriftscore
from thriftscore._generated.ttypes import DataType, ErrorCode, ScoreResponse, ScoringError
from thriftscore.errors import InvalidArgument

_PRECISIONS = {"fp32": (DataType.FP32, 4), "fp64": (DataType.FP64, 8)}


def refuse(code: int, message: str) -> NoReturn:
    raise ScoringError(code=code, message=message)


class ThriftHandler:
    """Answers ping, score, score_values and score_named; all else is UNIMPLEMENTED."""

    def __init__(self, model: thriftscore.Model) -> None:
        self._model = model
        self._datatype, self._value_bytes = _PRECISIONS[model.precision]

    def ping(self) -> bool:
        """As the IDL says, like the methods below."""
        return True

    def score(self, request: Any) -> ScoreResponse:
        """Rows as bytes, scored as they came."""
        datatype = "FP64" if request.datatype == DataType.FP64 else "FP32"
        try:
            scores = self._model.score_bytes(request.features, datatype)
        except InvalidArgument as error:
            refuse(ErrorCode.INVALID_ARGUMENT, str(error))
        columns = self._model.outputs
        return ScoreResponse(
            scores=scores,
            datatype=self._datatype,
            rows=len(scores) // self._value_bytes // columns,
            columns=columns,
            model_version="1",
            request_id=request.context.request_id if request.context else None,
        )

    def score_values(self, _model_name: str, values: list[float]) -> list[float]:
        """One row of doubles."""
        try:
            scores: list[float] = self._model.score(np.array(values)).tolist()
        except InvalidArgument as error:
            refuse(ErrorCode.INVALID_ARGUMENT, str(error))
        return scores

    def score_named(self, model_name: str, features: dict[str, float]) -> list[float]:
        """One row by name."""
        missing = [name for name in self._model.feature_names if name not in features]
        if missing:
            refuse(ErrorCode.INVALID_ARGUMENT, f"feature '{missing[0]}' is missing")
        return self.score_values(model_name, [features[n] for n in self._model.feature_names])

    def __getattr__(self, method: str) -> Callable[..., NoReturn]:
        return lambda *_: refuse(ErrorCode.UNIMPLEMENTED, f"this server has no {method}")


class AnnouncedSocket(TServerSocket):
    """Announces its port once it listens."""

    def __init__(self, port: int) -> None:
        super().__init__(ADDRESS, port)

    def listen(self) -> None:
        """Listen, then announce."""
        super().listen()
        announce(self.handle.getsockname()[1])


def accelerated_codec() -> TBinaryProtocolAcceleratedFactory:
    """The codec in C; an error, not pure Python, where it is missing."""
    return TBinaryProtocolAcceleratedFactory(fallback=False)
