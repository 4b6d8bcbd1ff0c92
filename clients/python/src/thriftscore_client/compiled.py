# SPDX-License-Identifier: Apache-2.0
"""Whether the compiled part is there. Nothing depends on it but speed."""

from __future__ import annotations

import functools
import importlib.util
import os

SWITCH = "THRIFTSCORE_CLIENT_COMPILED"
"""The environment variable that, as "0", makes new clients do without."""


def is_available() -> bool:
    """True where the compiled part was built and is not switched off."""
    return os.environ.get(SWITCH) != "0" and _is_built()


@functools.cache
def _is_built() -> bool:
    return importlib.util.find_spec("thriftscore_client._fast") is not None
