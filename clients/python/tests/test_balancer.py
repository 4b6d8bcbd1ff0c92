# SPDX-License-Identifier: Apache-2.0
"""Which member an attempt goes to, and how retries are decided, without any connection."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from thriftscore_client import (
    CallTimedOut,
    ClientOptions,
    ConnectFailed,
    ConnectionLost,
    DeadlineExceeded,
    InvalidArgument,
    Overloaded,
    ProtocolViolation,
    Unavailable,
)
from thriftscore_client.balancer import Balancer
from thriftscore_client.calls import Call
from thriftscore_client.deadline import Deadline
from thriftscore_client.errors import Place
from thriftscore_client.retries import Attempt, Conductor, Pause, RecentLatencies, RetryBudget

PLACE = Place("a:1", "score", "m")
CALL = Call("score", b"", float, "m")


def balancer(*names: str) -> Balancer[str]:
    made: Balancer[str] = Balancer()
    for name in names:
        made.replace(name, [name], lambda one: one)
    return made


def conductor(*names: str, **options: object) -> Conductor[str]:
    return Conductor(balancer(*names), ClientOptions(**options), ",".join(names))


def error_of(kind: type, *, retryable: bool = True, retry_after_ms: int = 0) -> Exception:
    error = kind(PLACE, "as the test wants")
    if hasattr(error, "retry_after_ms"):
        error.retryable, error.retry_after_ms = retryable, retry_after_ms
    return error


def led(leader: Conductor[str], *outcomes: object, seconds: float = 1.0) -> tuple[list, object]:
    """The steps of a call whose attempts end so, and its answer or error."""
    deadline, remaining = Deadline(seconds), list(outcomes)
    steps = [leader.begin(CALL)]
    first = remaining.pop(0)
    if not isinstance(first, BaseException):
        return steps, leader.answered(steps[0], first, None)
    generator = leader.recover(steps[0], first, deadline, None)
    try:
        step = next(generator)
        while True:
            steps.append(step)
            if isinstance(step, Pause):
                step = next(generator)
                continue
            outcome = remaining.pop(0)
            is_error = isinstance(outcome, BaseException)
            step = generator.throw(outcome) if is_error else generator.send(outcome)
    except StopIteration as done:
        return steps, done.value
    except Exception as error:
        return steps, error


def attempts(steps: list) -> list[str]:
    return [step.member.name for step in steps if isinstance(step, Attempt)]


def test_load_and_latency_decide_between_two():
    made = balancer("slow", "quick")
    slow, quick = made.members
    for member, seconds in ((slow, 0.1), (quick, 0.001)):
        member.begin()
        member.answered(seconds)
    assert {made.choose().name for _ in range(20)} == {"quick"}
    for _ in range(200):
        quick.begin()
    assert {made.choose().name for _ in range(20)} == {"slow"}


def test_equal_members_share_the_load():
    made = balancer(*"abcdefgh")
    chosen = Counter()
    for _ in range(800):
        member = made.choose()
        member.begin()
        chosen[member.name] += 1
    assert min(chosen.values()) > 60


def test_an_ejected_member_is_probed_by_one_call_and_comes_back():
    made = balancer("a", "b")
    a, b = made.members
    a.begin()
    a.failed("as the test wants", at_once=True)
    assert made.choose() is b
    a.ejected_until = 1e-9  # its time has passed
    assert made.choose() is a
    a.begin()
    assert made.choose() is b, "one call is enough to find out"
    a.answered(0.01)
    assert a.ejected_until == 0
    assert made.choose((b,)) is a


def test_three_failures_in_a_row_eject_and_a_success_between_does_not():
    made = balancer("a", "b")
    a = made.members[0]
    for outcome in "ff.ff.fff":
        assert a.ejected_until == 0
        a.begin()
        if outcome == "f":
            a.failed("as the test wants", at_once=False)
        else:
            a.answered(0.01)
    assert a.ejected_until > 0


def test_ejections_last_longer_each_time_up_to_ten_seconds():
    member = balancer("a").members[0]
    lengths = []
    for _ in range(12):
        member.begin()
        member.ejected_until = min(member.ejected_until, 1e-9)
        member.failed("as the test wants", at_once=True)
        lengths.append(member.ejected_until - Deadline(0).moment)
    assert 0.07 < lengths[0] <= 0.1
    assert all(later > earlier * 1.2 for earlier, later in pairwise(lengths[:6]))
    assert max(lengths) <= 10


def test_with_all_out_the_first_to_return_is_used():
    leader = conductor("a", "b")
    for member, until in zip(leader.balancer.members, (2e9, 1e9), strict=True):
        member.ejected_until = until
    assert attempts(led(leader, "answer")[0]) == ["b"]


def test_one_that_is_out_of_service_is_tried_before_one_that_has_just_failed():
    leader = conductor("a", "b")
    leader.balancer.members[0].ejected_until = 1e9
    steps, answer = led(leader, error_of(ConnectFailed), "answer")
    assert attempts(steps) == ["b", "a"]
    assert answer == "answer"


def test_addresses_of_a_name_come_and_go():
    made: Balancer[str] = Balancer()
    made.replace("name", ["1", "2"], str)
    kept = made.members[1]
    assert made.replace("name", ["2", "3"], str) == ["1"]
    assert [member.name for member in made.members] == ["2", "3"]
    assert made.members[0] is kept


@pytest.mark.parametrize(
    "error",
    [
        error_of(ConnectFailed),
        error_of(ConnectionLost),
        error_of(Overloaded),
        error_of(Unavailable),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_may_help_is_retried_at_another_without_waiting(error):
    steps, answer = led(conductor("a", "b"), error, "answer")
    assert sorted(attempts(steps)) == ["a", "b"]
    assert not any(isinstance(step, Pause) for step in steps)
    assert answer == "answer"


@pytest.mark.parametrize(
    "error",
    [
        error_of(CallTimedOut),
        error_of(ProtocolViolation),
        error_of(InvalidArgument, retryable=False),
        error_of(Overloaded, retryable=False),
        error_of(DeadlineExceeded),
        KeyboardInterrupt(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_cannot_help_is_not_retried(error):
    leader = conductor("a", "b")
    if isinstance(error, KeyboardInterrupt):
        with pytest.raises(KeyboardInterrupt):
            led(leader, error)
    else:
        steps, raised = led(leader, error)
        assert len(steps) == 1
        assert raised is error
    assert [member.outstanding for member in leader.balancer.members] == [0, 0]


@pytest.mark.parametrize("attempts_max", [1, 2, 3])
def test_attempts_are_limited(attempts_max):
    leader = conductor("a", attempts_max=attempts_max)
    steps, raised = led(leader, *[error_of(ConnectionLost)] * 3)
    assert len(attempts(steps)) == attempts_max
    assert isinstance(raised, ConnectionLost)


def test_backoff_doubles_and_has_full_jitter():
    pauses = [[], []]
    for _ in range(200):
        leader = conductor("a", backoff_base_s=0.1, backoff_max_s=0.15)
        steps, _ = led(leader, *[error_of(ConnectionLost)] * 3)
        found = [step.seconds for step in steps if isinstance(step, Pause)]
        for place, seconds in zip(pauses, found, strict=True):
            place.append(seconds)
    for found, limit in zip(pauses, (0.1, 0.15), strict=True):
        assert 0 <= min(found) < 0.2 * limit
        assert 0.8 * limit < max(found) <= limit


def test_a_server_that_asks_for_time_gets_it():
    steps, answer = led(conductor("a"), error_of(Overloaded, retry_after_ms=300), "answer")
    assert 0.29 < steps[1].seconds < 0.32
    assert answer == "answer"


def test_while_one_server_asks_for_time_another_is_used():
    busy = error_of(Overloaded, retry_after_ms=900)
    steps, _ = led(conductor("a", "b", attempts_max=4), busy, error_of(ConnectionLost), "answer")
    tried = attempts(steps)
    assert tried[2] == tried[1] != tried[0]


def test_a_wait_that_the_deadline_does_not_allow_is_not_begun():
    busy = error_of(Overloaded, retry_after_ms=5000)
    steps, raised = led(conductor("a"), busy)
    assert len(steps) == 1
    assert raised is busy


def test_failing_servers_get_little_more_than_the_calls():
    leader = conductor("a", "b", backoff_base_s=1e-6)
    made = sum(len(attempts(led(leader, *[error_of(Overloaded)] * 3)[0])) for _ in range(1000))
    assert 1000 < made <= 1.1 * 1000 + 10


def test_connecting_elsewhere_needs_no_budget():
    leader = conductor("a", "b")
    while leader.budget.spend():
        pass
    steps, answer = led(leader, error_of(ConnectFailed), "answer")
    assert len(attempts(steps)) == 2
    assert answer == "answer"
    steps, raised = led(leader, error_of(ConnectionLost))
    assert isinstance(raised, ConnectionLost)


def test_the_addresses_of_a_name_are_tried_in_one_attempt():
    leader = Conductor(Balancer(), ClientOptions(attempts_max=1), "name")
    leader.balancer.replace("name", ["1", "2", "3"], str)
    refused = [error_of(ConnectFailed)] * 2
    steps, answer = led(leader, *refused, "answer")
    assert sorted(attempts(steps)) == ["1", "2", "3"]
    assert answer == "answer"


def test_the_budget_fills_again_and_is_bounded():
    budget = RetryBudget()
    assert [budget.spend() for _ in range(11)] == [True] * 10 + [False]
    for _ in range(10):
        budget.earn()
    assert budget.spend() in {True, False}  # ten tenths may be a little less than one
    for _ in range(5000):
        budget.earn()
    assert sum(budget.spend() for _ in range(500)) == 100


def test_the_latency_that_19_of_20_keep_is_known_after_some():
    latencies = RecentLatencies()
    assert latencies.p95_s() == float("inf")
    for milliseconds in range(100):
        latencies.add(milliseconds / 1000)
    assert latencies.p95_s() == 0.095
