# SPDX-License-Identifier: Apache-2.0
"""Calls of asyncio tasks: attempts over pools of connections, as the conductor leads them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from thriftscore_client import errors
from thriftscore_client.async_pool import AsyncPool
from thriftscore_client.batch import Batch
from thriftscore_client.calls import Call, Wire, connect_error, wire_error
from thriftscore_client.deadline import Deadline
from thriftscore_client.directory import Directory
from thriftscore_client.endpoint import Address, Endpoint
from thriftscore_client.errors import Place, Refusal
from thriftscore_client.observing import Observation
from thriftscore_client.options import ClientOptions, check_timeout
from thriftscore_client.pool import PoolClosedError, PoolFullError
from thriftscore_client.results import ScoreResult
from thriftscore_client.retries import Attempt, Conductor, HedgeWon, Pause, Steps

T = TypeVar("T")


class AsyncChannel:
    """Calls to the servers behind some endpoints. For one event loop."""

    def __init__(self, endpoints: Sequence[Endpoint], options: ClientOptions) -> None:
        self.wire = Wire(options)
        self._options = options
        self._directory: Directory[AsyncPool] = Directory(endpoints, options, self._new_pool)
        self._conductor = Conductor(
            self._directory.balancer, options, ",".join(one.text for one in endpoints)
        )
        self._tasks: set[asyncio.Task[Any]] = set()
        self._lookup: asyncio.Task[None] | None = None
        self._sweeper: asyncio.TimerHandle | None = None

    def _new_pool(self, address: Address) -> AsyncPool:
        return AsyncPool(address, self._options, self.wire)

    async def call(self, call: Call[T], timeout_s: float | None) -> T:
        """Leads the call through its attempts. Raises a ThriftscoreError."""
        if timeout_s is None:
            timeout_s = self._options.timeout_s
        else:
            check_timeout("timeout_s", timeout_s)
        deadline = Deadline(timeout_s)
        if not self._options.observers:
            return await self._conduct(call, deadline, None)
        observation = Observation(self._options.observers, call.method, call.model)
        try:
            answer = await self._conduct(call, deadline, observation)
        except BaseException as error:
            observation.call_ended(error)
            raise
        observation.call_ended(None)
        return answer

    async def _conduct(
        self, call: Call[T], deadline: Deadline, observation: Observation | None
    ) -> T:
        if self._directory.names:
            await self._keep_addresses(deadline)
        if self._sweeper is None:
            self._sweep()
        conductor = self._conductor
        attempt = conductor.begin(call)
        try:
            answer = await self._attempt(call, attempt, deadline)
        except BaseException as error:
            steps = conductor.recover(attempt, error, deadline, observation)
            return await self._recover(call, steps, deadline)
        return conductor.answered(attempt, answer, observation)

    async def _recover(self, call: Call[T], steps: Steps[AsyncPool], deadline: Deadline) -> T:
        """Does what the conductor says, once the first attempt has failed."""
        try:
            step = next(steps)
            while True:
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                    step = next(steps)
                    continue
                try:
                    answer = await self._attempt(call, step, deadline)
                except BaseException as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(answer)
        except StopIteration as done:
            result: T = done.value
            return result

    async def _attempt(
        self, call: Call[T], attempt: Attempt[AsyncPool], deadline: Deadline
    ) -> T | HedgeWon[AsyncPool]:
        """The answer of an attempt, or of the hedge that was faster."""
        if self._options.hedge_after is None:
            return await self._try(call, attempt, deadline)
        delay_s = self._conductor.hedge_delay_s()
        if delay_s >= deadline.left_s():
            return await self._try(call, attempt, deadline)
        return await self._hedged(call, attempt, deadline, delay_s)

    async def _hedged(
        self, call: Call[T], attempt: Attempt[AsyncPool], deadline: Deadline, delay_s: float
    ) -> T | HedgeWon[AsyncPool]:
        """An attempt, and a second one beside it when it is slow. The slower goes on by itself."""
        first = self._task(self._try(call, attempt, deadline))
        done, _ = await asyncio.wait((first,), timeout=delay_s)
        if done:
            return first.result()
        hedge = self._conductor.hedge(attempt)
        if hedge is None:
            return await first
        second = self._task(self._try(call, hedge, deadline))
        done, _ = await asyncio.wait((first, second), return_when=asyncio.FIRST_COMPLETED)
        if second in done and second.exception() is not None:
            await asyncio.wait((first,))
        elif first in done and first.exception() is not None:
            await asyncio.wait((second,))
        if second.done() and second.exception() is None and not _succeeded(first):
            return HedgeWon(hedge, second.result())
        second.add_done_callback(
            lambda ended: self._conductor.hedge_ended(hedge, ended.exception())
        )
        return await first

    def _task(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)  # which nothing else may keep alive
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        return task

    async def _try(self, call: Call[T], attempt: Attempt[AsyncPool], deadline: Deadline) -> T:
        pool = attempt.member.pool
        try:
            connection = await pool.borrow(deadline, heavy=call.is_heavy)
        except Exception as error:
            raise self._borrow_error(error, _place(call, attempt), deadline) from error
        try:
            answer = await connection.call(call, deadline)
        except BaseException as error:
            mapped = wire_error(error, _place(call, attempt), deadline)
            if mapped is error:
                raise
            raise mapped from error
        finally:
            pool.give_back(connection)
        if isinstance(answer, Refusal):
            raise errors.server_error(_place(call, attempt), answer)
        return answer

    def _borrow_error(self, error: Exception, place: Place, deadline: Deadline) -> Exception:
        if isinstance(error, PoolClosedError):
            return errors.ClientClosed(f"{place}: the client is closed")
        if isinstance(error, PoolFullError):
            return errors.CallTimedOut(
                place, f"waited {deadline.seconds:g} s for other calls of this client"
            )
        self._directory.hasten()
        limit_s = min(deadline.seconds, self._options.connect_timeout_s)
        return connect_error(error, place, limit_s)

    async def run_batch(self, batch: Batch, timeout_s: float | None) -> ScoreResult:
        """Makes the calls of a batch, as many at a time as there may be connections."""
        batch.begin(await self.call(batch.first(), timeout_s))
        members = max(1, len(self._directory.balancer.members))
        chunks = batch.rest()

        async def score_chunks() -> None:
            for start, call in chunks:
                batch.put(start, await self.call(call, timeout_s))

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(members * self._options.connections_limit):
                    group.create_task(score_chunks())
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return batch.result()

    async def open(self) -> None:
        """Connects to one server now rather than at the first call. Raises ConnectFailed."""
        ready = Call("connect", b"", bool)
        deadline = Deadline(self._options.timeout_s)
        await self._keep_addresses(deadline)
        failure: Exception | None = None
        for member in self._directory.balancer.members:
            try:
                connection = await member.pool.borrow(deadline, heavy=False)
            except Exception as error:
                failure = self._borrow_error(error, Place(member.name, ready.method), deadline)
            else:
                member.pool.give_back(connection)
                return
        raise failure or self._conductor.no_address(ready)

    async def close(self) -> None:
        """Closes the connections for good; calls under way end with ClientClosed."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        for member in self._directory.balancer.members:
            member.pool.close()
        if self._lookup is not None:
            self._lookup.cancel()
        # What waits on these connections, and asyncio's own closing of them, comes to its end.
        await asyncio.sleep(0)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep_addresses(self, deadline: Deadline) -> None:
        """Starts a lookup where one is due, and waits for the first."""
        if self._directory.is_due:
            self._lookup = self._task(self._look_up())
        if self._directory.names and not self._directory.balancer.members and self._lookup:
            await asyncio.wait((self._lookup,), timeout=max(0.0, deadline.left_s()))

    async def _look_up(self) -> None:
        for endpoint in self._directory.names:
            try:
                addresses = await asyncio.to_thread(endpoint.lookup)
            except (OSError, UnicodeError) as error:  # the latter for a name that is none
                self._directory.not_found(endpoint, error)
            else:
                for pool in self._directory.found(endpoint, addresses):
                    pool.close_when_unused()

    def _sweep(self) -> None:
        """Closes connections that were idle for too long, again and again."""
        for member in self._directory.balancer.members:
            member.pool.sweep()
        interval_s = min(15.0, self._options.idle_timeout_s / 4)
        self._sweeper = asyncio.get_running_loop().call_later(interval_s, self._sweep)


def _succeeded(task: asyncio.Task[Any]) -> bool:
    return task.done() and task.exception() is None


def _place(call: Call[Any], attempt: Attempt[Any]) -> Place:
    return Place(attempt.member.name, call.method, call.model, attempt.number)
