# SPDX-License-Identifier: Apache-2.0
"""The tree operators of ai.onnx.ml: versions 1 and 3 of two, and TreeEnsemble of version 5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thriftscore.errors import ModelRefused
from thriftscore.importers.onnx_call import Call, Handler, class_labels
from thriftscore.importers.onnx_file import tensor_values
from thriftscore.importers.onnx_values import Label, Rows, Value
from thriftscore.importers.stages import Dense, Doubles, Scale, Stage
from thriftscore.importers.trees import LEAF, MISSING_LEFT, STRICT, Combination, Tree, forest

_LEAF_MODE = "LEAF"
# Each test that is not `x <= threshold` or `x < threshold` is one of them with branches swapped.
_STRICT_MODES = {"BRANCH_LT", "BRANCH_GTE"}
_SWAPPED_MODES = {"BRANCH_GTE", "BRANCH_GT"}
_MODES = _STRICT_MODES | _SWAPPED_MODES | {"BRANCH_LEQ", _LEAF_MODE}
_MODES_5 = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ")


@dataclass(frozen=True)
class _Nodes:
    """Nodes of all trees, one entry for each; children are indices among them."""

    modes: NDArray[np.str_]
    features: NDArray[np.int64]
    thresholds: Doubles
    true_child: NDArray[np.int64]
    false_child: NDArray[np.int64]
    missing_is_true: NDArray[np.bool_]
    values: Doubles
    """(nodes, outputs)"""

    def tree(self, nodes: NDArray[np.int64], outputs: slice) -> Tree:
        """The tree of these nodes, its root first."""
        modes = self.modes[nodes]
        leaf = modes == _LEAF_MODE
        swapped = np.isin(modes, list(_SWAPPED_MODES))
        strict = np.isin(modes, list(_STRICT_MODES))
        position = np.full(len(self.modes), -1)
        position[nodes] = np.arange(len(nodes))
        true_child, false_child = (
            position[self.true_child[nodes]],
            position[self.false_child[nodes]],
        )
        if ((true_child < 0) | (false_child < 0))[~leaf].any():
            raise ModelRefused("a child lies in another tree")
        flags = np.where(strict, STRICT, 0)
        flags |= np.where(self.missing_is_true[nodes] != swapped, MISSING_LEFT, 0)
        return Tree(
            features=np.where(leaf, LEAF, self.features[nodes]),
            thresholds=self.thresholds[nodes],
            left=np.where(swapped, false_child, true_child),
            right=np.where(swapped, true_child, false_child),
            flags=flags.astype(np.uint8),
            values=self.values[nodes][:, outputs],
        )


_Found = tuple[_Nodes, list[NDArray[np.int64]]]
"""All nodes, and for each tree the indices of its own."""


def _numbers(call: Call, name: str, default: float | None = None, size: int = 0) -> NDArray[Any]:
    """An attribute of numbers, as a list or, in double, as a tensor."""
    if f"{name}_as_tensor" in call.attributes:
        return np.asarray(tensor_values(call.attributes[f"{name}_as_tensor"]))
    value = call.attributes.get(name)
    if value is None:
        if default is None:
            raise ModelRefused(f"the attribute {name} is missing")
        return np.full(size, default)
    return np.asarray(tensor_values(value) if hasattr(value, "dims") else value)


def _nodes(call: Call, kind: str, outputs: int) -> _Found:
    """Nodes of versions 1 and 3, and for each tree the indices of its nodes."""
    trees, ids = _numbers(call, "nodes_treeids"), _numbers(call, "nodes_nodeids")
    size = len(ids)
    place = {key: index for index, key in enumerate(zip(trees.tolist(), ids.tolist(), strict=True))}
    if len(place) < size:
        raise ModelRefused("two nodes have the same number")
    modes = np.asarray([mode.decode() for mode in call.attributes["nodes_modes"]])
    values = np.zeros((size, outputs))
    weights = zip(
        *(
            _numbers(call, f"{kind}_{name}").tolist()
            for name in ("treeids", "nodeids", "ids", "weights")
        ),
        strict=True,
    )
    for tree, node, output, weight in weights:
        if not 0 <= output < outputs:
            raise ModelRefused(f"a weight of output {output} of {outputs}")
        values[place[tree, node], output] += weight
    leaf = modes == _LEAF_MODE
    children = [
        np.asarray([0 if end else place[key] for key, end in zip(pairs, leaf, strict=True)])
        for pairs in (
            list(zip(trees.tolist(), _numbers(call, f"nodes_{name}nodeids").tolist(), strict=True))
            for name in ("true", "false")
        )
    ]
    found = _Nodes(
        modes=modes,
        features=_numbers(call, "nodes_featureids").astype(np.int64),
        thresholds=_numbers(call, "nodes_values").astype(np.float64),
        true_child=children[0],
        false_child=children[1],
        missing_is_true=_numbers(call, "nodes_missing_value_tracks_true", 0, size) != 0,
        values=values,
    )
    return found, [np.flatnonzero(trees == tree) for tree in dict.fromkeys(trees.tolist())]


def _ensemble(call: Call, found: _Found, outputs: slice, base: Doubles) -> Rows:
    """The sum of the trees; the base is added at the end, as ONNX Runtime does."""
    nodes, trees = found
    unknown = sorted(set(nodes.modes.tolist()) - _MODES)
    if unknown:
        raise ModelRefused(f"tests of the kind {', '.join(unknown)} have no native stage")
    inner = nodes.modes != _LEAF_MODE
    rows = call.rows()
    if (
        inner.any()
        and not 0 <= nodes.features[inner].min() <= nodes.features[inner].max() < rows.columns
    ):
        raise ModelRefused(f"a tree tests a feature that rows of {rows.columns} do not have")
    aggregate = call.text("aggregate_function", "SUM")
    if aggregate not in {"SUM", "AVERAGE"}:
        raise ModelRefused(f"aggregate_function {aggregate} is not supported")
    parts = [nodes.tree(members, outputs) for members in trees]
    count = parts[0].values.shape[1]
    double = any(name.endswith("_as_tensor") for name in call.attributes)
    stage = forest(
        parts,
        Combination(
            np.zeros(count),
            aggregate="sum" if aggregate == "SUM" else "mean",
            accumulate="fp64" if double else "fp32",
        ),
    )
    shift: tuple[Stage, ...] = (Scale(-base, np.ones(count)),) if base.any() else ()
    return rows.trees(stage).then(*shift)


def _linked(rows: Rows, transform: str) -> Rows:
    if transform == "NONE":
        return rows
    if transform == "LOGISTIC":
        return rows.linked("sigmoid")
    if transform == "SOFTMAX":
        return rows.linked("softmax")
    raise ModelRefused(f"post_transform {transform} is not supported")


def _base(call: Call, outputs: int) -> Doubles:
    values = _numbers(call, "base_values", 0.0, outputs).astype(np.float64)
    if len(values) not in {1, outputs}:
        raise ModelRefused(f"{len(values)} base_values for {outputs} outputs")
    return np.broadcast_to(values, (outputs,)).copy()


def _regressor(call: Call) -> Sequence[Value]:
    outputs = int(call.attributes.get("n_targets", 1))
    rows = _ensemble(call, _nodes(call, "target", outputs), slice(None), _base(call, outputs))
    return [_linked(rows, call.text("post_transform", "NONE"))]


def _classifier(call: Call) -> Sequence[Value]:
    classes = class_labels(call, "classlabels_int64s", "classlabels_strings")
    found = _nodes(call, "class", len(classes))
    transform = call.text("post_transform", "NONE")
    columns = set(_numbers(call, "class_ids").tolist())
    if len(classes) == 2 and len(columns) == 1:
        rows = _one_sided(call, found, columns.pop(), transform)
    else:
        everything = _ensemble(call, found, slice(None), _base(call, len(classes)))
        rows = _linked(everything, transform)
    return [Label(classes), Rows(**{**vars(rows), "classes": classes})]


def _one_sided(call: Call, found: _Found, column: int, transform: str) -> Rows:
    """Weights of one class only: what ONNX Runtime makes of them for the other one."""
    base = _numbers(call, "base_values", 0.0, 1).astype(np.float64)
    if len(base) > 1 or transform not in {"NONE", "LOGISTIC"}:
        raise ModelRefused("weights of one of two classes with two base_values, or a softmax")
    chosen = slice(column, column + 1)
    if column == 1:  # the base value is that of the first class then
        score = _ensemble(call, found, chosen, np.zeros(1))
        both = Dense(np.asarray([[0.0], [1.0]]), np.asarray([base[0], 0.0]))
        return _linked(Rows(2, score.stages(), dense=both), transform)
    score = _ensemble(call, found, chosen, base)
    positive = (_numbers(call, "class_weights") >= 0).all()
    bias = np.asarray([1.0, 0.0] if transform == "NONE" and positive else [0.0, 0.0])
    return _linked(
        Rows(2, score.stages(), dense=Dense(np.asarray([[-1.0], [1.0]]), bias)), transform
    )


def _version_5(call: Call) -> Sequence[Value]:
    """Roots, inner nodes and leaves in lists of their own."""
    outputs = int(call.attributes.get("n_targets", 1))
    modes = np.asarray([_mode(mode) for mode in _numbers(call, "nodes_modes").tolist()])
    leaf_weights = _numbers(call, "leaf_weights").astype(np.float64)
    leaf_targets = _numbers(call, "leaf_targetids")
    inner, leaves = len(modes), len(leaf_weights)
    values = np.zeros((inner + leaves, outputs))
    values[inner + np.arange(leaves), leaf_targets] = leaf_weights
    nowhere = np.zeros(leaves, np.int64)

    def child(name: str) -> NDArray[np.int64]:
        ids = _numbers(call, f"nodes_{name}nodeids")
        is_leaf = _numbers(call, f"nodes_{name}leafs") != 0
        if (len(ids) and (ids < 0).any()) or (ids >= np.where(is_leaf, leaves, inner)).any():
            raise ModelRefused("a child does not exist")
        return np.concatenate([np.where(is_leaf, ids + inner, ids), nowhere])

    missing = _numbers(call, "nodes_missing_value_tracks_true", 0, inner)
    found = _Nodes(
        modes=np.concatenate([modes, np.full(leaves, _LEAF_MODE)]),
        features=np.concatenate([_numbers(call, "nodes_featureids"), nowhere]).astype(np.int64),
        thresholds=np.concatenate([_numbers(call, "nodes_splits").astype(np.float64), nowhere]),
        true_child=child("true"),
        false_child=child("false"),
        missing_is_true=np.concatenate([missing, nowhere]) != 0,
        values=values,
    )
    trees = [_below(found, int(root)) for root in _numbers(call, "tree_roots")]
    aggregate = {0: "AVERAGE", 1: "SUM"}.get(
        call.attributes.get("aggregate_function", 1), "MIN/MAX"
    )
    transform = {0: "NONE", 1: "SOFTMAX", 2: "LOGISTIC"}.get(
        call.attributes.get("post_transform", 0), "SOFTMAX_ZERO/PROBIT"
    )
    renamed = Call({**call.attributes, "aggregate_function": aggregate}, call.inputs)
    return [_linked(_ensemble(renamed, (found, trees), slice(None), np.zeros(outputs)), transform)]


def _mode(mode: int) -> str:
    return _MODES_5[mode] if 0 <= mode < len(_MODES_5) else "BRANCH_MEMBER"


def _below(nodes: _Nodes, root: int) -> NDArray[np.int64]:
    """A node and all below it, itself first. Raises ModelRefused where that is no tree."""
    found, level = [], np.asarray([root])
    while len(level):
        found.append(level)
        if sum(map(len, found)) > len(nodes.modes):
            raise ModelRefused("the nodes below a root are no tree")
        inner = level[nodes.modes[level] != _LEAF_MODE]
        level = np.concatenate([nodes.true_child[inner], nodes.false_child[inner]])
    return np.concatenate(found)


TREE_HANDLERS: Mapping[tuple[str, str], Handler] = {
    ("ai.onnx.ml", "TreeEnsemble"): _version_5,
    ("ai.onnx.ml", "TreeEnsembleClassifier"): _classifier,
    ("ai.onnx.ml", "TreeEnsembleRegressor"): _regressor,
}
