# SPDX-License-Identifier: Apache-2.0
"""A scoring server that misbehaves in a chosen way at every odd call and is right at the even ones.

As a program it prints {"port": n} when it is ready, and what it has counted on SIGUSR1 and when
it ends, on SIGTERM or SIGINT. It takes framed messages, binary and compact, and keeps to one
thread for a connection, at most CONNECTIONS_MAX of them.
"""

from __future__ import annotations

import argparse
import json
import signal
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from hostile_replies import REPLIES, Call, decode
from stock_server import SocketServer

CONNECTIONS_MAX = 256
FRAME_BYTES_MAX = 16_384_000
IDLE_TIMEOUT_S = 60.0
LATE_BY_S = 0.5


@dataclass
class Counts:
    """What a server has seen."""

    connections: int = 0
    calls: int = 0
    misbehaved: int = 0


class Peer:
    """The server's end of one connection."""

    def __init__(self, connection: socket.socket, stopping: threading.Event) -> None:
        self._connection = connection
        self._stopping = stopping
        connection.settimeout(IDLE_TIMEOUT_S)

    def read(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            part = self._connection.recv(min(65_536, size - len(data)))
            if not part:
                raise EOFError
            data += part
        return bytes(data)

    def read_length(self) -> int:
        (length,) = struct.unpack(">i", self.read(4))
        if not 0 < length <= FRAME_BYTES_MAX:
            raise EOFError(f"a frame of {length} bytes")
        return int(length)

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def pause(self, seconds: float) -> None:
        """EOFError where the server stops meanwhile."""
        if self._stopping.wait(seconds):
            raise EOFError

    def close(self) -> None:
        raise EOFError

    def reset(self) -> None:
        """Closes the connection with a reset rather than in order."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise EOFError


def first_half(call: Call) -> bytes:
    reply = REPLIES["right"](call)
    return reply[: len(reply) // 2]


def truncated(peer: Peer, call: Call) -> None:
    peer.send(first_half(call))
    peer.close()


def reset_in_reply(peer: Peer, call: Call) -> None:
    peer.send(first_half(call))
    peer.reset()


def reset_after_request(peer: Peer, _call: Call) -> None:
    peer.reset()


def silent(_peer: Peer, _call: Call) -> None:
    """Never answers this call; takes others on the same connection."""


def late(peer: Peer, call: Call) -> None:
    peer.pause(call.deadline_ms / 1000 + LATE_BY_S)
    peer.send(REPLIES["right"](call))


def drip(peer: Peer, call: Call) -> None:
    """Byte by byte, so slowly that the reply takes twice the time that the caller has."""
    reply = REPLIES["right"](call)
    for byte in reply:
        peer.send(bytes([byte]))
        peer.pause(2 * call.deadline_ms / 1000 / len(reply))


ACTS: dict[str, Callable[[Peer, Call], None]] = {
    "truncated": truncated,
    "drip": drip,
    "late": late,
    "silent": silent,
    "reset_after_request": reset_after_request,
    "reset_in_reply": reset_in_reply,
}
ON_ACCEPT, AFTER_HEADER = "reset_on_accept", "reset_after_header"
BEHAVIOURS = (*REPLIES, *ACTS, AFTER_HEADER, ON_ACCEPT)


class HostileServer:
    """Serves 127.0.0.1 while its `with` block runs, or until it is closed.

    `behaviours` take turns at the calls to be answered wrongly: the odd ones by the order in which
    their first bytes were read, or with `always` all. ON_ACCEPT stands alone: it resets the odd
    connections.
    """

    def __init__(self, *behaviours: str, always: bool = False, port: int = 0) -> None:
        if unknown := set(behaviours) - set(BEHAVIOURS):
            raise ValueError(f"no such behaviour: {', '.join(sorted(unknown))}")
        if not behaviours or (ON_ACCEPT in behaviours and len(behaviours) > 1):
            raise ValueError(f"expected one behaviour or more, or {ON_ACCEPT} alone")
        self.counts = Counts()
        self._behaviours = behaviours
        self._always = always
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._places = threading.BoundedSemaphore(CONNECTIONS_MAX)
        self._server = SocketServer(self._serve, port)
        self.endpoint = self._server.endpoint

    def __enter__(self) -> HostileServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends all connections; may be called again."""
        if not self._stopping.is_set():
            self._stopping.set()
            self._server.__exit__()

    def _serve(self, connection: socket.socket) -> None:
        if not self._places.acquire(blocking=False):
            return
        try:
            peer = Peer(connection, self._stopping)
            if self._accept_behaviour() == ON_ACCEPT:
                peer.reset()
            while True:
                self._answer(peer)
        finally:
            self._places.release()

    def _answer(self, peer: Peer) -> None:
        length = peer.read_length()
        behaviour = self._call_behaviour()
        if behaviour == AFTER_HEADER:
            peer.reset()
        call = decode(peer.read(length))
        if behaviour in ACTS:
            ACTS[behaviour](peer, call)
        else:
            peer.send(REPLIES[behaviour](call))

    def _accept_behaviour(self) -> str:
        with self._lock:
            self.counts.connections += 1
            return self._behaviour(self.counts.connections) if self._resets_on_accept else "right"

    def _call_behaviour(self) -> str:
        with self._lock:
            self.counts.calls += 1
            return "right" if self._resets_on_accept else self._behaviour(self.counts.calls)

    @property
    def _resets_on_accept(self) -> bool:
        return ON_ACCEPT in self._behaviours

    def _behaviour(self, number: int) -> str:
        if not self._always and number % 2 == 0:
            return "right"
        chosen = self._behaviours[self.counts.misbehaved % len(self._behaviours)]
        self.counts.misbehaved += 1
        return chosen


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--behaviour",
        required=True,
        help=f"one, or several with commas that take turns, of {', '.join(BEHAVIOURS)}",
    )
    parser.add_argument("--always", action="store_true", help="misbehave at the even calls too")
    parser.add_argument("--port", type=int, default=0, help="0 (the default) takes a free one")
    return parser.parse_args(arguments)


def signal_numbers(*awaited: signal.Signals) -> socket.socket:
    """A socket to read the numbers of signals from, whichever thread they are delivered to."""
    read, written = socket.socketpair()
    written.setblocking(False)
    signal.set_wakeup_fd(written.detach())
    for number in awaited:
        signal.signal(number, lambda *_: None)
    return read


def main() -> None:
    arguments = parse_arguments()
    signals = signal_numbers(signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
    behaviours = arguments.behaviour.split(",")
    with HostileServer(*behaviours, always=arguments.always, port=arguments.port) as server:
        print(json.dumps({"port": int(server.endpoint.rpartition(":")[2])}), flush=True)
        while signals.recv(1)[0] == signal.SIGUSR1:
            print(json.dumps(asdict(server.counts)), flush=True)
    print(json.dumps(asdict(server.counts)), flush=True)


if __name__ == "__main__":
    main()
