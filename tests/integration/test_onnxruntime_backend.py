# SPDX-License-Identifier: Apache-2.0
"""Models that ONNX Runtime computes, behind the same calls as any other."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from server_process import ServerProcess

from thriftscore._generated.ttypes import (
    DataType,
    InferRequest,
    ScoreRequest,
    ScoringError,
    Tensor,
)
from thriftscore.errors import InvalidArgument, ModelRefused
from thriftscore.importers.importing import ImportedModel, ImportOptions, import_model
from thriftscore.repository import Registry, VersionState, loading, publish

WEIGHTS = np.random.default_rng(1).standard_normal((4, 3)).astype(np.float32)


def graph(*, batch: int | None = None, outputs: int = 1) -> bytes:
    """Erf, which has no native stage, of weighted sums."""
    nodes = [helper.make_node("MatMul", ["X", "w"], ["a"]), helper.make_node("Erf", ["a"], ["Y"])]
    names = ["Y", *(f"Z{index}" for index in range(1, outputs))]
    nodes += [helper.make_node("Abs", ["a"], [name]) for name in names[1:]]
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "graph",
            [helper.make_tensor_value_info("X", TensorProto.FLOAT, [batch, 4])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, 3]) for name in names],
            [onnx.numpy_helper.from_array(WEIGHTS, "w")],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    return bytes(model.SerializeToString())


def run(data: bytes, rows: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"X": rows})[0])


def imported(folder: Path, data: bytes) -> ImportedModel:
    (folder / "model.onnx").write_bytes(data)
    return import_model(folder / "model.onnx", ImportOptions(backend="onnxruntime"))


ROWS = np.random.default_rng(2).standard_normal((7, 4)).astype(np.float32)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    publish(tmp_path / "repository", "erf", imported(tmp_path, graph()).version)
    return tmp_path / "repository"


@pytest.mark.parametrize("batch", [None, 1, 4])
def test_a_kept_file_answers_as_onnx_runtime(tmp_path: Path, batch: int | None) -> None:
    model = imported(tmp_path, graph(batch=batch)).model
    expected = run(graph(), ROWS)
    np.testing.assert_allclose(model.score(ROWS), expected, rtol=1e-6)
    np.testing.assert_allclose(model.score(ROWS[0]), expected[0], rtol=1e-6)
    scores = np.frombuffer(model.score_bytes(ROWS.tobytes(), "FP32"), np.float32)
    np.testing.assert_allclose(scores.reshape(-1, 3), expected, rtol=1e-6)
    assert model.score(ROWS[:0]).shape == (0, 3)


def test_what_is_asked_wrongly_is_refused(tmp_path: Path) -> None:
    model = imported(tmp_path, graph()).model
    missing = ROWS.copy()
    missing[2, 1] = np.nan
    with pytest.raises(InvalidArgument, match="row 2: 'f1' is NaN"):
        model.score(missing)
    with pytest.raises(InvalidArgument, match="of 4 columns"):
        model.score(ROWS[:, :3])
    with pytest.raises(InvalidArgument, match="no whole rows"):
        model.score_bytes(b"12345", "FP32")
    with pytest.raises(InvalidArgument, match="no normaliser"):
        model.normalize(ROWS)


def test_graphs_with_several_scores_and_other_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="expected one output of scores"):
        imported(tmp_path, graph(outputs=2))
    (tmp_path / "model.json").write_text('{"weights": [1]}')
    with pytest.raises(InvalidArgument, match="takes ONNX files"):
        import_model(tmp_path / "model.json", ImportOptions(backend="onnxruntime"))


def test_a_damaged_file_is_not_loaded(repository: Path) -> None:
    path = repository / "erf" / "1" / "model.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    registry = Registry(repository)
    registry.load_all()
    assert "SHA-256" in registry.index("erf")[0].reason


def test_servers_answer_every_call_with_it(
    repository: Path, start_server: Callable[..., ServerProcess]
) -> None:
    expected = run(graph(), ROWS)
    with start_server(repository).client() as client:
        request = ScoreRequest(model_name="erf", features=ROWS.tobytes(), columns=4)
        response = client.score(request)
        assert (response.rows, response.columns, response.model_version) == (7, 3, "1")
        scores = np.frombuffer(response.scores, "<f4").reshape(7, 3)
        np.testing.assert_allclose(scores, expected, rtol=1e-6)
        tensor = Tensor(name="features", datatype=DataType.FP32, shape=[7, 4], data=ROWS.tobytes())
        answer = client.infer(InferRequest(model_name="erf", inputs=[tensor]))
        assert answer.outputs[0].data == response.scores
        assert client.model_metadata("erf", "").outputs[0].name == "scores"
        values = client.score_values("erf", ROWS[0].astype(float).tolist())
        np.testing.assert_allclose(values, expected[0], rtol=1e-6)
        assert client.model_metadata("erf", "").platform == "onnxruntime_onnx"
        with pytest.raises(ScoringError, match="columns"):
            client.score(ScoreRequest(model_name="erf", features=b"", columns=5))
        statistics = client.model_statistics("erf", "").model_stats[0]
        assert statistics.inference_count >= 15


def endless() -> bytes:
    """A graph whose loop has 2**62 turns."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["going"], ["goes_on"]),
            helper.make_node("Abs", ["x"], ["y"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("goes_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, None),
        ],
    )
    nodes = [
        helper.make_node("Loop", ["turns", "", "X"], ["x"], body=body),
        helper.make_node("MatMul", ["x", "w"], ["Y"]),
    ]
    return with_constants(nodes, {"turns": np.array(2**62), "w": WEIGHTS})


def too_large() -> bytes:
    """A graph that needs a hundred gigabytes for each row on the way."""
    nodes = [
        helper.make_node("Expand", ["X", "shape"], ["x"]),
        helper.make_node("ReduceSum", ["x", "axes"], ["sum"], keepdims=0),
        helper.make_node("MatMul", ["sum", "w"], ["Y"]),
    ]
    constants = {"shape": np.array([6_250_000_000, 1, 4]), "axes": np.array([0]), "w": WEIGHTS}
    return with_constants(nodes, constants)


def with_constants(nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray]) -> bytes:
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "graph",
            [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, 4])],
            [helper.make_tensor_value_info("Y", TensorProto.FLOAT, None)],
            [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("data", "reason"),
    [(endless(), "not there after 0.5 s"), (too_large(), "ONNX Runtime")],
    ids=["endless", "too large"],
)
def test_a_graph_that_cannot_be_computed_leaves_the_old_version(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, reason: str
) -> None:
    monkeypatch.setattr(loading, "ONNX_FIRST_SCORES_S_MAX", 0.5)
    publish(repository, "erf", replace(imported(tmp_path, graph()).version, model=data))
    registry = Registry(repository)
    registry.load_all()
    old, new = registry.index("erf")
    assert (old.state, new.state) == (VersionState.AVAILABLE, VersionState.FAILED)
    assert reason in new.reason
    np.testing.assert_allclose(
        registry.resolve("erf").model.score(ROWS), run(graph(), ROWS), rtol=1e-6
    )
