# SPDX-License-Identifier: Apache-2.0
"""ONNX files made by skl2onnx against the pipelines they were made from."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from thriftscore.errors import ModelRefused
from thriftscore.importers.importing import ImportedModel, ImportOptions, import_model

NAMES = [
    *("breast_cancer", "breast_cancer_plain", "wine", "iris_plain", "digits"),
    *("diabetes", "diabetes_ridge", "diabetes_plain", "diabetes_poisson"),
]


def import_bytes(folder: Path, data: bytes, **options: Any) -> ImportedModel:
    source = folder / "model.onnx"
    source.write_bytes(data)
    return import_model(source, ImportOptions(**options))


@pytest.mark.parametrize("zipmap", [False, True])
@pytest.mark.parametrize("trained", NAMES, indirect=True)
def test_double_graphs_reproduce_the_pipeline_in_double(
    tmp_path: Path, trained: Any, zipmap: bool
) -> None:
    imported = import_bytes(tmp_path, trained.onnx(double=True, zipmap=zipmap), precision="fp64")
    assert imported.version.tolerance == 1e-10
    scores = imported.model.score(trained.rows)
    np.testing.assert_allclose(scores, trained.scores(trained.rows), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("zipmap", [False, True])
@pytest.mark.parametrize("trained", NAMES, indirect=True)
def test_single_graphs_agree_with_the_pipeline_in_single(
    tmp_path: Path, trained: Any, zipmap: bool
) -> None:
    imported = import_bytes(tmp_path, trained.onnx(double=False, zipmap=zipmap))
    assert imported.version.tolerance == 1e-5
    rows = trained.rows.astype(np.float32)
    scores = imported.model.score(rows)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, trained.scores(rows), rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("trained", ["diabetes", "digits", "wine"], indirect=True)
def test_normalize_is_the_scaler_to_the_bit(tmp_path: Path, trained: Any) -> None:
    model = import_bytes(tmp_path, trained.onnx(double=True), precision="fp64").model
    scaler = trained.estimator[0]
    np.testing.assert_array_equal(model.normalize(trained.rows), scaler.transform(trained.rows))
    np.testing.assert_allclose(
        model.denormalize(scaler.transform(trained.rows)), trained.rows, rtol=1e-12, atol=1e-12
    )


def test_the_report_says_what_was_compared(tmp_path: Path, breast_cancer: Any) -> None:
    steps: list[str] = []
    source = tmp_path / "bc.onnx"
    source.write_bytes(breast_cancer.onnx(double=False))
    sample = tmp_path / "rows.npy"
    np.save(sample, breast_cancer.rows)
    imported = import_model(source, ImportOptions(sample=sample), steps.append)
    report, version = imported.report, imported.version
    assert (report.rows, report.label_disagreements) == (len(breast_cancer.rows), 0)
    assert report.reference == "onnxruntime"
    assert 0 < report.max_relative_difference <= report.max_absolute_difference < 1e-5
    assert version.source.format == "onnx"
    assert version.source.file_name == "bc.onnx"
    assert {"onnx", "onnxruntime", "numpy"} == set(version.source.libraries)
    assert version.golden is not None
    np.testing.assert_array_equal(
        version.golden.features, breast_cancer.rows.astype(np.float32).astype(np.float64)
    )
    assert steps[0] == "reading the source"
    assert len(steps) == 4


def test_classes_and_task_come_with_the_model(tmp_path: Path, breast_cancer: Any) -> None:
    model = import_bytes(tmp_path, breast_cancer.onnx(double=True)).model
    assert (model.task, model.link, model.classes) == (
        "binary_classification",
        "sigmoid",
        ("0", "1"),
    )
    assert model.features[:2] == ("f0", "f1")
    assert model.missing_values == "refuse"
    propagating = import_bytes(
        tmp_path, breast_cancer.onnx(double=True), missing_values="propagate"
    ).model
    assert np.isnan(propagating.score(np.full((1, 30), np.nan))).all()


def graph(nodes: list[onnx.NodeProto], *, columns: int = 2, **tensors: Any) -> bytes:
    """A float graph from X (rows x columns) to Y."""
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "graph",
            [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, columns])],
            [helper.make_tensor_value_info("Y", TensorProto.FLOAT, [None, None])],
            [
                onnx.numpy_helper.from_array(np.asarray(value, np.float32), name)
                for name, value in tensors.items()
            ],
        ),
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)],
        ir_version=8,
    )
    return bytes(model.SerializeToString())


def node(operator: str, inputs: str, outputs: str = "Y", **attributes: Any) -> onnx.NodeProto:
    domain = "ai.onnx.ml" if operator in {"Scaler", "LinearClassifier", "Normalizer"} else ""
    name = f"{operator}_{outputs}"
    return helper.make_node(
        operator, inputs.split(), outputs.split(), name, domain=domain, **attributes
    )


W = [[1.0], [-2.0]]
GRAPHS: dict[str, tuple[bytes, Any]] = {
    "Gemm with every attribute": (
        graph([node("Gemm", "X w c", alpha=2.0, beta=3.0, transB=1)], w=[[1.0, -2.0]], c=[5.0]),
        lambda x: 2 * (x[:, :1] - 2 * x[:, 1:]) + 15,
    ),
    "affine steps after a sum": (
        graph(
            [
                node("MatMul", "X w", "a"),
                node("Mul", "a c", "b"),
                node("Sub", "c b", "d"),
                node("Div", "d c"),
            ],
            w=W,
            c=[4.0],
        ),
        lambda x: 1 - (x[:, :1] - 2 * x[:, 1:]),
    ),
    "two sums in a row": (
        graph([node("MatMul", "X v", "a"), node("MatMul", "a w")], v=[[1, 2], [3, 4]], w=W),
        lambda x: x @ np.array([[1, 2], [3, 4]]) @ np.array(W),
    ),
    "a flat sum": (
        graph(
            [node("MatMul", "X w", "a"), node("Add", "a c", "b"), node("Exp", "b")], w=[1, -2], c=1
        ),
        lambda x: np.exp(x[:, :1] - 2 * x[:, 1:] + 1),
    ),
    "a softmax of two": (
        graph([node("MatMul", "X w", "a"), node("Softmax", "a")], w=[[1, 3], [0, -2]]),
        lambda x: 1 / (1 + np.exp(-(2 * x[:, :1] - 2 * x[:, 1:]))),
    ),
    "one minus a sigmoid beside it": (
        graph(
            [
                node("MatMul", "X w", "a"),
                node("Sigmoid", "a", "p"),
                node("Sub", "c p", "q"),
                node("Concat", "q p", axis=1),
            ],
            w=W,
            c=[1.0],
        ),
        lambda x: 1 / (1 + np.exp(-(x[:, :1] - 2 * x[:, 1:]))),
    ),
    "a Scaler of one value": (
        graph([node("Scaler", "X", "a", offset=[1.0], scale=[0.5]), node("MatMul", "a w")], w=W),
        lambda x: (x - 1) / 2 @ np.array(W),
    ),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_graphs_of_other_makers_mean_what_onnx_says(tmp_path: Path, name: str) -> None:
    data, expected = GRAPHS[name]
    rows = np.random.default_rng(1).standard_normal((50, 2)).astype(np.float32)
    scores = import_bytes(tmp_path, data).model.score(rows)
    np.testing.assert_allclose(scores, expected(rows.astype(np.float64)), rtol=1e-5, atol=1e-6)


REFUSED: dict[str, tuple[bytes, str]] = {
    "an operator without a stage": (
        graph([node("Conv", "X w")], w=[[[1.0]]]),
        "operator Conv (node 'Conv_Y') has no native stage",
    ),
    "an operator of a strange domain": (
        graph([helper.make_node("Magic", ["X"], ["Y"], "m", domain="com.example")]),
        "operator com.example.Magic (node 'm') has no native stage",
    ),
    "a constant that broadcasts over rows": (
        graph([node("Add", "X c", "a"), node("MatMul", "a w")], w=W, c=[[1.0], [2.0]]),
        "a constant of shape [2, 1] does not fit rows of 2 columns",
    ),
    "weights that are not finite": (
        graph([node("MatMul", "X w")], w=[[np.inf], [0.0]]),
        "a constant is not finite",
    ),
    "several operators without a stage": (
        graph([node("Conv", "X w", "a"), node("Erf", "a", "b"), node("Conv", "b w")], w=[[[1.0]]]),
        "operators Conv, Erf have no native stage",
    ),
    "a row norm that nobody means": (
        graph([node("Normalizer", "X", "a", norm="MAX"), node("MatMul", "a w")], w=W),
        "operator Normalizer (node 'Normalizer_a'): norm MAX has no native stage",
    ),
    "a link nobody has": (
        graph(
            [
                node(
                    "LinearClassifier",
                    "X",
                    "label Y",
                    coefficients=[1.0, 2.0],
                    classlabels_ints=[0, 1],
                    post_transform="PROBIT",
                )
            ]
        ),
        "post_transform PROBIT is not supported",
    ),
    "coefficients that are too few": (
        graph(
            [node("LinearClassifier", "X", "label Y", coefficients=[1.0], classlabels_ints=[0, 1])]
        ),
        "1 coefficients for 0 outputs of 2 columns",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_exact_native_form_is_refused_by_name(tmp_path: Path, name: str) -> None:
    data, reason = REFUSED[name]
    with pytest.raises(ModelRefused) as raised:
        import_bytes(tmp_path, data)
    assert reason in str(raised.value)


def test_inputs_other_than_one_matrix_are_refused(tmp_path: Path) -> None:
    good = onnx.ModelProto.FromString(graph([node("MatMul", "X w")], w=W))
    for change, reason in (
        (lambda g: g.input.append(helper.make_tensor_value_info("Z", 1, [None, 1])), "X, Z"),
        (lambda g: g.input[0].CopyFrom(helper.make_tensor_value_info("X", 7, [None, 2])), "INT64"),
        (lambda g: g.input[0].CopyFrom(helper.make_tensor_value_info("X", 1, [None, None])), "-1"),
        (lambda g: g.input[0].CopyFrom(helper.make_tensor_value_info("X", 1, [2])), "[2]"),
    ):
        bad = onnx.ModelProto()
        bad.CopyFrom(good)
        change(bad.graph)
        with pytest.raises(ModelRefused) as raised:
            import_bytes(tmp_path, bad.SerializeToString())
        assert reason in str(raised.value)


def test_weights_in_another_file_are_refused_unread(tmp_path: Path) -> None:
    model = onnx.ModelProto.FromString(graph([node("MatMul", "X w")], w=W))
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "/etc/passwd"), ("offset", "-1"), ("__class__", "x")):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
        with pytest.raises(ModelRefused, match="tensor 'w' is in another file"):
            import_bytes(tmp_path, model.SerializeToString())


@pytest.mark.parametrize("dims", [[1 << 40, 1 << 40], [-1, 2], [2, 1, 0], [3, 1]])
def test_tensors_that_promise_other_sizes_than_they_have_are_refused(
    tmp_path: Path, dims: list[int]
) -> None:
    model = onnx.ModelProto.FromString(graph([node("MatMul", "X w")], w=W))
    del model.graph.initializer[0].dims[:]
    model.graph.initializer[0].dims.extend(dims)
    with pytest.raises(ModelRefused):
        import_bytes(tmp_path, model.SerializeToString())


def test_a_file_cut_before_the_end_of_its_graph_is_refused(
    tmp_path: Path, breast_cancer: Any
) -> None:
    data = breast_cancer.onnx(double=False)
    graph_end = data.index(b"probabilities", data.rindex(b"label")) + len(b"probabilities")
    assert graph_end > 0.9 * len(data)
    for length in np.linspace(0, graph_end, 300, dtype=int):
        with pytest.raises(ModelRefused):
            import_bytes(tmp_path, data[:length])


def test_a_changed_byte_is_refused_or_answers_as_onnx_runtime_does(
    tmp_path: Path, breast_cancer: Any
) -> None:
    """Whatever is accepted was compared with ONNX Runtime, so nothing else may come out."""
    data, random = breast_cancer.onnx(double=False), np.random.default_rng(3)
    accepted = 0
    for _ in range(150):
        changed = bytearray(data)
        changed[random.integers(len(data))] ^= 1 << random.integers(8)
        try:
            imported = import_bytes(tmp_path, bytes(changed))
        except ModelRefused:
            continue
        accepted += 1
        assert imported.report.max_relative_difference <= 1e-5
    assert 0 < accepted < 150
