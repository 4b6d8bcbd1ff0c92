# SPDX-License-Identifier: Apache-2.0
"""The models that the conformance cases speak of, and the scores they must give.

The arithmetic here is float64 NumPy and shares nothing with the engine. Run as a program, it
writes the models as a repository: `python tests/conformance/models.py DIRECTORY`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

Float64s = NDArray[np.float64]

ELEMENT_TYPES = {"FP32": np.dtype("<f4"), "FP64": np.dtype("<f8")}
PRECISION_TYPES = {"fp32": "FP32", "fp64": "FP64"}


def _identity(margin: Float64s) -> Float64s:
    return margin


def _sigmoid(margin: Float64s) -> Float64s:
    with np.errstate(over="ignore"):
        return 1.0 / (1.0 + np.exp(-margin))


def _softmax(margin: Float64s) -> Float64s:
    powers = np.exp(margin - margin.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


LINKS = {"identity": _identity, "sigmoid": _sigmoid, "softmax": _softmax, "exp": np.exp}


@dataclass(frozen=True)
class Normaliser:
    """x' = (x - mean) / scale, by column."""

    mean: Float64s
    scale: Float64s

    def forward(self, values: Float64s) -> Float64s:
        """Rows of features to normalised rows."""
        return (values - self.mean) / self.scale

    def inverse(self, values: Float64s) -> Float64s:
        """Normalised rows back to rows of features."""
        return self.mean + self.scale * values


@dataclass(frozen=True)
class ConformanceModel:
    """One version of a model: link(bias + weights @ normalised features)."""

    name: str
    precision: str
    task: str
    features: tuple[str, ...]
    weights: Float64s  # outputs x features
    bias: Float64s  # outputs
    link: str = "identity"
    classes: tuple[str, ...] = ()
    normaliser: Normaliser | None = None
    missing_values: str = "refuse"
    version: int = 1

    @property
    def datatype(self) -> str:
        """The type of the scores, as the contract names it."""
        return PRECISION_TYPES[self.precision]

    def received(self, rows: Sequence[Sequence[float]], datatype: str) -> Float64s:
        """The rows as the model sees them: rounded to the type sent, then to its own."""
        sent = np.array(rows, dtype=ELEMENT_TYPES[datatype]).reshape(-1, len(self.features))
        with np.errstate(over="ignore"):
            return sent.astype(ELEMENT_TYPES[self.datatype]).astype(np.float64)

    def score(self, rows: Sequence[Sequence[float]], datatype: str = "FP32") -> Float64s:
        """Scores, rows x outputs, computed in float64."""
        return self.outputs(rows, datatype)["scores"].astype(np.float64)

    def outputs(
        self, rows: Sequence[Sequence[float]], datatype: str = "FP32"
    ) -> dict[str, NDArray[np.generic]]:
        """Every output by name."""
        margin = self._margin(rows, datatype)
        with np.errstate(invalid="ignore", over="ignore"):
            scores = LINKS[self.link](margin) if len(margin) else margin
        outputs: dict[str, NDArray[np.generic]] = {"scores": scores, "margin": margin}
        if not self.classes:
            return outputs
        probabilities = np.hstack([1.0 - scores, scores]) if scores.shape[1] == 1 else scores
        # Of equal probabilities the first, so that 0.5 is class 0 as a threshold says.
        return {**outputs, "probabilities": probabilities, "label": probabilities.argmax(axis=1)}

    def output_shapes(self) -> dict[str, tuple[str, list[int]]]:
        """Datatype and shape of each output, as model_metadata gives them."""
        shapes = {"scores": (self.datatype, [-1, len(self.bias)])}
        shapes["margin"] = shapes["scores"]
        if self.classes:
            shapes["probabilities"] = (self.datatype, [-1, len(self.classes)])
            shapes["label"] = ("INT64", [-1])
        return shapes

    def _margin(self, rows: Sequence[Sequence[float]], datatype: str) -> Float64s:
        values = self.received(rows, datatype)
        if values.shape[0] == 0:
            return np.zeros((0, len(self.bias)))
        with np.errstate(invalid="ignore", over="ignore"):
            if self.normaliser is not None:
                values = self.normaliser.forward(values)
            return values @ self.weights.T + self.bias

    def stages(self) -> list[dict[str, str]]:
        """The stage graph of the model file."""
        stages = [
            {
                "op": "dense",
                "weights": "dense.weights",
                "bias": "dense.bias",
                "activation": "identity",
            }
        ]
        if self.normaliser is not None:
            scale = {"op": "scale", "mean": "normalizer.mean", "scale": "normalizer.scale"}
            stages.insert(0, scale)
        if self.link != "identity":
            stages.append({"op": "link", "function": self.link})
        return stages

    def graph(self) -> dict[str, object]:
        """The value of the model file's metadata key `thriftscore`."""
        graph: dict[str, object] = {
            "format_version": 1,
            "precision": self.precision,
            "task": self.task,
            "features": list(self.features),
            "classes": list(self.classes),
            "missing_values": self.missing_values,
            "stages": self.stages(),
        }
        if self.normaliser is not None:
            graph["normalizer"] = 0
        return graph

    def tensors(self) -> dict[str, Float64s]:
        """The tensors of the model file, all in F64."""
        tensors = {"dense.weights": self.weights, "dense.bias": self.bias}
        if self.normaliser is not None:
            tensors["normalizer.mean"] = self.normaliser.mean
            tensors["normalizer.scale"] = self.normaliser.scale
        return tensors

    def golden_rows(self) -> Float64s:
        """Rows to replay when the model is loaded: around its normaliser, or around zero."""
        generator = np.random.default_rng(seed=7)
        rows = generator.integers(-16, 17, size=(8, len(self.features))) / 8.0
        return rows if self.normaliser is None else self.normaliser.inverse(rows)


