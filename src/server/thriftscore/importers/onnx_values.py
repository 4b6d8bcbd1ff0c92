# SPDX-License-Identifier: Apache-2.0
"""What a tensor of an ONNX graph stands for while the graph is read.

The graph is read forwards. Every tensor is a constant, rows computed from the input in a way that
has a native stage, a sum over such rows, or part of the label branch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from thriftscore.errors import ModelRefused
from thriftscore.importers.stages import (
    Activation,
    Chain,
    Concat,
    Dense,
    Doubles,
    Link,
    LinkFunction,
    RowNorm,
    Scale,
    Select,
    Stage,
    Sum,
    TreeEnsemble,
    affine,
    width,
)
from thriftscore.importers.trees import STRICT, as_float32, thresholds_before

_ACTIVATIONS = {"relu", "sigmoid", "tanh", "softplus"}
ClassLabels = tuple[int, ...] | tuple[str, ...]


Step = Callable[[Doubles, NDArray[np.int64]], Doubles]
"""What becomes of values of the columns with these indices."""


def _rounded(step: Step) -> Step:
    return lambda x, columns: as_float32(step(x, columns))


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
    """link(dense(normalizer(before(x)))) of the input rows x.

    Arithmetic goes into the normaliser or the dense stage as long as it can; then these join the
    stages `before` and new ones begin. `flat` rows have one column and the shape (rows,) instead
    of (rows, 1).
    """

    columns: int
    before: Chain = ()
    normalizer: Scale | None = None
    dense: Dense | None = None
    link: LinkFunction = "identity"
    flat: bool = False
    classes: ClassLabels = ()
    rising: tuple[Step, ...] | None = None
    """Where rows are the features after steps that only rise: these, as the graph rounds them."""
    single: bool = True
    """Whether the graph computes in single precision."""

    def stages(self) -> Chain:
        """All that was done to the input."""
        pending = (self.normalizer, self.dense)
        links = (Link(self.link),) if self.link != "identity" else ()
        return (*self.before, *(stage for stage in pending if stage is not None), *links)

    def stepped(self, step: Step, *, rises: bool = True) -> Rows:
        """The same rows with one more step noted, which others compute."""
        if self.rising is None or not rises or self.dense is not None:
            return replace(self, rising=None)
        return replace(self, rising=(*self.rising, _rounded(step) if self.single else step))

    def cast(self, *, single: bool) -> Rows:
        """These rows in another precision."""
        cast = replace(self, single=single)
        return cast.stepped(lambda x, _: x) if single and not self.single else cast

    def trees(self, stage: TreeEnsemble) -> Rows:
        """Trees on these rows; what came before moves into their thresholds where it only rises.

        There nothing is rounded, so the trees decide as in the graph.
        """
        if self.rising is None or self.dense is not None or self.link != "identity":
            return self.then(stage)
        thresholds = stage.thresholds.copy()
        inner = stage.features >= 0
        strict = (stage.flags & STRICT) != 0
        columns = stage.features[inner].astype(np.int64)

        def seen(x: Doubles) -> Doubles:
            for step in self.rising or ():
                x = step(x, columns)
            return x

        thresholds[inner] = np.where(
            strict[inner],
            thresholds_before(seen, thresholds[inner], strict=True),
            thresholds_before(seen, thresholds[inner]),
        )
        flags = stage.flags & ~np.uint8(STRICT)
        return Rows(stage.outputs, (replace(stage, thresholds=thresholds, flags=flags),))

    def then(self, *stages: Stage) -> Rows:
        """These rows after stages that nothing is folded into."""
        before = self.opened().stages()
        return Rows(width(stages, self.columns), (*before, *stages), classes=self.classes)

    def opened(self) -> Rows:
        """The same rows, ready for arithmetic."""
        if self.link == "identity":
            return self
        if self.dense is not None and self.link in _ACTIVATIONS:
            layer = replace(self.dense, activation=cast("Activation", self.link))
            return replace(replace(self, dense=layer, link="identity"), **self._nothing_pending)
        return replace(self, **self._nothing_pending)

    @property
    def _nothing_pending(self) -> dict[str, Any]:
        return {
            "before": self.stages(),
            "normalizer": None,
            "dense": None,
            "link": "identity",
            "rising": None,
        }

    def minus(self, values: Doubles) -> Rows:
        """These rows less one value for each column."""
        rows = self.opened().stepped(lambda x, columns: x - values[columns])
        if rows.dense is not None:
            return replace(rows, dense=Dense(rows.dense.weights, rows.dense.bias - values))
        if rows.normalizer is None:
            return replace(rows, normalizer=Scale(values, np.ones(rows.columns)))
        mean, scale = rows.normalizer.mean, rows.normalizer.scale
        return replace(rows, normalizer=Scale(mean + values * scale, scale))

    def divided(self, values: Doubles) -> Rows:
        """These rows divided by one value for each column."""
        _expect_usable(values, "a divisor")
        rows = self.opened()
        rows = rows.stepped(lambda x, columns: x / values[columns], rises=bool((values > 0).all()))
        if rows.dense is not None:
            weights, bias = rows.dense.weights, rows.dense.bias
            return replace(rows, dense=Dense(weights / values[:, None], bias / values))
        if rows.normalizer is None:
            return replace(rows, normalizer=Scale(np.zeros(rows.columns), values))
        mean, scale = rows.normalizer.mean, rows.normalizer.scale
        return replace(rows, normalizer=Scale(mean, scale * values))

    def multiplied(self, values: Doubles) -> Rows:
        """These rows times one value for each column."""
        rows = self.opened()
        if rows.dense is not None:
            weights, bias = rows.dense.weights, rows.dense.bias
            return replace(rows, dense=Dense(weights * values[:, None], bias * values))
        if (values == 0).any():
            return rows.then(affine(values, np.zeros(rows.columns)))
        steps = rows.stepped(
            lambda x, columns: x * values[columns], rises=bool((values > 0).all())
        ).rising
        return replace(rows.divided(1.0 / values), rising=steps)

    def weighted(self, weights: Doubles, bias: Doubles, *, flat: bool = False) -> Rows:
        """Weighted sums of the columns; weights (outputs, columns), bias (outputs,)."""
        rows = self.opened()
        if rows.flat or weights.shape[1] != rows.columns:
            raise ModelRefused(
                f"a weighted sum of {weights.shape[1]} columns gets rows of {rows.columns}"
            )
        if rows.dense is not None:
            bias = weights @ rows.dense.bias + bias
            weights = weights @ rows.dense.weights
        if not (np.isfinite(weights).all() and np.isfinite(bias).all()):
            raise ModelRefused("a weight or a bias is not finite")
        return replace(rows, columns=len(bias), dense=Dense(weights, bias), flat=flat)

    def linked(self, link: LinkFunction) -> Rows:
        """A link function over these rows."""
        return replace(self.opened(), link=link)

    def activated(self, activation: Activation, alpha: float | None = None) -> Rows:
        """An activation that is no link."""
        rows = self.opened()
        if rows.dense is None:
            rows = replace(rows, dense=Dense(np.eye(rows.columns), np.zeros(rows.columns)))
        assert rows.dense is not None
        layer = replace(rows.dense, activation=activation, alpha=alpha)
        rows = replace(rows, dense=layer)
        return replace(rows, before=rows.stages(), normalizer=None, dense=None, rising=None)

    def selected(self, indices: NDArray[np.int64], *, flat: bool = False) -> Rows:
        """Some of the columns."""
        if indices.size == 0 or indices.min() < -self.columns or indices.max() >= self.columns:
            raise ModelRefused(f"columns {indices.tolist()[:5]} of rows of {self.columns}")
        places = np.where(indices < 0, indices + self.columns, indices)
        rows = self.opened() if self.link == "softmax" else self
        if rows.dense is not None:
            dense = Dense(rows.dense.weights[places], rows.dense.bias[places])
            return replace(rows, columns=len(places), dense=dense, flat=flat, classes=())
        return replace(rows.then(Select(places)), flat=flat)

    def complement(self) -> Rows:
        """1 - x; of a sigmoid of z, it is the sigmoid of -z."""
        if self.link == "sigmoid" and self.dense is not None:
            return replace(self, dense=Dense(-self.dense.weights, -self.dense.bias))
        ones = np.ones(self.columns)
        return self.multiplied(-ones).minus(-ones)

    def beside(self, other: Rows) -> Rows:
        """The columns of these rows followed by those of `other`."""
        alike = self.link == other.link != "softmax" and self.normalizer is other.normalizer
        same_input = len(self.before) == len(other.before) and all(
            mine is theirs for mine, theirs in zip(self.before, other.before, strict=True)
        )
        if not (alike and same_input) or self.dense is None or other.dense is None:
            return self.combined(other, Concat)
        dense = Dense(
            np.concatenate([self.dense.weights, other.dense.weights]),
            np.concatenate([self.dense.bias, other.dense.bias]),
        )
        return replace(self, columns=self.columns + other.columns, dense=dense, flat=False)

    def plus(self, other: Rows, weight: float = 1.0) -> Rows:
        """These rows plus `weight` times others, column by column."""
        if self.columns != other.columns:
            raise ModelRefused(f"a sum of {self.columns} and {other.columns} columns")
        weights = np.asarray([1.0, weight])
        joined = self.combined(other, lambda branches: Sum(branches, weights))
        return replace(joined, flat=self.flat and other.flat)

    def combined(self, other: Rows, stage: Callable[[tuple[Chain, ...]], Stage]) -> Rows:
        """A stage over both; what they have in common is computed once."""
        mine, theirs = self.stages(), other.stages()
        same = 0
        while same < min(len(mine), len(theirs)) and mine[same] is theirs[same]:
            same += 1
        made = stage((mine[same:], theirs[same:]))
        columns = self.columns if isinstance(made, Sum) else self.columns + other.columns
        return Rows(columns, (*mine[:same], made))

    def normalized(self) -> Rows:
        """These rows, each divided by its sum."""
        if self.link == "exp":
            return replace(self, link="softmax")
        if self.link == "softmax" or (self.link == "sigmoid" and self.is_complementary()):
            return self  # the columns add up to 1 already
        if self.link == "sigmoid":
            return self.then(RowNorm("l1"))
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
