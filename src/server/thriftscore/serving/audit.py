# SPDX-License-Identifier: Apache-2.0
"""The audit log: who changed what is served, and how it stood before and after."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from thriftscore.errors import ConfigurationError
from thriftscore.repository import VersionStatus
from thriftscore.serving.logs import get_logger

_log = get_logger()


class Audit:
    """A line for each change: in a file of its own, as JSON, or as an event of the log."""

    def __init__(self, file: Path | None) -> None:
        """Raises ConfigurationError where the file cannot be opened for appending."""
        self._file = file
        if file is not None:
            try:
                self._append(b"")
            except OSError as error:
                raise ConfigurationError(f"audit_log: {file}: {error.strerror}") from error

    def write(
        self, actor: str, action: str, model: str, change: Mapping[str, Any], **more: str
    ) -> None:
        """`actor` did `action` to `model`; `change` has how it stood before and after."""
        line = {"actor": actor, "action": action, "model": model, **change, **more}
        if self._file is None:
            _log.info("audit", **line)
            return
        stamped = {"timestamp": datetime.now(UTC).isoformat(), "event": "audit", **line}
        try:
            self._append(json.dumps(stamped).encode() + b"\n")
        except OSError as error:
            _log.error("audit_not_written", error=error.strerror, **line)

    def _append(self, line: bytes) -> None:
        """One write to a file that is opened each time, so that it may be rotated away."""
        assert self._file is not None
        descriptor = os.open(
            self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640
        )
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)


def describe(
    before: Sequence[VersionStatus], after: Sequence[VersionStatus]
) -> dict[str, dict[str, Any]]:
    """How the versions of a model stood before and after a change."""
    return {"before": _standing(before), "after": _standing(after)}


def _standing(versions: Sequence[VersionStatus]) -> dict[str, Any]:
    return {
        "default": next((status.version for status in versions if status.is_default), None),
        "labels": {label: status.version for status in versions for label in status.labels},
        "versions": {str(status.version): status.state.name for status in versions},
    }
