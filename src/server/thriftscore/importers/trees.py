# SPDX-License-Identifier: Apache-2.0
"""Trees of any source as one tree_ensemble stage, which decides exactly as they do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from thriftscore.errors import ModelRefused
from thriftscore.importers.stages import Doubles, Floats, TreeEnsemble

STRICT = 1
MISSING_LEFT = 2
CATEGORICAL = 4
ZERO_IS_MISSING = 8
NAN_IS_ZERO = 16
NAN_IS_MISSING = 32

LEAF = -1


@dataclass(frozen=True, eq=False)
class Tree:
    """One tree, its nodes in any order but the root first; arrays of one entry for each node."""

    features: NDArray[np.int64]
    """What is tested; LEAF where the node is a leaf."""
    thresholds: Doubles
    """Of a numeric test; of a categorical one the index in `sets`."""
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    flags: NDArray[np.uint8]
    values: Floats
    """(nodes,) or (nodes, outputs), read at leaves."""
    sets: Sequence[NDArray[np.int64]] = field(default=())
    """The categories that go left."""


@dataclass(frozen=True)
class Combination:
    """How trees make one answer."""

    base: Doubles
    """What each output starts from."""
    aggregate: Literal["sum", "mean"] = "sum"
    accumulate: Literal["fp32", "fp64"] = "fp64"
    tree_outputs: Sequence[int] | None = None
    """The output that each tree adds to; None where leaves have a value for every output."""


def forest(trees: Sequence[Tree], combination: Combination) -> TreeEnsemble:
    """Trees as one stage. Nodes that no path reaches are dropped."""
    ordered = [_reachable(tree) for tree in trees]
    leaves = [tree.features == LEAF for tree in ordered]
    leaf_counts = np.cumsum([0, *(int(leaf.sum()) for leaf in leaves)])
    set_counts = np.cumsum([0, *(len(tree.sets) for tree in ordered)])
    left, thresholds = [], []
    for index, (tree, leaf) in enumerate(zip(ordered, leaves, strict=True)):
        rows = leaf_counts[index] + np.cumsum(leaf) - 1
        left.append(np.where(leaf, rows, tree.left))
        categorical = (tree.flags & CATEGORICAL) != 0
        thresholds.append(
            np.where(categorical, tree.thresholds + set_counts[index], tree.thresholds)
        )
    outputs = len(combination.base)
    values = np.concatenate([tree.values[leaf] for tree, leaf in zip(ordered, leaves, strict=True)])
    words = [_bitset(members) for tree in ordered for members in tree.sets]
    one_output = combination.tree_outputs is not None
    return TreeEnsemble(
        tree_offsets=np.cumsum([0, *(len(tree.features) for tree in ordered)]),
        features=np.concatenate([tree.features for tree in ordered]).astype(np.int32),
        thresholds=np.concatenate(thresholds),
        left=np.concatenate(left).astype(np.int32),
        right=np.concatenate([tree.right for tree in ordered]).astype(np.int32),
        flags=np.concatenate([tree.flags for tree in ordered]),
        leaf_values=values.reshape(-1) if one_output else values.reshape(-1, outputs),
        outputs=outputs,
        base=np.asarray(combination.base, np.float64),
        aggregate=combination.aggregate,
        accumulate=combination.accumulate,
        tree_outputs=np.asarray(combination.tree_outputs, np.int32) if one_output else None,
        category_offsets=np.cumsum([0, *map(len, words)]) if words else None,
        category_bits=np.concatenate(words) if words else None,
    )


def on_columns(stage: TreeEnsemble, columns: NDArray[np.int64]) -> TreeEnsemble:
    """The same trees for rows in which their columns are at the indices `columns`."""
    inner = stage.features >= 0
    features = np.where(inner, columns[np.where(inner, stage.features, 0)], LEAF)
    return replace(stage, features=features.astype(np.int32))


def _reachable(tree: Tree) -> Tree:
    """The nodes level by level, so that children come after their parents.

    Raises ModelRefused where a node is reached twice or does not exist.
    """
    order, level, found = [], np.zeros(1, np.int64), 0
    while len(level):
        found += len(level)
        outside = level.min() < 0 or level.max() >= len(tree.features)
        if outside or found > len(tree.features):
            raise ModelRefused("the nodes of a tree do not form a tree")
        order.append(level)
        inner = level[tree.features[level] != LEAF]
        level = np.stack([tree.left[inner], tree.right[inner]], axis=1).reshape(-1)
    kept = np.concatenate(order)
    position = np.zeros(len(tree.features), np.int64)
    position[kept] = np.arange(len(kept))
    inner = tree.features[kept] != LEAF
    return Tree(
        features=np.where(inner, tree.features[kept], LEAF),
        thresholds=np.where(inner, tree.thresholds[kept], 0.0),
        left=np.where(inner, position[np.where(inner, tree.left[kept], 0)], 0),
        right=np.where(inner, position[np.where(inner, tree.right[kept], 0)], 0),
        flags=np.where(inner, tree.flags[kept], 0).astype(np.uint8),
        values=tree.values[kept],
        sets=tree.sets,
    )


def _bitset(members: NDArray[np.int64]) -> NDArray[np.uint32]:
    words = np.zeros(int(members.max(initial=0)) // 32 + 1, np.uint32)
    np.bitwise_or.at(words, members // 32, np.uint32(1) << (members % 32).astype(np.uint32))
    return words


def single_precision(stage: TreeEnsemble) -> TreeEnsemble:
    """The same trees for a source that rounds its rows to single precision first."""
    numeric = (stage.features >= 0) & ((stage.flags & CATEGORICAL) == 0)
    strict = (stage.flags & STRICT) != 0
    thresholds = stage.thresholds.copy()
    for chosen, is_strict in ((numeric & ~strict, False), (numeric & strict, True)):
        values, places = np.unique(thresholds[chosen], return_inverse=True)
        thresholds[chosen] = thresholds_before(as_float32, values, strict=is_strict)[places]
    return replace(stage, thresholds=thresholds, flags=stage.flags & ~np.uint8(STRICT))


Transform = Callable[[Doubles], Doubles]


def thresholds_before(
    transform: Transform, thresholds: Doubles, *, strict: bool = False
) -> Doubles:
    """The T for which x <= T decides as transform(x) <= threshold does, for every double x.

    `transform` maps one value for each threshold, never falls and keeps infinities; `strict` asks
    for transform(x) < threshold. Found by bisection over all doubles, so there is no rounding.
    """

    def passes(x: Doubles) -> NDArray[np.bool_]:
        with np.errstate(over="ignore"):
            seen = transform(x)
        return np.asarray(seen < thresholds if strict else seen <= thresholds)

    low = np.full(len(thresholds), _rank(np.asarray([-np.inf]))[0])
    high = np.full(len(thresholds), _rank(np.asarray([np.inf]))[0])
    low = np.where(passes(_value(high)), high, low)
    while True:
        gap = high - low  # as unsigned it cannot overflow: ranks lie within +-2^63
        open_ = gap.view(np.uint64) > 1
        if not open_.any():
            return _value(low)
        middle = low + (gap.view(np.uint64) // np.uint64(2)).view(np.int64)
        below = passes(_value(middle))
        low = np.where(open_ & below, middle, low)
        high = np.where(open_ & ~below, middle, high)


def as_float32(values: Doubles) -> Doubles:
    """What is left of doubles in single precision."""
    return values.astype(np.float32).astype(np.float64)


def _rank(values: Doubles) -> NDArray[np.int64]:
    """Integers in the order of the doubles."""
    bits = values.view(np.int64)
    return np.where(bits < 0, bits ^ np.int64(0x7FFF_FFFF_FFFF_FFFF), bits)


def _value(ranks: NDArray[np.int64]) -> Doubles:
    bits = np.where(ranks < 0, ranks ^ np.int64(0x7FFF_FFFF_FFFF_FFFF), ranks)
    return bits.view(np.float64)
