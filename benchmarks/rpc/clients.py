# SPDX-License-Identifier: Apache-2.0
"""The clients of each language against the same server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


def client_samples(folder: Path, tell: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """To be written when the clients' programs are there."""
    yield from ()
