# SPDX-License-Identifier: Apache-2.0
"""Small models to publish, with golden rows by NumPy."""

import numpy as np

from thriftscore.importers.native_model import NativeModel, encode
from thriftscore.importers.stages import Dense, Scale
from thriftscore.repository import Golden, NewVersion


def regression(bias: float) -> NewVersion:
    """bias + 2·(x0 - 1) / 4 - 3·x1, in double."""
    scale = Scale(np.array([1.0, 0.0]), np.array([4.0, 1.0]))
    dense = Dense(np.array([[2.0, -3.0]]), np.array([bias]))
    model = NativeModel(("x0", "x1"), "regression", (scale, dense))
    rows = np.array([[0.0, 0.0], [1.0, 2.0], [-3.0, 0.5]])
    scores = bias + 2.0 * (rows[:, :1] - 1.0) / 4.0 - 3.0 * rows[:, 1:]
    return NewVersion(encode(model, "fp64", "refuse"), Golden(rows, scores), tolerance=1e-10)
