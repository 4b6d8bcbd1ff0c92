# SPDX-License-Identifier: Apache-2.0
"""ModelRepositoryService over a registry. Knows the contract's structs and no transport."""

from __future__ import annotations

from collections.abc import Iterable

from thriftscore._generated import ModelRepositoryService
from thriftscore._generated.ttypes import (
    LabelRequest,
    ModelVersionRequest,
    RepositoryChange,
    RepositoryIndexRequest,
    RepositoryIndexResponse,
    VersionStatus,
)
from thriftscore.errors import InvalidArgument
from thriftscore.repository import Registry
from thriftscore.repository import VersionStatus as RegistryStatus
from thriftscore.serving.calls import current_call
from thriftscore.serving.logs import get_logger
from thriftscore.serving.thrift_errors import takes_request

_log = get_logger()


class RepositoryHandler(ModelRepositoryService.Iface):  # type: ignore[misc]
    """Answers the calls of the admin port. Thread-safe."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    @takes_request
    def repository_index(self, request: RepositoryIndexRequest) -> RepositoryIndexResponse:
        """Lists the versions, served or on disk."""
        index = self._registry.index(request.model_name or "", ready_only=bool(request.ready_only))
        return RepositoryIndexResponse(_statuses(index), request_id=current_call().request_id)

    @takes_request
    def load_model(self, request: ModelVersionRequest) -> RepositoryChange:
        """Loads a version; what is served stays as it is on error."""
        name = _required(request.model_name, "model_name")
        return _change("load_model", self._registry.load(name, request.model_version or ""))

    @takes_request
    def unload_model(self, request: ModelVersionRequest) -> RepositoryChange:
        """Stops serving a version."""
        name = _required(request.model_name, "model_name")
        return _change("unload_model", self._registry.unload(name, request.model_version or ""))

    @takes_request
    def set_label(self, request: LabelRequest) -> RepositoryChange:
        """Points a label at a version."""
        name, label = _model_and_label(request)
        return _change("set_label", self._registry.set_label(name, label, request.version or 0))

    @takes_request
    def remove_label(self, request: LabelRequest) -> RepositoryChange:
        """Removes a label."""
        return _change("remove_label", self._registry.remove_label(*_model_and_label(request)))


def _required(value: str | None, what: str) -> str:
    if not value:
        raise InvalidArgument(f"{what}: expected a name, received none")
    return value


def _model_and_label(request: LabelRequest) -> tuple[str, str]:
    return _required(request.model_name, "model_name"), _required(request.label, "label")


def _statuses(statuses: Iterable[RegistryStatus]) -> list[VersionStatus]:
    return [
        VersionStatus(
            model_name=status.model_name,
            version=status.version,
            state=status.state.value,
            reason=status.reason,
            digest=status.digest,
            labels=list(status.labels),
            is_default=status.is_default,
        )
        for status in statuses
    ]


def _change(method: str, statuses: list[RegistryStatus]) -> RepositoryChange:
    """The reply to a change, which is also an event of the log."""
    request_id = current_call().request_id
    for status in statuses:
        _log.info(
            method,
            model=status.model_name,
            version=status.version,
            state=status.state.name,
            labels=list(status.labels),
            request_id=request_id,
        )
    return RepositoryChange(_statuses(statuses), request_id=request_id)
