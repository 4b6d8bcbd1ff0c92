# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime's answers against the stages that ONNX graphs become."""

import warnings
from functools import cache
from typing import Any

import numpy as np
import onnx
import pytest
from fidelity import boundary_rows, engine, unusual_rows
from onnx import TensorProto, helper

from reference_engine import Reference
from thriftscore.errors import ModelRefused
from thriftscore.importers.onnx_source import read_onnx_file
from thriftscore.importers.source_model import SourceModel, answer

with warnings.catch_warnings():  # deprecations inside the libraries, not of their users
    warnings.simplefilter("ignore")
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
    from sklearn import datasets, decomposition, ensemble, impute, linear_model, preprocessing, tree
    from sklearn.base import is_classifier
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVR

SKLEARN: dict[str, tuple[str, Any]] = {
    "tree": ("breast_cancer", tree.DecisionTreeClassifier(max_depth=5)),
    "tree of numbers": ("diabetes", tree.DecisionTreeRegressor(max_depth=5)),
    "tree of targets": ("linnerud", tree.DecisionTreeRegressor(max_depth=3)),
    "forest": ("wine", ensemble.RandomForestClassifier(8, random_state=1)),
    "forest of two": ("breast_cancer", ensemble.RandomForestClassifier(8, random_state=1)),
    "forest of numbers": ("diabetes", ensemble.RandomForestRegressor(8, random_state=1)),
    "extra trees": ("iris", ensemble.ExtraTreesClassifier(8, random_state=1)),
    "boosting": ("breast_cancer", ensemble.GradientBoostingClassifier(n_estimators=8)),
    "boosting of three": ("wine", ensemble.GradientBoostingClassifier(n_estimators=8)),
    "boosting of numbers": ("diabetes", ensemble.GradientBoostingRegressor(n_estimators=8)),
    "MLP": ("breast_cancer", MLPClassifier((16, 8), max_iter=20, random_state=1)),
    "MLP of three": ("wine", MLPClassifier((16,), activation="tanh", max_iter=20, random_state=1)),
    "MLP of numbers": (
        "diabetes",
        MLPRegressor(hidden_layer_sizes=(16,), activation="logistic", max_iter=20, random_state=1),
    ),
    "PCA": ("breast_cancer", make_pipeline(decomposition.PCA(5), linear_model.Ridge())),
    "imputer": ("diabetes", make_pipeline(impute.SimpleImputer(), linear_model.Ridge())),
    "binarizer": (
        "digits",
        make_pipeline(preprocessing.Binarizer(threshold=7), linear_model.Ridge()),
    ),
    "L2 norm": ("wine", make_pipeline(preprocessing.Normalizer("l2"), linear_model.Ridge())),
    "min-max": ("wine", make_pipeline(preprocessing.MinMaxScaler(), linear_model.Ridge())),
    "SVR": ("diabetes", LinearSVR(max_iter=100_000)),
    "LDA": ("wine", LinearDiscriminantAnalysis()),
    "SGD": ("breast_cancer", linear_model.SGDClassifier(loss="log_loss", random_state=1)),
    "poisson": ("diabetes", linear_model.PoissonRegressor()),
    "several targets": ("linnerud", linear_model.Ridge()),
    "vote": (
        "diabetes",
        ensemble.VotingRegressor([("a", linear_model.Ridge()), ("b", linear_model.Lasso())]),
    ),
}


