# SPDX-License-Identifier: Apache-2.0
"""The stages of a native model, as importers hand them over (cpp/model/FORMAT.md).

The field names are the keys of the file: arrays become tensors, everything else JSON. A field that
is None is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Floats = NDArray[np.float64] | NDArray[np.float32]
Integers = NDArray[np.int64] | NDArray[np.int32]

Activation = Literal["identity", "relu", "leaky_relu", "elu", "selu", "sigmoid", "tanh", "softplus"]
LinkFunction = Literal[
    "identity",
    "sigmoid",
    "softmax",
    "exp",
    "probit",
    "tanh",
    "softplus",
    "square_signed",
    "cloglog",
    "reciprocal",
    "relu",
]


@dataclass(frozen=True, eq=False)
class Stage:
    """A step that maps rows of one width to rows of another."""

    op: ClassVar[str]

    def width(self, columns: int) -> int:
        """How wide rows are after this stage that had `columns` before."""
        return columns


Chain = tuple[Stage, ...]


@dataclass(frozen=True, eq=False)
class Scale(Stage):
    """(x - mean) / scale by column; both (columns,), scale without zeros."""

    op = "scale"
    mean: Doubles
    scale: Doubles


@dataclass(frozen=True, eq=False)
class Dense(Stage):
    """activation(weights @ x + bias); weights (outputs, columns), bias (outputs,)."""

    op = "dense"
    weights: Floats
    bias: Floats
    activation: Activation = "identity"
    alpha: float | None = None

    def width(self, columns: int) -> int:  # noqa: ARG002
        """One output for each row of the weights."""
        return len(self.bias)


@dataclass(frozen=True, eq=False)
class SparseLinear(Stage):
    """Weights @ x + bias, the weights in CSR form: one row for each output."""

    op = "sparse_linear"
    indptr: Integers
    indices: Integers
    weights: Floats
    bias: Floats

    def width(self, columns: int) -> int:  # noqa: ARG002
        """One output for each row of the weights."""
        return len(self.bias)


@dataclass(frozen=True, eq=False)
class Link(Stage):
    """A function of each value; softmax of each row."""

    op = "link"
    function: LinkFunction


@dataclass(frozen=True, eq=False)
class Select(Stage):
    """The columns at these indices."""

    op = "select"
    columns: Integers

    def width(self, columns: int) -> int:  # noqa: ARG002
        """As many as are selected."""
        return len(self.columns)


@dataclass(frozen=True, eq=False)
class Impute(Stage):
    """The column's value where x is `missing`; None = NaN."""

    op = "impute"
    values: Doubles
    missing: float | None = None


@dataclass(frozen=True, eq=False)
class Clip(Stage):
    """Values held between `low` and `high` by column; NaN stays NaN."""

    op = "clip"
    low: Doubles
    high: Doubles


@dataclass(frozen=True, eq=False)
class RowNorm(Stage):
    """Each row divided by its norm; by 1 where that is 0."""

    op = "row_norm"
    norm: Literal["l1", "l2", "max"]


@dataclass(frozen=True, eq=False)
class Binarize(Stage):
    """1 where x > threshold of the column, else 0."""

    op = "binarize"
    thresholds: Doubles


@dataclass(frozen=True, eq=False)
class OneHot(Stage):
    """For each column a 1 among the places of its categories."""

    op = "one_hot"
    offsets: Integers
    """(columns + 1,): where each column's categories begin and end."""
    categories: Doubles
    unknown: Literal["zeros", "nan"] = "zeros"

    def width(self, columns: int) -> int:  # noqa: ARG002
        """One output for each category."""
        return len(self.categories)


@dataclass(frozen=True, eq=False)
class TreeEnsemble(Stage):
    """A sum or mean of trees. Made by `trees.forest`, which says what the arrays mean."""

    op = "tree_ensemble"
    tree_offsets: Integers
    features: NDArray[np.int32]
    thresholds: Doubles
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    flags: NDArray[np.uint8]
    leaf_values: Floats
    outputs: int
    base: Doubles
    aggregate: Literal["sum", "mean"] = "sum"
    accumulate: Literal["fp32", "fp64"] = "fp64"
    tree_outputs: NDArray[np.int32] | None = None
    category_offsets: Integers | None = None
    category_bits: NDArray[np.uint32] | None = None

    def width(self, columns: int) -> int:  # noqa: ARG002
        """What the trees add up to."""
        return self.outputs


@dataclass(frozen=True, eq=False)
class Sum(Stage):
    """Bias + the weighted sum of what chains make of the same rows."""

    op = "sum"
    branches: tuple[Chain, ...]
    weights: Doubles
    bias: Doubles | None = None

    def width(self, columns: int) -> int:
        """As wide as each branch."""
        return width(self.branches[0], columns)


@dataclass(frozen=True, eq=False)
class Concat(Stage):
    """Side by side what chains make of the same rows."""

    op = "concat"
    branches: tuple[Chain, ...]

    def width(self, columns: int) -> int:
        """The widths of the branches, added up."""
        return sum(width(branch, columns) for branch in self.branches)


def width(chain: Chain, columns: int) -> int:
    """How wide rows are after a chain that had `columns` before."""
    for stage in chain:
        columns = stage.width(columns)
    return columns


def affine(factor: Doubles, offset: Doubles) -> SparseLinear:
    """factor * x + offset by column."""
    count = len(factor)
    return SparseLinear(np.arange(count + 1), np.arange(count), factor, offset)
