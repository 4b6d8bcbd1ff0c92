# SPDX-License-Identifier: Apache-2.0
"""A server that echoes score_values, each after as many milliseconds as the second value says.

Prints its port. Ends when its input does.
"""

from __future__ import annotations

import asyncio
import struct
import sys

REPLY = 0x8001_0002


class LateServer(asyncio.Protocol):
    """One connection: framed, strict binary Thrift, written by hand to be quick."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._data = b""

    def data_received(self, data: bytes) -> None:
        self._data += data
        while len(self._data) >= 4:
            (length,) = struct.unpack_from("!i", self._data)
            if len(self._data) < 4 + length:
                return
            self._answer(self._data[4 : 4 + length])
            self._data = self._data[4 + length :]

    def _answer(self, message: bytes) -> None:
        name, sequence = struct.unpack_from("!12si", message, 8)
        values = message[-17:-1]  # two doubles before the end
        delay_s = struct.unpack_from("!d", values, 8)[0] / 1000
        result = struct.pack("!bhbi", 15, 0, 4, 2) + values + b"\0"
        reply = struct.pack("!Ii12si", REPLY, 12, name, sequence) + result
        asyncio.get_running_loop().call_later(delay_s, self._send, reply)

    def _send(self, reply: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(struct.pack("!i", len(reply)) + reply)


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(LateServer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
