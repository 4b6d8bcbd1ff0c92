# SPDX-License-Identifier: Apache-2.0
"""Python client of thriftscore.

>>> with Client("127.0.0.1:9090") as client:
...     scores = client.score("diabetes", rows).scores
"""

from thriftscore_client.async_client import AsyncClient
from thriftscore_client.client import Client
from thriftscore_client.errors import (
    CallTimedOut,
    ClientClosed,
    ConnectFailed,
    ConnectionLost,
    DeadlineExceeded,
    ErrorCode,
    Internal,
    InvalidArgument,
    InvalidRequest,
    ModelNotFound,
    ModelNotReady,
    Overloaded,
    PermissionDenied,
    ProtocolViolation,
    ServerError,
    ThriftscoreError,
    TransportError,
    Unauthenticated,
    Unavailable,
    Unimplemented,
)
from thriftscore_client.observing import AttemptEvent, CallEvent, Observer
from thriftscore_client.options import CallOptions, ClientOptions, TlsOptions
from thriftscore_client.results import (
    InferenceStatistics,
    InferResult,
    MethodStatistics,
    ModelMetadata,
    ModelStatistics,
    NormalizeResult,
    ScoreResult,
    ServerMetadata,
    ShadowStatistics,
    StatisticDuration,
    TensorMetadata,
)

__all__ = [
    "AsyncClient",
    "AttemptEvent",
    "CallEvent",
    "CallOptions",
    "CallTimedOut",
    "Client",
    "ClientClosed",
    "ClientOptions",
    "ConnectFailed",
    "ConnectionLost",
    "DeadlineExceeded",
    "ErrorCode",
    "InferResult",
    "InferenceStatistics",
    "Internal",
    "InvalidArgument",
    "InvalidRequest",
    "MethodStatistics",
    "ModelMetadata",
    "ModelNotFound",
    "ModelNotReady",
    "ModelStatistics",
    "NormalizeResult",
    "Observer",
    "Overloaded",
    "PermissionDenied",
    "ProtocolViolation",
    "ScoreResult",
    "ServerError",
    "ServerMetadata",
    "ShadowStatistics",
    "StatisticDuration",
    "TensorMetadata",
    "ThriftscoreError",
    "TlsOptions",
    "TransportError",
    "Unauthenticated",
    "Unavailable",
    "Unimplemented",
]
