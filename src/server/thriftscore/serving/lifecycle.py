# SPDX-License-Identifier: Apache-2.0
"""Starting, draining and stopping a server inside a program."""

from __future__ import annotations

import json
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from thriftscore import _native
from thriftscore._generated import ModelRepositoryService, ScoringService
from thriftscore.config import ServerConfig
from thriftscore.errors import ConfigurationError
from thriftscore.repository import Policies, Registry, VersionPolicy
from thriftscore.serving.audit import Audit
from thriftscore.serving.connection import ConnectionLimits
from thriftscore.serving.dispatcher import Dispatcher, DispatchLimits
from thriftscore.serving.framed_server import FramedServer
from thriftscore.serving.listeners import address, derive_connections_max, listen_tcp, listen_unix
from thriftscore.serving.logs import get_logger
from thriftscore.serving.message_check import MessageLimits
from thriftscore.serving.native_port import NativePort
from thriftscore.serving.repository_handler import RepositoryHandler
from thriftscore.serving.repository_watch import RepositoryWatch, log_event
from thriftscore.serving.scoring_handler import HandlerLimits, ScoringHandler
from thriftscore.serving.shadowing import Shadowing
from thriftscore.serving.state import Phase, ServerState
from thriftscore.serving.statistics import Statistics

_ADMIN_THREADS = 4
_ADMIN_QUEUE_CALLS_MAX = 64
_STOP_TIMEOUT_S = 2.0

_log = get_logger()


