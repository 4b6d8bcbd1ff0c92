# SPDX-License-Identifier: Apache-2.0
"""The option that names the model repository, the same in every command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RepositoryOption = Annotated[
    Path, typer.Option(envvar="THRIFTSCORE_REPOSITORY", help="Directory of the published models.")
]
