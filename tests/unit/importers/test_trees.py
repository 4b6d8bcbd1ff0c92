# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from thriftscore.errors import ModelRefused
from thriftscore.importers.trees import Combination, Tree, as_float32, forest, thresholds_before

EDGES = [0.0, -0.0, 1.0, -1.0, 0.1, 1e-45, 5e-324, 3.4028234663852886e38, 1e39, -1e39, 16777217.0]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    "transform",
    [as_float32, lambda x: (x - 0.3) / 1.7, lambda x: as_float32(x * 0.37 - 5.0), lambda x: x],
)
def test_thresholds_move_before_a_rising_function_without_changing_a_decision(
    transform: object, strict: bool
) -> None:
    random = np.random.default_rng(1)
    thresholds = np.concatenate(
        [EDGES, random.standard_normal(200), 10.0 ** random.uniform(-40, 40, 50)]
    )
    moved = thresholds_before(transform, thresholds, strict=strict)
    for x in (moved, np.nextafter(moved, np.inf), np.nextafter(moved, -np.inf), thresholds):
        with np.errstate(over="ignore"):
            seen = transform(x)
        expected = seen < thresholds if strict else seen <= thresholds
        np.testing.assert_array_equal(x <= moved, expected)


def tree(left: list[int], right: list[int]) -> Tree:
    features = np.where(np.asarray(left) < 0, -1, 0)
    size = len(left)
    return Tree(
        features=features,
        thresholds=np.zeros(size),
        left=np.asarray(left),
        right=np.asarray(right),
        flags=np.zeros(size, np.uint8),
        values=np.arange(float(size)),
    )


def test_children_come_after_their_parents_and_lost_nodes_are_dropped() -> None:
    stage = forest(
        [tree([3, -1, -1, 1, -1, -1], [4, 0, 0, 2, 0, 0])],
        Combination(np.zeros(1), tree_outputs=[0]),
    )
    np.testing.assert_array_equal(stage.features, [0, 0, -1, -1, -1])
    np.testing.assert_array_equal(stage.left, [1, 3, 0, 1, 2])
    np.testing.assert_array_equal(stage.right, [2, 4, 0, 0, 0])
    np.testing.assert_array_equal(stage.leaf_values, [4.0, 1.0, 2.0])


@pytest.mark.parametrize(
    ("left", "right"), [([0], [0]), ([1, 0], [1, 0]), ([7], [1]), ([-5, 1], [1, 1])]
)
def test_what_is_no_tree_is_refused(left: list[int], right: list[int]) -> None:
    broken = tree(left, right)
    broken.features[:] = 0
    with pytest.raises(ModelRefused, match="do not form a tree"):
        forest([broken], Combination(np.zeros(1), tree_outputs=[0]))