def _floats(*values: float) -> Float64s:
    return np.array(values, dtype=np.float64)


def _linear() -> ConformanceModel:
    return ConformanceModel(
        name="linear",
        precision="fp32",
        task="regression",
        features=("area", "rooms", "age"),
        weights=np.array([[0.75, -0.5, 0.125]]),
        bias=_floats(0.25),
        normaliser=Normaliser(mean=_floats(100.0, 3.0, 20.0), scale=_floats(50.0, 1.5, 10.0)),
    )


def _versioned(version: int) -> ConformanceModel:
    return ConformanceModel(
        name="versioned",
        precision="fp32",
        task="regression",
        features=("first", "second"),
        weights=np.array([[1.0, -1.0]]),
        bias=_floats(100.0 * version),
        version=version,
    )


def _logistic() -> ConformanceModel:
    return ConformanceModel(
        name="logistic",
        precision="fp64",
        task="binary_classification",
        features=("mean radius", "mean texture", "mean area", "mean smoothness"),
        weights=np.array([[-1.7, -0.9, 0.3, -0.2]]),
        bias=_floats(0.4),
        link="sigmoid",
        classes=("malignant", "benign"),
        normaliser=Normaliser(
            mean=_floats(14.127, 19.29, 654.9, 0.096), scale=_floats(3.524, 4.3, 351.9, 0.014)
        ),
    )


def _softmax_model() -> ConformanceModel:
    return ConformanceModel(
        name="softmax",
        precision="fp32",
        task="multiclass_classification",
        features=("sepal length", "sepal width", "petal length", "petal width"),
        weights=np.array(
            [[-0.4, 0.9, -2.3, -0.9], [0.5, -0.3, -0.2, -0.8], [-0.1, -0.6, 2.5, 1.7]]
        ),
        bias=_floats(9.0, 2.0, -11.0),
        link="softmax",
        classes=("setosa", "versicolor", "virginica"),
    )


def _rate() -> ConformanceModel:
    return ConformanceModel(
        name="rate",
        precision="fp32",
        task="regression",
        features=("exposure", "density"),
        weights=np.array([[0.5, -0.25]]),
        bias=_floats(-0.125),
        link="exp",
    )


def _propagate() -> ConformanceModel:
    return ConformanceModel(
        name="propagate",
        precision="fp32",
        task="regression",
        features=("left", "middle", "right"),
        weights=np.array([[1.0, 2.0, 4.0]]),
        bias=_floats(0.5),
        normaliser=Normaliser(mean=_floats(1.0, 2.0, 3.0), scale=_floats(2.0, 4.0, 0.5)),
        missing_values="propagate",
    )


def _wide() -> ConformanceModel:
    generator = np.random.default_rng(seed=256)
    return ConformanceModel(
        name="wide",
        precision="fp32",
        task="regression",
        features=tuple(f"f{index:03}" for index in range(256)),
        weights=generator.integers(-64, 65, size=(1, 256)) / 256.0,
        bias=_floats(-0.5),
    )


def _precise() -> ConformanceModel:
    return ConformanceModel(
        name="precise",
        precision="fp64",
        task="regression",
        features=("large", "small"),
        weights=np.array([[1.0, 1.0]]),
        bias=_floats(0.0),
    )


MODELS = (
    _linear(),
    _versioned(1),
    _versioned(2),
    _logistic(),
    _softmax_model(),
    _rate(),
    _propagate(),
    _wide(),
    _precise(),
)
LABELS = {"versioned": {"stable": 1, "canary": 2}}
BY_NAME = {model.name: model for model in MODELS}


def model_file(model: ConformanceModel) -> bytes:
    """The content of the version's model.safetensors."""
    metadata = {"thriftscore": json.dumps(model.graph())}
    return safetensors.numpy.save(model.tensors(), metadata=metadata)


def write_repository(repository: Path) -> None:
    """Publishes every model with its golden rows, then sets the labels."""
    # Imported here: the expected values above must not depend on the server in any way.
    from thriftscore.repository import NewVersion, publish, set_published_label
    from thriftscore.repository.golden import Golden

    for model in MODELS:
        rows = model.golden_rows()
        golden = Golden(features=rows, scores=model.score(rows.tolist(), "FP64"))
        version = publish(repository, model.name, NewVersion(model_file(model), golden))
        assert version == model.version, f"{model.name}: version {version} was published"
    for name, labels in LABELS.items():
        for label, version in labels.items():
            set_published_label(repository, name, label, version)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, help="where to write the repository")
    write_repository(parser.parse_args().directory)