@cache
def converted(name: str, *, double: bool) -> tuple[SourceModel, Any]:
    data_set, estimator = SKLEARN[name]
    rows, target = getattr(datasets, f"load_{data_set}")(return_X_y=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as above
        if not data_set.startswith(("wine", "digits")):
            estimator = make_pipeline(StandardScaler(), estimator)
        estimator.fit(rows, target)
        kind = DoubleTensorType if double else FloatTensorType
        options = {id(estimator): {"zipmap": False}} if is_classifier(estimator) else {}
        model = convert_sklearn(
            estimator, initial_types=[("X", kind([None, rows.shape[1]]))], options=options
        )
    return read_onnx_file(model.SerializeToString()), rows


@pytest.mark.parametrize("name", SKLEARN)
def test_graphs_of_skl2onnx_give_what_onnx_runtime_gives(name: str) -> None:
    source, rows = converted(name, double=False)
    answered = answer(source, "fp32", None, None)
    for tried in (answered.golden.features, rows.astype(np.float32).astype(float)):
        expected = source.answers(tried)
        typical = np.maximum(np.maximum(1, abs(expected)), np.median(abs(expected), axis=0))
        for scores in (
            Reference(answered.model, np.float32).evaluate(tried),
            engine(answered.model, tried),
        ):
            assert np.nanmax(abs(scores - expected) / typical) <= 2e-5


def node(operator: str, inputs: str, output: str = "Y", **attributes: Any) -> onnx.NodeProto:
    ml = {"TreeEnsemble", "TreeEnsembleRegressor", "OneHotEncoder", "Imputer", "SVMRegressor"}
    ml |= {"FeatureVectorizer", "LinearClassifier", "TreeEnsembleClassifier"}
    domain = "ai.onnx.ml" if operator in ml else ""
    return helper.make_node(
        operator,
        inputs.split(),
        output.split(),
        f"{operator}_{output}",
        domain=domain,
        **attributes,
    )


def graph(nodes: list[onnx.NodeProto], *, batch: int | None = None, **tensors: Any) -> bytes:
    """A float graph from X (rows x 3) to Y."""
    shape = [batch, 3]
    ml = 5 if any(node.op_type == "TreeEnsemble" for node in nodes) else 3
    constants = []
    for name, value in tensors.items():
        array = np.asarray(value)
        array = array.astype(np.int64 if array.dtype.kind == "i" else np.float32)
        constants.append(onnx.numpy_helper.from_array(array, name))
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "graph",
            [helper.make_tensor_value_info("X", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("Y", TensorProto.FLOAT, [None, None])],
            constants,
        ),
        opset_imports=[helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", ml)],
        ir_version=10,
    )
    return bytes(model.SerializeToString())


W = [[1.0, -1.0], [0.5, 2.0], [-1.5, 0.25]]
V = [[1.0], [-2.0]]
NORM = {"s": [1.0, 2.0], "b": [0.5, -0.5], "m": [0.1, 0.2], "v": [1.5, 0.5]}
GRAPHS: dict[str, bytes] = {
    **{
        f"hidden {operator}": graph(
            [node("Gemm", "X w b", "a"), node(operator, "a", "h"), node("MatMul", "h v")],
            w=W,
            b=[0.1, -0.2],
            v=V,
        )
        for operator in (
            "Relu",
            "Sigmoid",
            "Tanh",
            "Softplus",
            "Elu",
            "LeakyRelu",
            "Selu",
            "HardSigmoid",
        )
    },
    "batch normalisation": graph(
        [node("MatMul", "X w", "a"), node("BatchNormalization", "a s b m v")], w=W, **NORM
    ),
    "batch normalisation after an activation": graph(
        [
            node("MatMul", "X w", "a"),
            node("Relu", "a", "r"),
            node("BatchNormalization", "r s b m v", "n"),
            node("Dropout", "n", "d"),
            node("Softmax", "d"),
        ],
        w=W,
        **NORM,
    ),
    "a network as PyTorch writes it": graph(
        [
            node("Flatten", "X", "f", axis=1),
            node("Gemm", "f w b", "a", transB=1),
            node("Relu", "a", "r"),
            node("Dropout", "r", "d"),
            node("Gemm", "d v c", "z", transB=1),
            node("Sigmoid", "z"),
        ],
        w=np.transpose(W),
        b=[0.1, -0.2],
        v=np.transpose(V),
        c=[0.3],
    ),
    "a network as Keras writes it": graph(
        [
            node("MatMul", "X w", "a"),
            node("Add", "a b", "h"),
            node("Elu", "h", "e", alpha=0.5),
            node("MatMul", "e w2", "m"),
            node("Add", "m b2", "z"),
            node("Softmax", "z", axis=-1),
        ],
        w=W,
        b=[0.1, -0.2],
        w2=[[1.0, 2.0, -1.0], [0.5, -0.5, 0.25]],
        b2=[0.0, 0.1, -0.1],
    ),
    "clip": graph(
        [node("Clip", "X low high", "a"), node("MatMul", "a w")], low=-0.5, high=0.5, w=W
    ),
    "a factor of zero": graph(
        [node("Mul", "X c", "a"), node("MatMul", "a w")], w=W, c=[0.0, 1.0, 2.0]
    ),
    "columns": graph(
        [
            node("Gather", "X i", "a", axis=1),
            node("Slice", "X b e x", "c"),
            node("Concat", "a c X", axis=1),
        ],
        i=[2, 0],
        b=[1],
        e=[3],
        x=[1],
    ),
    "two branches": graph(
        [
            node("MatMul", "X w", "a"),
            node("Relu", "a", "r"),
            node("MatMul", "X w", "b"),
            node("Tanh", "b", "t"),
            node("Add", "r t", "s"),
            node("Neg", "r", "n"),
            node("Sub", "s n"),
        ],
        w=W,
    ),
    "a hidden softmax": graph(
        [node("MatMul", "X w", "a"), node("Softmax", "a", "p"), node("MatMul", "p v")], w=W, v=V
    ),
    "one hot": graph(
        [
            node("Gather", "X i", "a", axis=1),
            node("Cast", "a", "c", to=TensorProto.INT64),
            node("OneHotEncoder", "c", "o", cats_int64s=[0, 1, -1], zeros=1),
            node("Reshape", "o shape"),
        ],
        i=[1],
        shape=[-1, 3],
    ),
    "imputer": graph(
        [
            node(
                "Imputer", "X", "a", imputed_value_floats=[1.0, 2.0, 3.0], replaced_value_float=0.0
            ),
            node("MatMul", "a w"),
        ],
        w=W,
    ),
    "linear SVM": graph(
        [
            node(
                "SVMRegressor",
                "X",
                coefficients=[1.0, -2.0],
                rho=[0.5],
                n_supports=2,
                kernel_params=[0.0, 0.0, 3.0],
                support_vectors=[1.0, 2.0, 3.0, -1.0, 0.5, 0.25],
            )
        ]
    ),
    "decision values": graph(
        [
            node(
                "LinearClassifier",
                "X",
                "L Y",
                coefficients=[-1.0, -2.0, 1.0, 1.0, 2.0, -1.0],
                intercepts=[-0.5, 0.5],
                classlabels_ints=[0, 1],
                post_transform="NONE",
            )
        ]
    ),
    "one row a time": graph([node("MatMul", "X w")], batch=1, w=W),
}


def whole_rows(count: int) -> Any:
    rows = np.random.default_rng(1).standard_normal((count, 3)).astype(np.float32)
    rows[::3] = np.round(rows[::3])
    return rows.astype(float)


@pytest.mark.parametrize("name", GRAPHS)
def test_operators_mean_what_onnx_says(name: str) -> None:
    source = read_onnx_file(GRAPHS[name])
    data = answer(source, "fp64", "propagate", None).model
    rows = np.round(whole_rows(60)) if name == "one hot" else whole_rows(60)
    for scores in (Reference(data).evaluate(rows), engine(data, rows)):
        np.testing.assert_allclose(scores, source.answers(rows), rtol=2e-6, atol=2e-6)


def test_decision_values_are_compared_with_zero() -> None:
    native = read_onnx_file(GRAPHS["decision values"]).native
    assert (native.task, native.label_threshold) == ("binary_classification", 0.0)
    assert read_onnx_file(trees(ALL_MODES, tracks=0, one_class=0)).native.label_threshold is None


def trees(modes: list[str], *, tracks: int, one_class: int | None = None) -> bytes:
    """A chain of tests, one of each mode, with a leaf beside each."""
    inner, size = len(modes), 2 * len(modes) + 1
    names = [*modes, *["LEAF"] * (inner + 1)]
    attributes: dict[str, Any] = {
        "nodes_treeids": [0] * size,
        "nodes_nodeids": list(range(size)),
        "nodes_featureids": [i % 3 for i in range(inner)] + [0] * (inner + 1),
        "nodes_values": [0.25 * (i % 3 - 1) for i in range(inner)] + [0.0] * (inner + 1),
        "nodes_modes": names,
        "nodes_truenodeids": [inner + i for i in range(inner)] + [0] * (inner + 1),
        "nodes_falsenodeids": [*range(1, inner), size - 1] + [0] * (inner + 1),
        "nodes_missing_value_tracks_true": [tracks] * inner + [0] * (inner + 1),
    }
    kind = "target" if one_class is None else "class"
    attributes |= {
        f"{kind}_treeids": [0] * (inner + 1),
        f"{kind}_nodeids": list(range(inner, size)),
        f"{kind}_ids": [one_class or 0] * (inner + 1),
        f"{kind}_weights": [0.125 * (i + 1) for i in range(inner + 1)],
        "base_values": [0.25],
    }
    if one_class is not None:
        attributes |= {"classlabels_int64s": [0, 1], "post_transform": "LOGISTIC"}
        return graph([node("TreeEnsembleClassifier", "X", "L Y", **attributes)])
    return graph([node("TreeEnsembleRegressor", "X", n_targets=1, **attributes)])


ALL_MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT"]


@pytest.mark.parametrize("one_class", [None, 0, 1])
@pytest.mark.parametrize("tracks", [0, 1])
@pytest.mark.parametrize("first", range(4))
def test_every_test_of_trees_decides_as_in_onnx_runtime(
    first: int, tracks: int, one_class: int | None
) -> None:
    modes = ALL_MODES[first:] + ALL_MODES[:first]
    source = read_onnx_file(trees(modes, tracks=tracks, one_class=one_class))
    data = answer(source, "fp32", "propagate", None).model
    rows = whole_rows(200)
    tried = np.concatenate(
        [
            boundary_rows(source.native, rows, np.float32),
            unusual_rows(rows, np.float32, missing=True, infinite=True),
        ]
    )
    scores = Reference(data, np.float32).evaluate(tried)
    np.testing.assert_allclose(scores, source.answers(tried), rtol=1e-6)
    np.testing.assert_allclose(engine(data, tried), source.answers(tried), rtol=1e-6)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (trees(["BRANCH_EQ"], tracks=0), "tests of the kind BRANCH_EQ have no native stage"),
        (
            graph([node("SVMRegressor", "X", coefficients=[1.0], kernel_type="RBF")]),
            "only the linear kernel is supported",
        ),
        (graph([node("Conv", "X w", "a"), node("Erf", "a")], w=[1.0]), "operators Conv, Erf have"),
    ],
)
def test_what_has_no_stages_is_refused_by_name(data: bytes, reason: str) -> None:
    with pytest.raises(ModelRefused, match=reason):
        read_onnx_file(data)