class Server:
    """A data port and an admin port over one repository.

    `start` once, then `drain` and `stop` from any thread; `stop` twice is harmless. Each port has
    an I/O thread and a pool of its own, so that the admin port answers while the data port is
    overloaded.
    """

    def __init__(self, config: ServerConfig) -> None:
        self.config = config
        self.registry = Registry(config.repository, _policies(config))
        self.statistics = Statistics()
        self._state = ServerState()
        self._shadowing = Shadowing(config)
        self.statistics.add_source(self._shadowing.add_statistics)
        self._ports: list[FramedServer | NativePort] = []
        self._dispatchers: list[Dispatcher] = []
        self._watch: RepositoryWatch | None = None
        self._audit = Audit(config.audit_log)
        self._owned_files: list[Path] = []
        self._addresses: list[str] = []
        self.port = 0
        self.admin_port = 0

    def start(self) -> None:
        """Opens the ports, loads the repository, and then takes calls.

        Raises ConfigurationError and Unavailable; then nothing is left open.
        """
        self.open()
        try:
            self.load()
        except BaseException:
            self.stop()
            raise

    def open(self) -> None:
        """Opens the ports. Until `load` is through, calls are answered with UNAVAILABLE."""
        if not self.config.repository.is_dir():
            raise ConfigurationError(
                f"repository: expected a directory, received {str(self.config.repository)!r}"
            )
        with ExitStack() as undo:
            undo.callback(self.stop)
            data, admin = self._listen(undo)
            self._addresses = [address(listener) for listener in (*data, *admin)]
            self._serve(data, admin)
            undo.pop_all()

    def load(self) -> None:
        """Loads the repository; a version that fails is logged and does not stop the others."""
        self.registry.load_all(log_event)
        for path, reason in self.registry.exposed():
            _log.warning("repository_exposed", directory=str(path), reason=reason)
        if not self.registry.served():
            _log.warning("nothing_to_serve", repository=str(self.config.repository))
        if self.config.watch != "off":
            self._watch = RepositoryWatch(
                self.registry, self._audit, self.config.watch, self.config.watch_interval_ms
            )
            self._watch.start()
        if self._state.phase is Phase.STARTING:
            self._state.phase = Phase.SERVING
            for port in self._ports:
                port.set_serving(True)
            self._announce()

    def begin_drain(self) -> None:
        """Fails health checks, answers what was received, closes each connection after that."""
        self.fail_health_checks()
        for port in self._ports:
            port.drain()

    def wait_drained(self, timeout_s: float) -> bool:
        """Waits until all connections are closed; False at the timeout."""
        deadline = time.monotonic() + timeout_s
        return all(port.join(deadline - time.monotonic()) for port in self._ports)

    def stop(self) -> bool:
        """Closes everything at once; False if a call is still running after two seconds."""
        self._state.phase = Phase.DRAINING
        for port in self._ports:
            port.stop()
        deadline = time.monotonic() + _STOP_TIMEOUT_S
        ended = [port.join(deadline - time.monotonic()) for port in self._ports]
        ended += [pool.close(deadline - time.monotonic()) for pool in self._dispatchers]
        if self._watch is not None:  # a load that is under way ends with the process
            self._watch.stop(deadline - time.monotonic())
        self._shadowing.stop()
        if self._ports:
            _log.info("stopped", connections=[port.closed_by_reason for port in self._ports])
        self._ports, self._dispatchers = [], []
        self._remove_files()
        return all(ended)

    def fail_health_checks(self) -> None:
        """Tells load balancers to send no more, while everything is still answered."""
        self._state.phase = Phase.DRAINING
        for port in self._ports:
            port.set_serving(False)

    @property
    def running(self) -> bool:
        """False once one of the ports has ended, whatever ended it."""
        return bool(self._ports) and all(port.running for port in self._ports)

    # -- starting ----------------------------------------------------------------------------

    def _listen(self, undo: ExitStack) -> tuple[list[socket.socket], list[socket.socket]]:
        config = self.config
        data = [undo.enter_context(listen_tcp(config.host, config.port, "port"))]
        admin = [undo.enter_context(listen_tcp(config.admin_host, config.admin_port, "admin-port"))]
        self.port, self.admin_port = data[0].getsockname()[1], admin[0].getsockname()[1]
        if config.unix_socket is not None:
            data.append(undo.enter_context(listen_unix(config.unix_socket)))
            self._owned_files.append(config.unix_socket)
        return data, admin

    def _serve(self, data: list[socket.socket], admin: list[socket.socket]) -> None:
        config = self.config
        self._state.io_mode = config.io
        scoring = ScoringHandler(
            self.registry, self._state, self.statistics, _handler_limits(config), self._shadowing
        )
        repository = RepositoryHandler(self.registry, self._audit)
        self._dispatchers = [
            Dispatcher(ScoringService, scoring, _dispatch_limits(config), self.statistics.record),
            Dispatcher(ModelRepositoryService, repository, _admin_limits(config)),
        ]
        connections_max = derive_connections_max(config.connections_max)
        # An eighth of the descriptors is the administrators', whatever the data port suffers.
        shares = (connections_max, max(1, connections_max // 8))
        if not config.connections_max:
            shares = (max(1, connections_max - shares[1]), shares[1])
        self._ports = [
            self._data_port(data, shares[0]),
            FramedServer(admin, self._dispatchers[1], _connection_limits(config), shares[1]),
        ]
        for port in self._ports:
            port.start()
        _log.info("limits", connections_max=shares[0], admin_connections_max=shares[1])

    def _data_port(
        self, listeners: list[socket.socket], connections_max: int
    ) -> FramedServer | NativePort:
        config, dispatcher = self.config, self._dispatchers[0]
        if config.io == "python":
            return FramedServer(listeners, dispatcher, _connection_limits(config), connections_max)
        config = config.model_copy(update={"connections_max": connections_max})
        port = NativePort(listeners, dispatcher, self.registry, self._shadowing, config)
        port.report_to(self.statistics)
        return port

    def _announce(self) -> None:
        if self.config.ready_file is not None:
            ports = {"port": self.port, "admin_port": self.admin_port, "pid": os.getpid()}
            write_atomically(self.config.ready_file, json.dumps(ports) + "\n")
            self._owned_files.append(self.config.ready_file)
        _log.info(
            "ready",
            addresses=self._addresses,
            port=self.port,
            admin_port=self.admin_port,
            repository=str(self.config.repository),
            models=len(self.registry.served()),
            version=_native.version,
            simd_target=_native.simd_target(),
            io=self.config.io,
            threads=self.config.threads,
            pid=os.getpid(),
        )

    def _remove_files(self) -> None:
        for path in self._owned_files:
            path.unlink(missing_ok=True)
        self._owned_files.clear()


@contextmanager
def serve(config: ServerConfig) -> Iterator[Server]:
    """Runs a server inside this process while the block runs; drains it at the end."""
    server = Server(config)
    server.start()
    try:
        yield server
    finally:
        server.begin_drain()
        server.wait_drained(config.drain_timeout_ms / 1000)
        server.stop()


def write_atomically(path: Path, text: str) -> None:
    """Writes a file that is either absent or complete for whoever waits for it."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            file.write(text)
        Path(file.name).replace(path)
    except OSError as error:
        raise ConfigurationError(f"ready-file: {path}: {error.strerror}") from error


def _handler_limits(config: ServerConfig) -> HandlerLimits:
    return HandlerLimits(
        reply_bytes_max=config.frame_bytes_max,
        tensors_max=config.tensors_max,
        tensor_rank_max=config.tensor_rank_max,
        sparse_cells_max=config.sparse_cells_max,
    )


def _policies(config: ServerConfig) -> Policies:
    return Policies(
        VersionPolicy.parse(config.version_policy),
        {name: VersionPolicy.parse(text) for name, text in config.version_policies.items()},
    )


def _dispatch_limits(config: ServerConfig) -> DispatchLimits:
    return DispatchLimits(
        # The native port has a queue and threads of its own, and lends the latter.
        threads=config.threads if config.io == "python" else 0,
        queue_calls_max=config.queue_calls_max,
        queue_bytes_max=config.queue_bytes_max,
        retry_after_ms=config.retry_after_ms,
        frame_bytes_max=config.frame_bytes_max,
        method_name_bytes_max=config.method_name_bytes_max,
        message=MessageLimits(config.nesting_max, config.message_elements_max),
    )


def _admin_limits(config: ServerConfig) -> DispatchLimits:
    return DispatchLimits(
        threads=_ADMIN_THREADS,
        low_priority=True,
        queue_calls_max=_ADMIN_QUEUE_CALLS_MAX,
        retry_after_ms=config.retry_after_ms,
        frame_bytes_max=config.frame_bytes_max,
        message=MessageLimits(config.nesting_max, config.message_elements_max),
    )


def _connection_limits(config: ServerConfig) -> ConnectionLimits:
    return ConnectionLimits(
        frame_bytes_max=config.frame_bytes_max,
        message_bytes_max=config.message_bytes_max,
        nesting_max=config.nesting_max,
        pipeline_calls_max=config.pipeline_calls_max,
        inflight_bytes_pause=config.inflight_bytes_pause,
        output_bytes_max=config.output_bytes_max,
        frame_time_max_s=config.frame_time_max_ms / 1000,
        idle_timeout_s=config.idle_timeout_ms / 1000,
        write_stall_s=config.write_stall_ms / 1000,
    )
