# SPDX-License-Identifier: Apache-2.0
"""The connections of asyncio tasks to one address."""

from __future__ import annotations

import asyncio
import socket

from thriftscore_client.async_connection import AsyncConnection, AsyncSlots
from thriftscore_client.calls import Wire
from thriftscore_client.deadline import Deadline
from thriftscore_client.endpoint import Address, prepare
from thriftscore_client.options import ClientOptions
from thriftscore_client.pool import PoolClosedError, PoolFullError
from thriftscore_client.shelf import Shelf


class AsyncPool:
    """A bounded pool. For one event loop."""

    def __init__(self, address: Address, options: ClientOptions, wire: Wire) -> None:
        self._address = address
        self._options = options
        self._wire = wire
        self._shelf: Shelf[AsyncConnection] = Shelf(options)
        self._changed = AsyncSlots()
        self._closed = False

    async def borrow(self, deadline: Deadline, *, heavy: bool) -> AsyncConnection:
        """A sound connection with room for a call; give it back.

        Raises PoolClosedError, PoolFullError, and OSError where none can be made.
        """
        while not self._closed:
            connection = self._shelf.borrow(heavy=heavy)
            if connection is None:
                if self._shelf.may_dial:
                    return await self._dial(deadline)
                await self._wait(deadline)
            elif connection.ledger.takes_calls:
                return connection
            else:
                self._shelf.retire(connection)
                self.give_back(connection)
        raise PoolClosedError

    async def _wait(self, deadline: Deadline) -> None:
        try:
            async with asyncio.timeout(max(0.0, deadline.left_s())):
                await self._changed.wait()
        except TimeoutError:
            raise PoolFullError from None

    async def _dial(self, deadline: Deadline) -> AsyncConnection:
        self._shelf.dialling += 1
        try:
            limit_s = min(deadline.remaining_s(), self._options.connect_timeout_s)
            async with asyncio.timeout(limit_s):
                connection = await self._connect()
            if self._closed:
                connection.close()
                raise PoolClosedError
            self._shelf.add(connection)
        finally:
            self._shelf.dialling -= 1
            self._changed.notify()
        return connection

    async def _connect(self) -> AsyncConnection:
        loop = asyncio.get_running_loop()
        new = socket.socket(self._address.family, socket.SOCK_STREAM)
        try:
            new.setblocking(False)
            await loop.sock_connect(new, self._address.target)
            prepare(new)
            name = None if self._wire.tls is None else self._wire.server_name(self._address)
            _, connection = await loop.create_connection(
                lambda: AsyncConnection(self._wire),
                sock=new,
                ssl=self._wire.tls,
                server_hostname=name,
            )
        except BaseException:
            new.close()
            raise
        return connection

    def give_back(self, connection: AsyncConnection) -> None:
        """The call is over."""
        if self._shelf.give_back(connection):
            connection.close()
        self._changed.notify()

    def sweep(self) -> None:
        """Closes what is idle for too long."""
        for connection in self._shelf.take_stale():
            connection.close()

    def close_when_unused(self) -> None:
        """The address is gone: calls under way may end, others are not expected."""
        for connection in self._shelf.retire_all():
            connection.close()

    def close(self) -> None:
        """Closes all connections; calls on them fail."""
        self._closed = True
        for connection in self._shelf.take_all():
            connection.close()
        self._changed.notify()
