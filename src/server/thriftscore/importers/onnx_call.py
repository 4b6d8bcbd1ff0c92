# SPDX-License-Identifier: Apache-2.0
"""One node of an ONNX graph, as the functions that understand operators get it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from thriftscore.errors import ModelRefused
from thriftscore.importers.onnx_values import ClassLabels, Constant, Rows, Value


@dataclass(frozen=True)
class Call:
    """One node: its attributes by name and the values of its inputs (None = left out)."""

    attributes: Mapping[str, Any]
    inputs: Sequence[Value | None]

    def rows(self, index: int = 0) -> Rows:
        """The input at `index`, which must be rows."""
        value = self.inputs[index] if index < len(self.inputs) else None
        if not isinstance(value, Rows):
            raise ModelRefused(f"input {index} is not computed from the features")
        return value

    def constant(self, index: int) -> Constant:
        """The input at `index`, which must be a constant."""
        value = self.inputs[index] if index < len(self.inputs) else None
        if not isinstance(value, Constant):
            raise ModelRefused(f"input {index} is not a constant")
        return value

    def text(self, name: str, default: str) -> str:
        """A string attribute."""
        value = self.attributes.get(name, default)
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


Handler = Callable[[Call], Sequence[Value]]


def class_labels(call: Call, integers: str, strings: str) -> ClassLabels:
    """The classes out of whichever of two attributes has them."""
    if labels := call.attributes.get(integers):
        return tuple(int(label) for label in labels)
    return tuple(label.decode("utf-8", "replace") for label in call.attributes.get(strings, []))
