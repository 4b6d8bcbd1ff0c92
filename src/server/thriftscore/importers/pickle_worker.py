# SPDX-License-Identifier: Apache-2.0
"""Reads a scikit-learn model in a process of its own: unpickling runs any code.

    python -I -m thriftscore.importers.pickle_worker DIRECTORY

DIRECTORY holds `source` (a pickle or a skops file), `request.json` and maybe `rows.npy` (rows to
compare on). Written there: `model.safetensors` (the native model), `answers.safetensors` (the rows
and the estimator's own answers) and `facts.json`; or `error.json` where the model is refused. The
parent trusts none of them.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from thriftscore.errors import ModelRefused, ThriftscoreError
from thriftscore.importers.sample import Sample
from thriftscore.importers.sklearn_model import first_line, read_sklearn
from thriftscore.importers.source_model import answer

_WARNINGS_MAX = 20
# Plain Python objects of numbers, which every MLP holds. Trees are not among them: their compiled
# code believes the indices that it is given.
_TRUSTED_TOO = {
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
}


def main(directory: Path) -> None:
    """Convert `directory / "source"`; a refusal is written down, not raised."""
    request = json.loads((directory / "request.json").read_text())
    try:
        _convert(directory, request)
    except ThriftscoreError as error:
        (directory / "error.json").write_text(json.dumps({"error": error.message}))


def _convert(directory: Path, request: dict[str, Any]) -> None:
    estimator, notes = _load(directory / "source", request)
    source = read_sklearn(estimator)
    rows = directory / "rows.npy"
    sample = None
    if rows.exists():
        texts = tuple((row, column, text) for row, column, text in request["sample_texts"])
        names = tuple(request["sample_names"])
        sample = Sample(np.load(rows, allow_pickle=False), names, texts)
    answered = answer(source, request["precision"], request["missing_values"], sample)
    (directory / "model.safetensors").write_bytes(answered.model)
    (directory / "answers.safetensors").write_bytes(answered.golden.encode())
    facts = {
        "reference": source.reference,
        "libraries": source.libraries,
        "warnings": notes[:_WARNINGS_MAX],
    }
    (directory / "facts.json").write_text(json.dumps(facts))


def _load(path: Path, request: dict[str, Any]) -> tuple[Any, list[str]]:
    """The object in the file, and what the libraries warned of while it was made."""
    what = "skops file" if request["format"] == "skops" else "pickle"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            if request["format"] == "skops":
                estimator = _load_skops(path, trust_all=request["allow_pickle"])
            else:
                estimator = joblib.load(path)
        except ModelRefused:
            raise
        except Exception as error:  # whatever the pickled code raises
            raise ModelRefused(f"the {what} cannot be loaded: {first_line(error)}") from error
    return estimator, [str(warning.message) for warning in caught]


def _load_skops(path: Path, *, trust_all: bool) -> object:
    """Only types that skops trusts by itself, or all of them where the user trusts the file."""
    try:
        from skops import io  # noqa: PLC0415 - an optional dependency
    except ImportError as error:
        raise ModelRefused(
            "a .skops file needs skops: pip install 'thriftscore[import]'"
        ) from error
    found = io.get_untrusted_types(file=path)
    untrusted = [name for name in found if name not in _TRUSTED_TOO]
    if untrusted and not trust_all:
        raise ModelRefused(
            f"the skops file has types that skops does not trust: {', '.join(untrusted)};"
            " import it with --allow-pickle if you trust them"
        )
    return io.load(path, trusted=found)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
