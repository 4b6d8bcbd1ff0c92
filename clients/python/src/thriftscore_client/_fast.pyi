# SPDX-License-Identifier: Apache-2.0
"""The compiled part of the client (clients/python/native); absent where it could not be built."""

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray
from typing_extensions import Buffer

from thriftscore_client.express import Lane
from thriftscore_client.results import ScoreResult

class Line:
    """A connected socket that threads share, with framed messages of the binary protocol.

    Each call releases the GIL once, from before it sends until its reply is there. Calls raise
    OSError, of which TimeoutError is one, FrameError, ReplyError, and InvalidRequest for a message
    that is too long. After any but a time-out and InvalidRequest the connection is closed.
    """

    def __new__(cls, descriptor: int, frame_bytes_max: int, /) -> Line:
        """Takes over the descriptor of a connected, blocking socket."""

    def call(
        self,
        method: bytes,
        arguments: bytes,
        request_id: bytes | None,
        rest: bytes | None,
        payload: Buffer | None,
        payload_field: int,
        seconds: float,
        /,
    ) -> bytes:
        """Sends a call and returns the message that answers it. No request id = no context."""

    def score(
        self,
        method: bytes,
        arguments: bytes,
        request_id: bytes,
        rest: bytes,
        values: Buffer,
        rows: int,
        seconds: float,
        /,
    ) -> tuple[NDArray[Any], str] | bytes:
        """As `call`, for a method from matrix to matrix: the scores and the model's version.

        Returns the message where the answer is not plainly that of this call: an error, say.
        """

    def close(self, reason: str, /) -> None:
        """Ends the calls that are under way and closes the socket; may be called again."""

    def forget(self) -> None:
        """Closes the socket without ending the connection, which another process has as well."""

    def is_quiet(self) -> bool:
        """True where nothing is left to read and the peer is there; for a line not in use."""

    @property
    def takes_calls(self) -> bool:
        """True while new calls may be sent."""

    # It is a Lease too.
    idle_since: float
    ends_at: float
    is_leaving: bool
    @property
    def calls(self) -> int: ...
    def begin(self) -> None: ...
    def end(self) -> int: ...

class Express:
    """Calls of `score` from arguments to result; see thriftscore_client.express.Express."""

    def __new__(
        cls,
        make: Callable[[NDArray[Any], str, str], ScoreResult],
        start: Callable[[str, int, bool], bytes],
        earn: Callable[[], object],
        trace: Callable[[], str | None] | None,
        id_prefix: bytes,
        rest: bytes,
        seconds: float,
        calls_max: int,
        /,
    ) -> Express:
        """`make` takes scores, version and request id; `start` encodes what arguments begin with,
        from model, columns and whether values are doubles; `earn` is told of each call; where
        `trace` returns a traceparent, the call goes the long way. `rest` is the context's.
        """

    def score(
        self, model: str, features: object, /
    ) -> ScoreResult | tuple[Lane, str, float, BaseException | bytes] | None:
        """The result; or None where nothing was sent; or, where the call came to something else:
        lane, request id, when it began on the monotonic clock, and the error or the reply.
        """

    def arm(self, lane: Lane, /) -> None:
        """Sends the next calls over this lane, until something unusual happens on it."""

    @property
    def is_armed(self) -> bool:
        """True while there is a lane."""
