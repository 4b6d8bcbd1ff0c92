# SPDX-License-Identifier: Apache-2.0
"""The handlers without any transport: they need a registry and nothing else."""

import struct

import pytest

from thriftscore._generated.ttypes import RequestContext, ScoreRequest, ScoringError
from thriftscore.repository import Registry
from thriftscore.serving.calls import in_call
from thriftscore.serving.scoring_handler import ScoringHandler
from thriftscore.serving.state import Phase, ServerState
from thriftscore.serving.statistics import Statistics

UNAVAILABLE = 8


@pytest.fixture
def state():
    return ServerState()


@pytest.fixture
def handler(models_repository, state):
    registry = Registry(models_repository)
    registry.load_all()
    return ScoringHandler(registry, state, Statistics())


def request(request_id=None):
    context = RequestContext(request_id=request_id) if request_id else None
    return ScoreRequest("linear", features=struct.pack("<3f", 100, 3, 20), context=context)


def test_nothing_of_a_call_reaches_the_next(handler, state):
    state.phase = Phase.SERVING
    assert handler.score(request("first")).request_id == "first"
    second = handler.score(request())
    assert (second.request_id, second.rows) == (None, 1)
    assert not in_call()


@pytest.mark.parametrize(
    ("phase", "healthy", "scores"),
    [
        (Phase.STARTING, False, False),
        (Phase.SERVING, True, True),
        (Phase.DRAINING, False, True),
    ],
)
def test_phases(handler, state, phase, healthy, scores):
    state.phase = phase
    assert handler.server_live() is True
    assert handler.server_ready() is healthy
    if healthy:
        assert handler.ping() is True
    else:
        with pytest.raises(ScoringError, match=phase.value) as failure:
            handler.ping()
        assert (failure.value.code, failure.value.retryable) == (UNAVAILABLE, True)
    if scores:
        assert struct.unpack("<f", handler.score(request()).scores) == (0.25,)
    else:
        with pytest.raises(ScoringError, match=phase.value):
            handler.score(request())
