# SPDX-License-Identifier: Apache-2.0
"""ModelRepositoryService over a registry. Knows the contract's structs and no transport."""

from __future__ import annotations

from collections.abc import Callable, Iterable

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
from thriftscore.serving.audit import Audit, describe
from thriftscore.serving.calls import current_call
from thriftscore.serving.thrift_errors import takes_request


class RepositoryHandler(ModelRepositoryService.Iface):  # type: ignore[misc]
    """Answers the calls of the admin port. Thread-safe."""

    def __init__(self, registry: Registry, audit: Audit) -> None:
        self._registry = registry
        self._audit = audit

    @takes_request
    def repository_index(self, request: RepositoryIndexRequest) -> RepositoryIndexResponse:
        """Lists the versions, served or on disk."""
        index = self._registry.index(request.model_name or "", ready_only=bool(request.ready_only))
        return RepositoryIndexResponse(
            _statuses(index), current_call().request_id, self._registry.repository_error()
        )

    @takes_request
    def load_model(self, request: ModelVersionRequest) -> RepositoryChange:
        """Loads a version; what is served stays as it is on error."""
        name, version = _required(request.model_name, "model_name"), request.model_version or ""
        return self._change(name, lambda: self._registry.load(name, version))

    @takes_request
    def unload_model(self, request: ModelVersionRequest) -> RepositoryChange:
        """Stops serving a version."""
        name, version = _required(request.model_name, "model_name"), request.model_version or ""
        return self._change(name, lambda: self._registry.unload(name, version))

    @takes_request
    def set_label(self, request: LabelRequest) -> RepositoryChange:
        """Points a label at a version."""
        name, label = _model_and_label(request)
        version = request.version or 0
        return self._change(name, lambda: self._registry.set_label(name, label, version))

    @takes_request
    def remove_label(self, request: LabelRequest) -> RepositoryChange:
        """Removes a label."""
        name, label = _model_and_label(request)
        return self._change(name, lambda: self._registry.remove_label(name, label))

    @takes_request
    def rollback_label(self, request: LabelRequest) -> RepositoryChange:
        """Points a label at the version it named before."""
        name, label = _model_and_label(request)
        return self._change(name, lambda: self._registry.rollback_label(name, label))

    def _change(self, name: str, change: Callable[[], list[RegistryStatus]]) -> RepositoryChange:
        """Does it, and writes down who asked for it and what became of it."""
        call, before = current_call(), self._registry.versions(name)
        statuses = change()
        standing = describe(before, self._registry.versions(name))
        self._audit.write(call.peer, call.method, name, standing, **call.identity)
        return RepositoryChange(_statuses(statuses), request_id=call.request_id)


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
