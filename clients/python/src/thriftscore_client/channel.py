# SPDX-License-Identifier: Apache-2.0
"""Calls of threads: attempts over pools of connections, as the conductor leads them."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from typing import Any, TypeVar

from thriftscore_client import errors
from thriftscore_client.balancer import Member
from thriftscore_client.batch import Batch
from thriftscore_client.calls import Call, Wire, connect_error, wire_error
from thriftscore_client.deadline import Deadline
from thriftscore_client.directory import Directory
from thriftscore_client.endpoint import Address, Endpoint
from thriftscore_client.errors import Place, Refusal
from thriftscore_client.forking import renew_in_children
from thriftscore_client.observing import Observation
from thriftscore_client.options import ClientOptions, check_timeout
from thriftscore_client.pool import Pool, PoolClosedError, PoolFullError
from thriftscore_client.results import ScoreResult
from thriftscore_client.retries import Attempt, Conductor, HedgeWon, Pause, Steps

T = TypeVar("T")

_HEDGING_THREADS = 64


class Channel:
    """Calls to the servers behind some endpoints. Thread-safe."""

    def __init__(self, endpoints: Sequence[Endpoint], options: ClientOptions) -> None:
        self.wire = Wire(options)
        self._endpoints = endpoints
        self._options = options
        self._start()
        renew_in_children(self)

    def _start(self) -> None:
        self._closing = threading.Event()
        self._known = threading.Event()
        self.directory: Directory[Pool] = Directory(self._endpoints, self._options, self._new_pool)
        """Where the servers are."""
        self._conductor = Conductor(
            self.directory.balancer, self._options, ",".join(one.text for one in self._endpoints)
        )
        self._housekeeper: threading.Thread | None = None
        self._hedging = ThreadPoolExecutor(_HEDGING_THREADS, "thriftscore-hedge")

    def _new_pool(self, address: Address) -> Pool:
        return Pool(address, self._options, self.wire)

    def call(self, call: Call[T], timeout_s: float | None) -> T:
        """Leads the call through its attempts. Raises a ThriftscoreError."""
        if timeout_s is None:
            timeout_s = self._options.timeout_s
        else:
            check_timeout("timeout_s", timeout_s)
        deadline = Deadline(timeout_s)
        if not self._options.observers:
            return self._conduct(call, deadline, None)
        observation = Observation(self._options.observers, call.method, call.model)
        try:
            answer = self._conduct(call, deadline, observation)
        except BaseException as error:
            observation.call_ended(error)
            raise
        observation.call_ended(None)
        return answer

    def _conduct(self, call: Call[T], deadline: Deadline, observation: Observation | None) -> T:
        if self.directory.names:
            self._keep_addresses(deadline)
        if self._housekeeper is None:
            self._keep_house()
        attempt = self._conductor.begin(call)
        return self._lead(
            call, attempt, deadline, observation, lambda: self._attempt(call, attempt, deadline)
        )

    def _lead(
        self,
        call: Call[T],
        attempt: Attempt[Pool],
        deadline: Deadline,
        observation: Observation | None,
        first: Callable[[], T | HedgeWon[Pool]],
    ) -> T:
        """The answer of the first attempt, which `first` makes, or of a later one."""
        try:
            answer = first()
        except BaseException as error:
            steps = self._conductor.recover(attempt, error, deadline, observation)
            return self._recover(call, steps, deadline)
        return self._conductor.answered(attempt, answer, observation)

    def earn(self) -> None:
        """A call is made without this object: it counts for the budget of retries."""
        self._conductor.budget.earn()

    def go_on(
        self,
        call: Call[T],
        member: Member[Pool],
        deadline: Deadline,
        first: Callable[[], T | Refusal],
    ) -> T:
        """Leads a call on whose first attempt another made: `first` tells what came of it."""
        attempt = Attempt(member, 1)
        return self._lead(
            call, attempt, deadline, None, lambda: _outcome(call, attempt, deadline, first)
        )

    def _recover(self, call: Call[T], steps: Steps[Pool], deadline: Deadline) -> T:
        """Does what the conductor says, once the first attempt has failed."""
        try:
            step = next(steps)
            while True:
                if isinstance(step, Pause):
                    self._closing.wait(step.seconds)
                    step = next(steps)
                    continue
                try:
                    answer = self._attempt(call, step, deadline)
                except BaseException as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(answer)
        except StopIteration as done:
            result: T = done.value
            return result

    def run_batch(self, batch: Batch, timeout_s: float | None) -> ScoreResult:
        """Makes the calls of a batch, as many at a time as there may be connections."""
        batch.begin(self.call(batch.first(), timeout_s))
        members = max(1, len(self.directory.balancer.members))
        workers = members * self._options.connections_limit

        def score(start: int, call: Call[ScoreResult]) -> None:
            batch.put(start, self.call(call, timeout_s))

        with ThreadPoolExecutor(workers, "thriftscore-batch") as executor:
            waiting: deque[Future[None]] = deque()
            try:
                for start, call in batch.rest():
                    if len(waiting) >= 2 * workers:
                        waiting.popleft().result()
                    waiting.append(executor.submit(score, start, call))
                for future in waiting:
                    future.result()
            except BaseException:
                executor.shutdown(cancel_futures=True)
                raise
        return batch.result()

    def _attempt(
        self, call: Call[T], attempt: Attempt[Pool], deadline: Deadline
    ) -> T | HedgeWon[Pool]:
        """The answer of an attempt, or of the hedge that was faster."""
        if self._options.hedge_after is None:
            return self._try(call, attempt, deadline)
        delay_s = self._conductor.hedge_delay_s()
        if delay_s >= deadline.left_s():
            return self._try(call, attempt, deadline)
        return self._hedged(call, attempt, deadline, delay_s)

    def _hedged(
        self, call: Call[T], attempt: Attempt[Pool], deadline: Deadline, delay_s: float
    ) -> T | HedgeWon[Pool]:
        """An attempt, and a second one beside it when it is slow. The slower goes on by itself."""
        submit = self._hedging.submit
        first = submit(self._try, call, attempt, deadline)
        if wait((first,), delay_s).done:
            return first.result()
        hedge = self._conductor.hedge(attempt)
        if hedge is None:
            return first.result()
        second = submit(self._try, call, hedge, deadline)
        for future in as_completed((first, second)):
            if future.exception() is None and future is second:
                return HedgeWon(hedge, second.result())
            if future is first and first.exception() is None:
                break
        second.add_done_callback(
            lambda ended: self._conductor.hedge_ended(hedge, ended.exception())
        )
        return first.result()

    def _try(self, call: Call[T], attempt: Attempt[Pool], deadline: Deadline) -> T:
        pool = attempt.member.pool
        try:
            connection = pool.borrow(deadline, heavy=call.is_heavy)
        except Exception as error:
            raise self._borrow_error(error, _place(call, attempt), deadline) from error
        try:
            return _outcome(call, attempt, deadline, lambda: connection.call(call, deadline))
        finally:
            pool.give_back(connection)

    def _borrow_error(self, error: Exception, place: Place, deadline: Deadline) -> Exception:
        if isinstance(error, PoolClosedError):
            return errors.ClientClosed(f"{place}: the client is closed")
        if isinstance(error, PoolFullError):
            return errors.CallTimedOut(
                place, f"waited {deadline.seconds:g} s for other calls of this client"
            )
        self.directory.hasten()
        limit_s = min(deadline.seconds, self._options.connect_timeout_s)
        return connect_error(error, place, limit_s)

    def open(self) -> None:
        """Connects to one server now rather than at the first call. Raises ConnectFailed."""
        ready = Call("connect", b"", bool)
        deadline = Deadline(self._options.timeout_s)
        self._keep_addresses(deadline)
        failure: Exception | None = None
        for member in self.directory.balancer.members:
            try:
                connection = member.pool.borrow(deadline, heavy=False)
            except Exception as error:
                failure = self._borrow_error(error, Place(member.name, ready.method), deadline)
            else:
                member.pool.give_back(connection)
                return
        raise failure or self._conductor.no_address(ready)

    def close(self) -> None:
        """Closes the connections for good; calls under way end with ClientClosed."""
        self._closing.set()
        for member in self.directory.balancer.members:
            member.pool.close()
        self._hedging.shutdown(wait=False, cancel_futures=True)

    def _keep_addresses(self, deadline: Deadline) -> None:
        """Starts a lookup where one is due, and waits for the first."""
        if self.directory.is_due:
            threading.Thread(target=self._look_up, name="thriftscore-lookup", daemon=True).start()
        if self.directory.names and not self.directory.balancer.members:
            self._known.wait(max(0.0, deadline.left_s()))

    def _look_up(self) -> None:
        for endpoint in self.directory.names:
            try:
                addresses = endpoint.lookup()
            except (OSError, UnicodeError) as error:  # the latter for a name that is none
                self.directory.not_found(endpoint, error)
            else:
                for pool in self.directory.found(endpoint, addresses):
                    pool.close_when_unused()
        self._known.set()

    def _keep_house(self) -> None:
        """Starts the thread that closes idle connections, once."""
        interval_s = min(15.0, self._options.idle_timeout_s / 4)
        arguments = (weakref.ref(self), self._closing, interval_s)
        self._housekeeper = threading.Thread(
            target=_sweep_until_closed, args=arguments, name="thriftscore-idle", daemon=True
        )
        self._housekeeper.start()

    def sweep(self) -> None:
        """Closes connections that were idle for too long."""
        for member in self.directory.balancer.members:
            member.pool.sweep()

    def after_fork(self) -> None:
        """In the child: the parent's connections are the parent's, and its threads are not here."""
        members = self.directory.balancer.members
        self._start()
        for member in members:
            member.pool.forget()


def _sweep_until_closed(
    channel: weakref.ref[Channel], closing: threading.Event, interval_s: float
) -> None:
    while not closing.wait(interval_s):
        alive = channel()
        if alive is None:
            return
        alive.sweep()
        del alive


def _outcome(
    call: Call[T], attempt: Attempt[Pool], deadline: Deadline, obtain: Callable[[], T | Refusal]
) -> T:
    """The answer. Raises what the server or the wire has against it, as the client's errors."""
    try:
        answer = obtain()
    except BaseException as error:
        mapped = wire_error(error, _place(call, attempt), deadline)
        if mapped is error:
            raise
        raise mapped from error
    if isinstance(answer, Refusal):
        raise errors.server_error(_place(call, attempt), answer)
    return answer


def _place(call: Call[Any], attempt: Attempt[Any]) -> Place:
    return Place(attempt.member.name, call.method, call.model, attempt.number)
