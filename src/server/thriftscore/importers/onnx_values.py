# SPDX-License-Identifier: Apache-2.0
"""What a tensor of an ONNX graph stands for while the graph is read.

The graph is read forwards. Every tensor is a constant, rows computed from the input in a way that
has a native stage, a sum over such rows, or part of the label branch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from thriftscore.errors import ModelRefused
from thriftscore.importers.linear_model import Dense, Doubles, Link, Scale

ClassLabels = tuple[int, ...] | tuple[str, ...]


@dataclass(frozen=True)
class Constant:
    """A tensor known from the file."""

    values: NDArray[np.generic]


@dataclass(frozen=True)
class Label:
    """A predicted label, or anything computed from one. Ignored: scores tell the label."""

    classes: ClassLabels = ()


@dataclass(frozen=True, eq=False)
class Rows:
    """link(dense(normalizer(x))) of the input rows x.

    `flat` rows have one column and the shape (rows,) instead of (rows, 1).
    """

    columns: int
    normalizer: Scale | None = None
    dense: Dense | None = None
    link: Link = "identity"
    flat: bool = False
    classes: ClassLabels = ()

    def minus(self, values: Doubles) -> Rows:
        """These rows less one value for each column."""
        self._expect_linear("a subtraction")
        if self.dense is not None:
            return replace(self, dense=Dense(self.dense.weights, self.dense.bias - values))
        if self.normalizer is None:
            return replace(self, normalizer=Scale(values, np.ones(self.columns)))
        mean, scale = self.normalizer.mean, self.normalizer.scale
        return replace(self, normalizer=Scale(mean + values * scale, scale))

    def divided(self, values: Doubles) -> Rows:
        """These rows divided by one value for each column."""
        self._expect_linear("a division")
        _expect_usable(values, "a divisor")
        if self.dense is not None:
            weights, bias = self.dense.weights, self.dense.bias
            return replace(self, dense=Dense(weights / values[:, None], bias / values))
        if self.normalizer is None:
            return replace(self, normalizer=Scale(np.zeros(self.columns), values))
        mean, scale = self.normalizer.mean, self.normalizer.scale
        return replace(self, normalizer=Scale(mean, scale * values))

    def multiplied(self, values: Doubles) -> Rows:
        """These rows times one value for each column."""
        self._expect_linear("a multiplication")
        if self.dense is not None:
            weights, bias = self.dense.weights, self.dense.bias
            return replace(self, dense=Dense(weights * values[:, None], bias * values))
        _expect_usable(values, "a factor")
        return self.divided(1.0 / values)

    def weighted(self, weights: Doubles, bias: Doubles, *, flat: bool = False) -> Rows:
        """Weighted sums of the columns; weights (outputs, columns), bias (outputs,)."""
        self._expect_linear("a weighted sum")
        if self.flat or weights.shape[1] != self.columns:
            raise ModelRefused(
                f"a weighted sum of {weights.shape[1]} columns gets rows of {self.columns}"
            )
        if self.dense is not None:
            bias = weights @ self.dense.bias + bias
            weights = weights @ self.dense.weights
        if not (np.isfinite(weights).all() and np.isfinite(bias).all()):
            raise ModelRefused("a weight or a bias is not finite")
        return replace(self, columns=len(bias), dense=Dense(weights, bias), flat=flat)

    def linked(self, link: Link) -> Rows:
        """A link function over these rows."""
        self._expect_linear(link)
        return replace(self, link=link)

    def complement(self) -> Rows:
        """1 - sigmoid(z), which is sigmoid(-z)."""
        if self.link != "sigmoid" or self.dense is None:
            raise ModelRefused("1 - x of anything but a sigmoid has no native stage")
        return replace(self, dense=Dense(-self.dense.weights, -self.dense.bias))

    def beside(self, other: Rows) -> Rows:
        """The columns of these rows followed by those of `other`."""
        alike = self.link == other.link == "sigmoid" and self.normalizer is other.normalizer
        if not alike or self.dense is None or other.dense is None or self.flat or other.flat:
            raise ModelRefused("joining columns other than two sigmoids has no native stage")
        dense = Dense(
            np.concatenate([self.dense.weights, other.dense.weights]),
            np.concatenate([self.dense.bias, other.dense.bias]),
        )
        return replace(self, columns=self.columns + other.columns, dense=dense)

    def normalized(self) -> Rows:
        """These rows, each divided by its sum."""
        if self.link == "exp":
            return replace(self, link="softmax")
        if self.link == "softmax" or (self.link == "sigmoid" and self.is_complementary()):
            return self  # the columns add up to 1 already
        raise ModelRefused("dividing a row by its sum has no native stage, except after a softmax")

    def is_complementary(self) -> bool:
        """Whether there are two columns and one is the exact negative of the other."""
        if self.dense is None or self.columns != 2:
            return False
        (first, second), bias = self.dense.weights, self.dense.bias
        return bool(np.array_equal(first, -second) and bias[0] == -bias[1])

    def row(self, constant: Constant) -> Doubles:
        """One value for each column out of a constant that the graph broadcasts over the rows."""
        values = numbers(constant)
        shape = values.shape
        extent = shape[-1] if shape else 1
        leading = shape[:-1]
        fits = extent in {1, self.columns} and all(size == 1 for size in leading)
        if not fits or len(shape) > (1 if self.flat else 2):
            raise ModelRefused(
                f"a constant of shape {list(shape)} does not fit rows of {self.columns} columns"
            )
        return np.broadcast_to(values.reshape(-1), (self.columns,)).copy()

    def _expect_linear(self, what: str) -> None:
        if self.link != "identity":
            raise ModelRefused(f"{what} after {self.link} has no native stage")


@dataclass(frozen=True, eq=False)
class RowTotal:
    """The sum of each row, as a column."""

    rows: Rows


Value = Constant | Label | Rows | RowTotal


def numbers(constant: Constant) -> Doubles:
    """A constant as finite doubles. Raises ModelRefused."""
    if constant.values.dtype.kind not in "fiu":
        raise ModelRefused(f"expected numbers, received a constant of {constant.values.dtype}")
    values = constant.values.astype(np.float64)
    if not np.isfinite(values).all():
        raise ModelRefused("a constant is not finite")
    return values


def _expect_usable(values: Doubles, what: str) -> None:
    with np.errstate(over="ignore", divide="ignore"):
        if not np.isfinite(1.0 / values).all():
            raise ModelRefused(f"{what} is 0")
