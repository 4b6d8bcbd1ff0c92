# SPDX-License-Identifier: Apache-2.0
"""The dispatcher with handlers that wait, fail and misbehave, without any socket."""

import logging
import sys
import threading
from queue import SimpleQueue

import pytest
from thrift.Thrift import TApplicationException
from thrift_wire import decode, encode

from thriftscore._generated import ScoringService
from thriftscore.errors import Unavailable
from thriftscore.serving.dispatcher import Dispatcher, DispatchLimits
from thriftscore.serving.thrift_errors import reports_errors
from thriftscore.serving.wire_reader import Encoding

TIMEOUT_S = 10
OVERLOADED, UNAVAILABLE, INTERNAL = 5, 8, 10


class Handler(ScoringService.Iface):
    """`ping` waits until it is let go; the other methods misbehave."""

    def __init__(self):
        self.entered = threading.Semaphore(0)
        self.let_go = threading.Semaphore(0)

    def ping(self):
        self.entered.release()
        assert self.let_go.acquire(timeout=TIMEOUT_S)
        return True

    @reports_errors
    def server_live(self):
        raise ZeroDivisionError("/secret/path")

    @reports_errors
    def server_ready(self):
        sys.exit(3)

    @reports_errors
    def model_ready(self, model_name, model_version):
        raise Unavailable(f"{model_name} {model_version}")

    def server_metadata(self):
        return "not a struct"


@pytest.fixture
def handler():
    return Handler()


@pytest.fixture
def dispatch(handler):
    """Starts dispatchers; `dispatch(...)` returns a function that submits a call."""
    dispatchers = []

    def start(**limits):
        dispatcher = Dispatcher(ScoringService, handler, DispatchLimits(**limits))
        dispatchers.append(dispatcher)

        def submit(method, sequence_id=1, **fields):
            replies = SimpleQueue()
            message = encode("binary", method, sequence_id, **fields)
            ticket = dispatcher.submit(message, Encoding.BINARY, replies.put)
            return ticket, lambda: decode("binary", replies.get(timeout=TIMEOUT_S))

        return submit

    yield start
    for _ in range(100):
        handler.let_go.release()
    assert all(dispatcher.close(TIMEOUT_S) for dispatcher in dispatchers)


def test_full_queue_refuses_before_submit_returns(handler, dispatch):
    submit = dispatch(threads=1, queue_calls_max=2, retry_after_ms=7)
    waiting = [submit("ping", 1)]
    assert handler.entered.acquire(timeout=TIMEOUT_S)
    waiting += [submit("ping", 2), submit("ping", 3)]
    replies = SimpleQueue()
    _, refused = submit("ping", 4)
    error = refused().error
    assert (error.code, error.retryable, error.retry_after_ms) == (OVERLOADED, True, 7)
    assert replies.empty()
    for _ in waiting:
        handler.let_go.release()
    assert [reply().sequence_id for _, reply in waiting] == [1, 2, 3]
    handler.let_go.release()
    assert submit("ping", 5)[1]().success is True


def test_queue_is_bounded_in_bytes(handler, dispatch):
    size = len(encode("binary", "ping", 1))
    submit = dispatch(threads=1, queue_bytes_max=2 * size)
    submit("ping")
    assert handler.entered.acquire(timeout=TIMEOUT_S)
    submit("ping")
    submit("ping")
    assert submit("ping")[1]().error.code == OVERLOADED


def test_cancelled_call_is_not_executed(handler, dispatch):
    submit = dispatch(threads=1)
    submit("ping")
    assert handler.entered.acquire(timeout=TIMEOUT_S)
    ticket, _ = submit("ping")
    ticket.cancelled = True
    handler.let_go.release()
    handler.let_go.release()
    _, last = submit("ping", 9)
    handler.let_go.release()
    assert last().sequence_id == 9
    assert handler.entered.acquire(timeout=TIMEOUT_S)
    assert not handler.entered.acquire(blocking=False)


@pytest.mark.parametrize("method", ["server_live", "server_ready"])
def test_defect_is_logged_and_not_told(dispatch, caplog, method):
    caplog.set_level(logging.ERROR)
    error = dispatch()(method)[1]().error
    assert (error.code, error.retryable) == (INTERNAL, False)
    assert "secret" not in error.message
    (record,) = caplog.records
    assert "Traceback" in str(record.msg)
    assert method in str(record.msg)


def test_domain_error_is_told_as_it_is(dispatch):
    error = dispatch()("model_ready", model_name="m", model_version="v")[1]().error
    assert (error.code, error.message, error.retryable) == (UNAVAILABLE, "m v", True)


def test_result_that_cannot_be_encoded_is_an_internal_error(dispatch, caplog):
    caplog.set_level(logging.CRITICAL)
    submit = dispatch()
    exception = submit("server_metadata")[1]().exception
    assert exception.type == TApplicationException.INTERNAL_ERROR
    assert submit("server_live")[1]().error.code == INTERNAL


def test_reply_beyond_the_frame_limit_is_refused(dispatch):
    submit = dispatch(frame_bytes_max=100)
    error = submit("model_ready", model_name="m" * 200, model_version="")[1]().error
    assert error.code == 1
    assert "fewer rows" in error.message


def test_close_waits_for_what_is_queued(handler, dispatch):
    submit = dispatch(threads=2)
    replies = [submit("ping", number)[1] for number in range(5)]
    for _ in replies:
        handler.let_go.release()
    assert [reply().sequence_id for reply in replies] == list(range(5))
