# SPDX-License-Identifier: Apache-2.0
from collections.abc import Callable

import pytest
from small_models import regression

from thriftscore.repository import NewVersion


@pytest.fixture
def new_version() -> Callable[[float], NewVersion]:
    """Makes a regression whose answer to (1, 0) is the bias it is given."""
    return regression