def tensor(name: str, values: Any, kind: int) -> onnx.TensorProto:
    return helper.make_tensor(name, kind, [len(values)], values)


def test_version_5_trees_decide_as_in_onnx_runtime() -> None:
    double, byte = TensorProto.FLOAT, TensorProto.UINT8
    data = graph(
        [
            node(
                "TreeEnsemble",
                "X",
                aggregate_function=1,
                post_transform=0,
                n_targets=2,
                tree_roots=[0, 2],
                nodes_modes=tensor("m", [0, 1, 3], byte),
                nodes_splits=tensor("s", [0.25, -0.5, 0.0], double),
                nodes_featureids=[0, 1, 2],
                nodes_truenodeids=[1, 0, 2],
                nodes_trueleafs=[0, 1, 1],
                nodes_falsenodeids=[4, 1, 3],
                nodes_falseleafs=[1, 1, 1],
                leaf_targetids=[0, 1, 0, 1, 1],
                leaf_weights=tensor("w", [1.0, 2.0, 4.0, 8.0, 16.0], double),
            )
        ]
    )
    source = read_onnx_file(data)
    rows = boundary_rows(source.native, whole_rows(100), np.float32)
    written = answer(source, "fp32", None, None).model
    np.testing.assert_array_equal(
        Reference(written, np.float32).evaluate(rows), source.answers(rows)
    )
