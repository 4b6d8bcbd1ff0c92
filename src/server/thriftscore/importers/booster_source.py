# SPDX-License-Identifier: Apache-2.0
"""Files of XGBoost and LightGBM, with the libraries themselves to answer for comparison."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Literal

import numpy as np

from thriftscore.errors import ModelRefused
from thriftscore.importers.lightgbm_model import read_lightgbm
from thriftscore.importers.native_model import NativeModel, Precision
from thriftscore.importers.source_model import SourceModel
from thriftscore.importers.stages import Doubles
from thriftscore.importers.xgboost_model import read_xgboost


def read_xgboost_file(data: bytes) -> SourceModel:
    """Understand a booster in JSON or UBJSON. Raises ModelRefused."""
    library = _library("xgboost")
    booster = library.Booster()
    try:
        booster.load_model(bytearray(data))
        text = bytes(booster.save_raw("json")).decode()
    except Exception as error:  # its error has a C++ stack trace of many lines
        first = str(error).strip().splitlines()[0]
        raise ModelRefused(f"XGBoost cannot read the file: {first}") from error
    native = read_xgboost(text)
    if native.task == "multiclass_classification":
        booster.set_param({"objective": "multi:softprob"})  # softmax would give labels

    def answers(rows: Doubles) -> Doubles:
        matrix = library.DMatrix(rows, feature_types=booster.feature_types)
        scores = booster.predict(matrix, validate_features=False)
        return np.asarray(scores, np.float64).reshape(len(rows), -1)

    return _source(native, "xgboost", "fp32", answers)


def read_lightgbm_file(data: bytes) -> SourceModel:
    """Understand a booster in LightGBM's text form. Raises ModelRefused."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise ModelRefused("the LightGBM model is not UTF-8") from error
    native = read_lightgbm(text)
    library = _library("lightgbm")
    try:
        booster = library.Booster(model_str=text)
    except library.basic.LightGBMError as error:
        raise ModelRefused(f"LightGBM cannot read the file: {error}") from error

    def answers(rows: Doubles) -> Doubles:
        return np.asarray(booster.predict(rows, num_threads=1), np.float64).reshape(len(rows), -1)

    return _source(native, "lightgbm", "fp64", answers)


def _source(
    native: NativeModel,
    name: Literal["xgboost", "lightgbm"],
    computes_in: Precision,
    answers: Callable[[Doubles], Doubles],
) -> SourceModel:
    return SourceModel(
        native=native,
        answers=answers,
        computes_in=computes_in,
        format=name,
        reference=f"{name} predict",
        libraries=(name,),
        named=native.features[0] not in {"f0", "Column_0"},
    )


def _library(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ModelRefused(
            f"importing this file needs {name}, to compare with its own answers:"
            f" pip install 'thriftscore[{name}]'"
        ) from error
