# SPDX-License-Identifier: Apache-2.0
"""`thriftscore health`: whether a server can be sent requests, as an exit status for probes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from thriftscore.cli.output import print_json
from thriftscore.cli.server_connection import DEFAULT_ENDPOINT, EndpointOption, ServerConnection
from thriftscore.errors import ConfigurationError, ThriftscoreError

_TIMEOUT_MS = 1_000
_TIMEOUT_MS_MAX = 3_600_000


@dataclass(frozen=True)
class _Question:
    """What is asked of a server: a method, its arguments, and how to speak of the answer."""

    method: str
    yes: str
    no: str
    model: tuple[str, ...] = ()
    reason: str = ""
    """Another method of the same arguments, whose error says why the answer is no."""

    def ask(self, server: ServerConnection) -> tuple[bool, str]:
        """Whether the answer is yes, and the sentence that says so."""
        if server.call(self.method, *self.model):
            return True, self.yes
        try:
            if self.reason:
                server.call(self.reason, *self.model)
        except ThriftscoreError as error:
            said = error.message.removeprefix(f"{server.endpoint}: ")  # which is not in all
            return False, f"{server.endpoint}: {said}"
        return False, self.no


def health(
    *,
    endpoint: EndpointOption = DEFAULT_ENDPOINT,
    model: Annotated[
        str | None, typer.Option(help="Ask whether this model is loaded, not for all of them.")
    ] = None,
    model_version: Annotated[
        str, typer.Option(help="With --model: a number or a label. Default: the default version.")
    ] = "",
    live: Annotated[
        bool, typer.Option("--live", help="Ask only whether the process answers at all.")
    ] = False,
    timeout_ms: Annotated[
        int, typer.Option(min=1, max=_TIMEOUT_MS_MAX, help="Longest wait for the answer.")
    ] = _TIMEOUT_MS,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell whether a server is ready: status 0 = healthy, 1 = not; a line says why.

    Ready means that every model it found when it started is loaded and that it is
    not draining. A model unloaded as a whole, on request, does not count.

    Example:

    thriftscore health --endpoint 127.0.0.1:9090 --model credit --timeout-ms 500
    """
    question = _question(endpoint, model, model_version, live=live)
    try:
        with ServerConnection(endpoint, timeout_ms) as server:
            healthy, said = question.ask(server)
    except ConfigurationError:
        raise
    except ThriftscoreError as error:
        healthy, said = False, error.message
    if as_json:
        facts = {"healthy": healthy, "endpoint": endpoint, "asked": question.method}
        print_json({**facts, "model": model, "reason": said})
    else:
        typer.echo(f"{'healthy' if healthy else 'not healthy'}: {said}")
    raise typer.Exit(0 if healthy else 1)


def _question(endpoint: str, model: str | None, model_version: str, *, live: bool) -> _Question:
    """Raises ConfigurationError for options that contradict each other."""
    if model is None and model_version:
        raise ConfigurationError("--model-version: expected --model as well")
    if model is not None and live:
        raise ConfigurationError("--live asks about the process: leave out --model")
    if model is not None:
        version = f" version '{model_version}'" if model_version else ""
        subject = f"model '{model}'{version} at {endpoint}"
        yes, no = f"{subject} is ready", f"{subject} is not ready"
        return _Question("model_ready", yes, no, (model, model_version), reason="model_metadata")
    if live:
        return _Question("server_live", f"{endpoint} is live", f"{endpoint} is not live")
    no = f"{endpoint}: not all models are loaded, 'thriftscore models list --server' shows which"
    return _Question("server_ready", f"{endpoint} is ready", no, reason="ping")
