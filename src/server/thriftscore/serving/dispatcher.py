# SPDX-License-Identifier: Apache-2.0
"""From a complete message to its reply: a bounded queue and a bounded number of threads.

The dispatcher knows nothing of sockets. Whoever owns the connections hands it messages and gets
replies back, in the order in which they are done.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Lock, Thread
from types import ModuleType
from typing import Any

from thrift.protocol.TProtocol import TProtocolException
from thrift.Thrift import TApplicationException, TMessageType
from thrift.transport.TTransport import TMemoryBuffer

from thriftscore.errors import InvalidArgument, Overloaded, ThriftscoreError
from thriftscore.serving.calls import Call, enter_call, leave_call
from thriftscore.serving.logs import get_logger
from thriftscore.serving.low_priority import lower_priority
from thriftscore.serving.message_check import MessageCheck, MessageLimits
from thriftscore.serving.replies import encode_exception, encode_result, open_protocol
from thriftscore.serving.thrift_errors import to_thrift
from thriftscore.serving.wire_reader import Encoding, Header, MessageError

_log = get_logger()


@dataclass(frozen=True, slots=True)
class DispatchLimits:
    """What a dispatcher holds and how many threads it has."""

    threads: int = 2
    low_priority: bool = False
    """Whether the threads stand back behind the others of the process."""
    queue_calls_max: int = 1_024
    queue_bytes_max: int = 268_435_456
    retry_after_ms: int = 50
    frame_bytes_max: int = 16_384_000
    method_name_bytes_max: int = 128
    message: MessageLimits = field(default_factory=MessageLimits)


@dataclass(slots=True)
class Ticket:
    """A message that was handed over and is not answered yet."""

    message: bytes
    encoding: Encoding
    on_reply: Callable[[bytes], None] = lambda _reply: None
    call: Call = field(default_factory=Call)
    cancelled: bool = False
    """Set by the owner when nobody waits for the reply any more; on_reply may still be called."""


class _RefusedError(Exception):
    """Carries the TApplicationException that answers a message."""

    def __init__(self, kind: int, message: str) -> None:
        super().__init__(message)
        self.application_error = TApplicationException(kind, message)


class Dispatcher:
    """Answers the messages of one generated service with one handler. Thread-safe."""

    def __init__(
        self,
        service: ModuleType,
        handler: object,
        limits: DispatchLimits,
        on_finished: Callable[[Call], None] = lambda _call: None,
    ) -> None:
        """`service` is the generated module; `on_finished` gets each call once it is answered."""
        self._service_name = service.__name__.rpartition(".")[2]
        self._processor = service.Processor(handler)
        names = [name for name in vars(service.Iface) if not name.startswith("_")]
        self._arguments = {name: getattr(service, f"{name}_args").thrift_spec for name in names}
        self._results = {name: getattr(service, f"{name}_result") for name in names}
        self._limits = limits
        self._on_finished = on_finished
        self._queue: SimpleQueue[Ticket | None] = SimpleQueue()
        self._lock = Lock()
        self._queued_calls = 0
        self._queued_bytes = 0
        self._threads = [
            Thread(target=self._work, name=f"{self._service_name}-{number}", daemon=True)
            for number in range(limits.threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(
        self,
        message: bytes,
        encoding: Encoding,
        on_reply: Callable[[bytes], None],
        peer: str = "",
    ) -> Ticket:
        """Queues a message. `on_reply` gets the reply once, from any thread, and must not block.

        Where the queue is full, the reply says OVERLOADED and is given before this returns.
        """
        ticket = Ticket(message, encoding, on_reply, Call(peer=peer))
        with self._lock:
            fits = (
                self._queued_calls < self._limits.queue_calls_max
                and self._queued_bytes + len(message) <= self._limits.queue_bytes_max
            )
            if fits:
                self._queued_calls += 1
                self._queued_bytes += len(message)
        if fits:
            self._queue.put(ticket)
        else:
            on_reply(self._reply(ticket, self._overloaded))
        return ticket

    def answer(self, message: bytes, encoding: Encoding, received_ns: int) -> bytes:
        """The reply to a message, computed by the calling thread instead of the queue's.

        `received_ns` is when it was received, by time.monotonic_ns().
        """
        return self._answer(Ticket(message, encoding, call=Call(received_ns=received_ns)))

    def close(self, timeout_s: float) -> bool:
        """Ends the threads once the queue is empty; False if one is still busy at the timeout."""
        for _ in self._threads:
            self._queue.put(None)
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        if self._limits.low_priority:
            lower_priority()
        while (ticket := self._queue.get()) is not None:
            with self._lock:
                self._queued_calls -= 1
                self._queued_bytes -= len(ticket.message)
            if not ticket.cancelled:
                ticket.on_reply(self._answer(ticket))
            del ticket  # an idle thread must not keep the last message alive

    def _answer(self, ticket: Ticket) -> bytes:
        call = ticket.call
        call.started_ns = time.monotonic_ns()
        token = enter_call(call)
        reply = self._reply(ticket, self._process)
        leave_call(token)
        call.finished_ns = time.monotonic_ns()
        self._on_finished(call)
        return reply

    def _reply(self, ticket: Ticket, answer: Callable[[Ticket, MessageCheck, int], bytes]) -> bytes:
        """What `answer` replies, or what is wrong with the message, whatever the message is."""
        header = Header(b"", 0, 0)
        try:
            check = MessageCheck(ticket.message, ticket.encoding, self._limits.message)
            header = check.header()
            ticket.call.method = self._method(header)
            return answer(ticket, check, header.sequence_id)
        except MessageError as error:
            refused = _RefusedError(TApplicationException.PROTOCOL_ERROR, str(error))
        except _RefusedError as error:
            refused = error
        except (Exception, SystemExit):
            _log.exception("reply_failed", method=ticket.call.method)
            refused = _RefusedError(TApplicationException.INTERNAL_ERROR, "Internal error")
        name = header.name[: self._limits.method_name_bytes_max].decode(errors="replace")
        call = (name, header.sequence_id)
        return encode_exception(ticket.encoding, call, refused.application_error)

    def _method(self, header: Header) -> str:
        """The method that a header names, with or without the prefix of a multiplexed client."""
        if len(header.name) > self._limits.method_name_bytes_max:
            raise MessageError(
                f"method name of {len(header.name)} bytes, the limit is "
                f"{self._limits.method_name_bytes_max}"
            )
        try:
            name = header.name.decode()
        except UnicodeDecodeError:
            raise MessageError("method name is not UTF-8") from None
        if header.message_type != TMessageType.CALL:
            raise _RefusedError(
                TApplicationException.INVALID_MESSAGE_TYPE,
                f"message type {header.message_type} is not a call ({TMessageType.CALL})",
            )
        method = name.removeprefix(f"{self._service_name}:")
        if method not in self._arguments:
            raise _RefusedError(
                TApplicationException.UNKNOWN_METHOD,
                f"{self._service_name} has no method {name!a}",
            )
        return method

    def _process(self, ticket: Ticket, check: MessageCheck, sequence_id: int) -> bytes:
        method, length_max = ticket.call.method, len(ticket.message)
        arguments_start = check.position
        check.arguments(self._arguments[method])
        if check.bad_text is not None:
            error = InvalidArgument(f"{check.bad_text}: expected UTF-8 text")
            return self._error(ticket, sequence_id, error)
        source = TMemoryBuffer(ticket.message, offset=arguments_start)
        output = TMemoryBuffer()
        try:
            getattr(self._processor, f"process_{method}")(
                sequence_id,
                open_protocol(source, ticket.encoding, length_max),
                open_protocol(output, ticket.encoding, length_max),
            )
        except TProtocolException as error:
            raise MessageError(str(error)) from error
        reply: bytes = output.getvalue()
        if len(reply) <= self._limits.frame_bytes_max:
            return reply
        too_long = InvalidArgument(
            f"the reply has {len(reply)} bytes, the limit is {self._limits.frame_bytes_max}: "
            "ask for fewer rows"
        )
        return self._error(ticket, sequence_id, too_long)

    def _overloaded(self, ticket: Ticket, _check: MessageCheck, sequence_id: int) -> bytes:
        error = Overloaded(
            f"the queue of {self._limits.queue_calls_max} calls is full",
            retry_after_ms=self._limits.retry_after_ms,
        )
        return self._error(ticket, sequence_id, error)

    def _error(self, ticket: Ticket, sequence_id: int, error: ThriftscoreError) -> bytes:
        method = ticket.call.method
        ticket.call.code = error.code
        result: Any = self._results[method](error=to_thrift(error))
        return encode_result(ticket.encoding, (method, sequence_id), result)
