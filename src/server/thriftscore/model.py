# SPDX-License-Identifier: Apache-2.0
"""The embedded engine: a model file in, scores out, without a server.

>>> model = thriftscore.load("repository/credit/3")
>>> scores = model.score(rows)
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from thriftscore import _native
from thriftscore.errors import InvalidArgument, ModelNotFound, ModelRefused

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

    import numpy as np
    from numpy.typing import NDArray
    from typing_extensions import Buffer

    Matrix: TypeAlias = NDArray[np.float32] | NDArray[np.float64]

MODEL_FILE = "model.safetensors"


def load(path: str | os.PathLike[str]) -> Model:
    """Load a model from its file, or from the version directory that holds one.

    The file is read whole and checked whole: names, shapes and every value. Nothing in it is
    executed, and nothing done to it afterwards changes the model.

    Raises ModelNotFound where there is no such file and ModelRefused, naming the check that
    failed, where it is no model.
    """
    file = Path(path)
    if file.is_dir():
        file /= MODEL_FILE
    if not file.exists():
        raise ModelNotFound(f"there is no model file '{file}'")
    try:
        return Model(_native.Model.load_file(file))
    except _native.ModelError as error:
        raise ModelRefused(str(error)) from None


class Model:
    """A loaded model. Immutable: any number of threads may use it at once.

    A call releases the GIL while it computes. What it computes for a row does not depend on the
    other rows of the call.
    """

    __slots__ = ("_classes", "_feature_names", "_native", "_output_names")

    def __init__(self, native: _native.Model) -> None:
        self._native = native
        self._feature_names = tuple(native.features)
        self._classes = tuple(native.classes)
        self._output_names = tuple(native.output_names)

    @classmethod
    def load_bytes(cls, data: bytes) -> Model:
        """The model in the bytes of a model file. Raises ModelRefused."""
        try:
            return cls(_native.Model.load_bytes(data))
        except _native.ModelError as error:
            raise ModelRefused(str(error)) from None

    def score(self, features: Matrix) -> Matrix:
        """Score rows.

        `features` is a C-contiguous float32 or float64 array, (rows, columns), or (columns,) for
        one row. The scores are a new array, (rows, outputs) or (outputs,), of the model's
        precision, whichever dtype the features have.

        Raises InvalidArgument for an array of another kind, which is never converted silently,
        and for a NaN feature where `missing_values` is "refuse".
        """
        try:
            return self._native.score(features)
        except (TypeError, ValueError) as error:
            self._refuse(error)

    def score_bytes(self, features: Buffer, datatype: str) -> bytes:
        """Score rows in the form they have on the wire: little-endian, row-major, without padding.

        `features` is any contiguous buffer, at any address, of `datatype` "FP32" or "FP64"; the
        scores are of the model's precision. Raises InvalidArgument, also for a part of a row.
        """
        try:
            return self._native.score_bytes(features, datatype)
        except (TypeError, ValueError) as error:
            self._refuse(error)

    def evaluate(
        self, features: Matrix, outputs: Sequence[str] | None = None
    ) -> dict[str, Matrix | NDArray[np.int64]]:
        """Score rows and give every output by name, or those asked for.

        `features` is as for `score`. `scores`, `margin` (what the links at the end take; the scores
        where there is none) and `probabilities` (rows, classes) are of the model's precision,
        `label` is int64, (rows,), the index in `classes`. See `output_names`.

        Raises InvalidArgument as `score` does, and for a name that the model has not.
        """
        names = self._output_names if outputs is None else outputs
        try:
            return self._native.evaluate(features, names)
        except (TypeError, ValueError) as error:
            self._refuse(error)

    def evaluate_bytes(
        self, features: Buffer, datatype: str, outputs: Sequence[str]
    ) -> dict[str, bytes]:
        """`evaluate` in the form that values have on the wire; see `score_bytes`."""
        try:
            return self._native.evaluate_bytes(features, datatype, outputs)
        except (TypeError, ValueError) as error:
            self._refuse(error)

    def normalize(self, values: Matrix) -> Matrix:
        """(values - mean) / scale by column: a new array of the shape and dtype of `values`.

        Equal to that NumPy expression bit for bit. NaN stays NaN. Raises InvalidArgument as score
        does, and where the model has no normaliser.
        """
        try:
            return self._native.normalize(values)
        except (TypeError, ValueError) as error:
            self._refuse(error)

    def denormalize(self, values: Matrix) -> Matrix:
        """Mean + scale * values by column: the inverse of `normalize`."""
        try:
            return self._native.denormalize(values)
        except (TypeError, ValueError) as error:
            self._refuse(error)

    def normalize_bytes(self, values: Buffer, datatype: str) -> bytes:
        """`normalize` in the form that values have on the wire; see `score_bytes`."""
        try:
            return self._native.normalize_bytes(values, datatype)
        except (TypeError, ValueError) as error:
            self._refuse(error)

    def denormalize_bytes(self, values: Buffer, datatype: str) -> bytes:
        """`denormalize` in the form that values have on the wire; see `score_bytes`."""
        try:
            return self._native.denormalize_bytes(values, datatype)
        except (TypeError, ValueError) as error:
            self._refuse(error)

    @property
    def native(self) -> _native.Model:
        """The compiled model, which the native server takes."""
        return self._native

    @property
    def columns(self) -> int:
        """Features in a row."""
        return self._native.columns

    @property
    def outputs(self) -> int:
        """Scores for a row: one for each class of a multiclass model, else usually 1."""
        return self._native.outputs

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the features in the order of a row."""
        return self._feature_names

    features = feature_names  # the name that the model file uses

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes in the order of the scores; empty for regression.

        A binary classifier has two and one score, the probability of the second.
        """
        return self._classes

    @property
    def task(self) -> str:
        """`regression`, `binary_classification` or `multiclass_classification`."""
        return self._native.task

    @property
    def link(self) -> str:
        """The functions that end the model, such as `sigmoid`; `identity` where there is none."""
        return self._native.link

    @property
    def precision(self) -> str:
        """What the model computes and answers in: `fp32` or `fp64`."""
        return self._native.precision

    @property
    def missing_values(self) -> str:
        """What is done with a NaN feature: `refuse` or `propagate`."""
        return self._native.missing_values

    @property
    def has_normalizer(self) -> bool:
        """Whether `normalize` and `denormalize` work."""
        return self._native.has_normalizer

    @property
    def output_names(self) -> tuple[str, ...]:
        """What `evaluate` gives: scores, margin and, of classifiers, probabilities and label."""
        return self._output_names

    @property
    def label(self) -> str:
        """How a label follows from the scores: `none`, `threshold` or `argmax`."""
        return self._native.label

    @property
    def label_threshold(self) -> float:
        """The score above which the label is 1, where `label` is `threshold`."""
        return self._native.label_threshold

    @property
    def categories(self) -> Mapping[str, tuple[str, ...]]:
        """For each feature that is an index of names: the names."""
        return {feature: tuple(names) for feature, names in self._native.categories.items()}

    @property
    def hashes_names(self) -> bool:
        """Whether features may have any name, which is hashed to a column: see `hashed_row`."""
        return self._native.hashes_names

    def hashed_row(self, features: Mapping[str, float]) -> NDArray[np.float64]:
        """A row (columns,) for `score` of features by name, where `hashes_names`.

        Each value is added to the column that its name is hashed to, or subtracted from it, as
        scikit-learn's FeatureHasher does; a text feature is `name=text` with the value 1.

        Raises InvalidArgument for a model with names of its own.
        """
        if not self.hashes_names:
            raise InvalidArgument("the model does not hash names")
        return self._native.hashed_row(dict(features))

    @property
    def plan(self) -> tuple[str, ...]:
        """The stages as they run, after folding, one line each."""
        return tuple(self._native.plan)

    def __repr__(self) -> str:
        shape = f"{self.columns} -> {self.outputs}"
        return f"<thriftscore.Model {self.task}, {shape}, {self.link}, {self.precision}>"

    def _refuse(self, error: Exception) -> NoReturn:
        if isinstance(error, _native.MissingValueError):
            row, column = error.args
            raise InvalidArgument(
                f"features: row {row}: '{self._feature_names[column]}' is NaN,"
                " and the model refuses missing values"
            ) from None
        raise InvalidArgument(str(error)) from None
