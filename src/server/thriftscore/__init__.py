# SPDX-License-Identifier: Apache-2.0
"""Fast, trustworthy model scoring: `load` a model and `score` rows, or `serve` a repository.

The model repository and the importers are reached through the `thriftscore` command.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from thriftscore._native import version as __version__
from thriftscore.errors import InvalidArgument, ModelNotFound, ModelRefused, ThriftscoreError
from thriftscore.model import Model, load

if TYPE_CHECKING:
    from thriftscore.serving import Server

__all__ = [
    "InvalidArgument",
    "Model",
    "ModelNotFound",
    "ModelRefused",
    "ThriftscoreError",
    "__version__",
    "load",
    "serve",
]


def serve(
    repository: str | Path = "repository", **settings: object
) -> AbstractContextManager[Server]:
    """Serves the models of a repository from this process, until the block ends.

    `settings` are those of `thriftscore serve --print-config`, with the same names, defaults and
    bounds; the environment and files are not looked at. The server's `port` and `admin_port` tell
    what it listens on; 0 takes any that is free. Calls that have been received are answered before
    the block is left.

    Raises ConfigurationError for a setting that is not allowed, at once, and Unavailable on
    entering the block where a port is taken.

    >>> with serve("repository", port=0, admin_port=0) as server:  # doctest: +SKIP
    ...     print(server.port)
    """
    # Embedding the engine alone takes a tenth of the time that the server's imports take.
    from thriftscore import serving  # noqa: PLC0415
    from thriftscore.config import load_config  # noqa: PLC0415

    return serving.serve(load_config({"repository": repository} | settings, environment={}))
