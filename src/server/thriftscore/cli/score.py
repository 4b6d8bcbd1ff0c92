# SPDX-License-Identifier: Apache-2.0
"""`thriftscore score`: the rows of a file in, their scores out, a batch at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from thriftscore.cli.repository_option import RepositoryOption
from thriftscore.cli.score_cells import InputError
from thriftscore.cli.score_input import (
    STANDARD_STREAM,
    Batch,
    cell_refused,
    open_rows,
    refuse_same_file,
)
from thriftscore.cli.score_model import (
    LABEL,
    SCORES,
    TIMEOUT_MS,
    Description,
    LocalScorer,
    RemoteScorer,
    Scorer,
)
from thriftscore.cli.score_output import Columns, OutputFormat, open_writer, output_format
from thriftscore.cli.score_progress import progress_bar
from thriftscore.cli.server_connection import DEFAULT_ENDPOINT, EndpointOption, ServerConnection
from thriftscore.errors import ConfigurationError, InvalidArgument
from thriftscore.repository.names import check_model_name

if TYPE_CHECKING:
    from thriftscore.cli.score_model import Outputs

_BATCH_BYTES = 1 << 20
_BATCH_ROWS_MAX = 65_536
_CLASS = "class"
"""The column with the name of the class; what models and servers answer is its index, a label."""

_ClassOption = Annotated[
    bool, typer.Option("--with-class", help='Of a classifier: add a column "class" with its name.')
]
_KeepOption = Annotated[
    list[str] | None,
    typer.Option(help="Column of the input to copy to the output; may be repeated."),
]

_BatchRowsOption = Annotated[
    int | None, typer.Option(min=1, help="Rows at a time. Default: about a megabyte of them.")
]


def score(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="Name of the model.")],
    *,
    source: Annotated[
        Path,
        typer.Option("--input", help="A file .csv, .npy or .parquet; - = CSV from standard input."),
    ],
    output: Annotated[
        Path, typer.Option(help="A file .csv, .parquet or .json; - = standard output.")
    ] = STANDARD_STREAM,
    output_as: Annotated[
        OutputFormat | None,
        typer.Option("--format", help="Of the output. Default: what its suffix says, else csv."),
    ] = None,
    model_version: Annotated[
        str, typer.Option(help="A number or a label. Default: the default version.")
    ] = "",
    endpoint: EndpointOption = DEFAULT_ENDPOINT,
    local: Annotated[
        bool, typer.Option("--local", help="Score in this process, from --repository: no server.")
    ] = False,
    repository: RepositoryOption = Path("repository"),
    with_class: _ClassOption = False,
    keep: _KeepOption = None,
    batch_rows: _BatchRowsOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress and no summary.")] = False,
) -> None:
    """Score the rows of a file, which may be larger than memory.

    Columns are found by the names of the model's features, in any order; others
    are ignored. CSV without a line of names needs a number for every feature. An
    empty cell, NA and NaN are missing values. A feature with categories takes
    their names. NPY is float32 or float64.

    The output has a column "score", or one for each class or output,
    "score_NAME". Of two classes it is the second one's, its probability where the
    model gives one; "thriftscore models inspect" lists the classes in order.
    JSON is one object a line, with null for NaN and infinities. A file appears
    whole or not at all. All rows are scored by the version that was asked for at
    the start.

    Examples:

    thriftscore score credit --input rows.csv --keep id --with-class

    thriftscore score credit --input rows.npy --output out.parquet --local
    """
    _refuse_ignored(context, local=local)
    check_model_name(model)
    refuse_same_file(output, source)
    kind = output_format(output, output_as)
    with _scorer(model, model_version, endpoint, repository if local else None) as scorer:
        columns = _Columns.of(scorer.description, keep or (), with_class=with_class)
        rows_at_once = _rows_at_once(scorer, batch_rows)
        started = time.monotonic()
        with (
            open_rows(source, scorer.description.features, columns.kept) as rows,
            open_writer(output, kind) as writer,
            progress_bar(rows.total, shown=not quiet) as advance,
        ):
            done = 0
            for batch in rows.batches(rows_at_once):
                outputs = _score_batch(scorer, rows.name, batch, label=with_class)
                writer.write(columns.fill(batch.kept, outputs))
                done += len(batch.features)
                advance(done, rows.position())
    if not quiet:
        _print_summary(scorer.description, done, max(time.monotonic() - started, 1e-9))


def _refuse_ignored(context: typer.Context, *, local: bool) -> None:
    """Raises ConfigurationError for an option that the user gave and that would do nothing."""
    ignored, why = (
        ("endpoint", "leave it out with --local, which asks no server")
        if local
        else ("repository", "expected --local as well: a server scores from its own")
    )
    source = context.get_parameter_source(ignored)
    if source is not None and source.name == "COMMANDLINE":
        raise ConfigurationError(f"--{ignored}: {why}")


@contextmanager
def _scorer(model: str, version: str, endpoint: str, repository: Path | None) -> Iterator[Scorer]:
    if repository is not None:
        yield LocalScorer(repository, model, version)
    else:
        with ServerConnection(endpoint, TIMEOUT_MS) as server:
            yield RemoteScorer(server, model, version)


def _rows_at_once(scorer: Scorer, chosen: int | None) -> int:
    """Raises ConfigurationError where no message could hold as many as were chosen."""
    if chosen is None:
        return max(1, min(_BATCH_ROWS_MAX, _BATCH_BYTES // scorer.description.row_bytes))
    if scorer.rows_max is not None and chosen > scorer.rows_max:
        raise ConfigurationError(
            f"--batch-rows: expected at most {scorer.rows_max:,}, what a message to the server"
            f" holds, received {chosen:,}"
        )
    return chosen


def _score_batch(scorer: Scorer, name: str, batch: Batch, *, label: bool) -> Outputs:
    """Raises InputError, naming the rows, where the model refuses them."""
    try:
        return scorer.score(batch.features, label=label)
    except InvalidArgument as error:
        refused, missing = scorer.description, np.argwhere(np.isnan(batch.features))
        if refused.missing_values == "refuse" and len(missing):
            row, column = missing[0]
            feature = refused.features.names[column]
            reason = "a missing value, which the model refuses"
            raise cell_refused(name, batch.first + row, feature, reason) from error
        last = batch.first + len(batch.features) - 1
        raise InputError(f"{name}, rows {batch.first:,} to {last:,}: {error.message}") from error


@dataclass(frozen=True)
class _Columns:
    """The columns of the output: those that are kept, the scores, the class."""

    kept: tuple[str, ...]
    scores: tuple[str, ...]
    classes: tuple[str, ...]
    """Where they are wanted."""

    @classmethod
    def of(cls, model: Description, keep: Sequence[str], *, with_class: bool) -> _Columns:
        """Raises ConfigurationError for what cannot be in one table."""
        if with_class and not model.classes:
            raise ConfigurationError(f"--with-class: model '{model.features.model}' has no classes")
        names = ["score"]
        if model.outputs > 1:
            by_class = len(model.classes) == model.outputs
            each = model.classes if by_class else tuple(map(str, range(model.outputs)))
            names = [f"score_{one}" for one in each]
        all_names = [*keep, *names, *([_CLASS] if with_class else [])]
        for name in all_names:
            if all_names.count(name) > 1:
                raise ConfigurationError(f"--keep: the output would have two columns '{name}'")
        return cls(tuple(keep), tuple(names), model.classes if with_class else ())

    def fill(self, kept: Columns, outputs: Outputs) -> Columns:
        """The columns of some rows."""
        columns = {**kept, **dict(zip(self.scores, outputs[SCORES].T, strict=True))}
        if self.classes:
            columns[_CLASS] = [self.classes[index] for index in outputs[LABEL].tolist()]
        return columns


def _print_summary(model: Description, rows: int, elapsed_s: float) -> None:
    typer.echo(
        f"scored {rows:,} rows with {model.features.model} version {model.version}"
        f" in {elapsed_s:.2f} s ({rows / elapsed_s:,.0f} rows/s)",
        err=True,
    )
