# SPDX-License-Identifier: Apache-2.0
"""The compiled part of the client (clients/python/native); absent where it could not be built."""

from typing import Any

from numpy.typing import NDArray
from typing_extensions import Buffer

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
