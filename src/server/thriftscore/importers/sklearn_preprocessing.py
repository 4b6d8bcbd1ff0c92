# SPDX-License-Identifier: Apache-2.0
"""scikit-learn's transformers as stages.

To add one, write a function and enter it in TRANSFORMERS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from thriftscore.errors import ModelRefused
from thriftscore.importers.sklearn_frame import Fitted, Frame, Monotone
from thriftscore.importers.stages import (
    Binarize,
    Clip,
    Dense,
    Doubles,
    Impute,
    OneHot,
    RowNorm,
    Scale,
    Select,
    SparseLinear,
)

Transformer = Callable[[Fitted, Frame], Frame]


def class_name(estimator: object) -> str:
    """The class of an estimator that comes from a known library; a subclass may do anything."""
    kind = type(estimator)
    if kind.__module__.partition(".")[0] not in {"sklearn", "xgboost", "lightgbm"}:
        raise ModelRefused(f"{kind.__module__}.{kind.__qualname__} is not supported")
    return kind.__name__


def transform(estimator: Fitted, frame: Frame) -> Frame:
    """The columns after a fitted transformer. Raises ModelRefused with its name."""
    if estimator is None or (isinstance(estimator, str) and estimator == "passthrough"):
        return frame
    name = class_name(estimator)
    if name not in TRANSFORMERS:
        raise ModelRefused(f"the transformer {name} is not supported")
    expected = getattr(estimator, "n_features_in_", frame.width)
    if expected != frame.width:
        raise ModelRefused(f"{name} gets {frame.width} columns, expected {expected}")
    return TRANSFORMERS[name](estimator, frame)


def _pipeline(estimator: Fitted, frame: Frame) -> Frame:
    for _, step in estimator.steps:
        frame = transform(step, frame)
    return frame


def _column_transformer(estimator: Fitted, frame: Frame) -> Frame:
    if estimator.transformer_weights:
        raise ModelRefused("transformer_weights of ColumnTransformer are not supported")
    branches = []
    for name, step, _ in estimator.transformers_:
        indices = [int(index) for index in estimator._transformer_to_input_indices[name]]
        if not indices or (isinstance(step, str) and step == "drop"):
            continue
        branches.append(transform(step, frame.fresh().selected(indices)))
    if not branches:
        raise ModelRefused("the ColumnTransformer drops every column")
    return frame.joined(branches)


def _feature_union(estimator: Fitted, frame: Frame) -> Frame:
    if estimator.transformer_weights:
        raise ModelRefused("transformer_weights of FeatureUnion are not supported")
    steps = [step for _, step in estimator.transformer_list if not _is_drop(step)]
    return frame.joined([transform(step, frame.fresh()) for step in steps])


def _is_drop(step: object) -> bool:
    return isinstance(step, str) and step == "drop"


def _function(estimator: Fitted, frame: Frame) -> Frame:
    if estimator.func is not None:
        raise ModelRefused("FunctionTransformer is supported without a function only")
    return frame


def _scaled(frame: Frame, mean: Doubles | None, scale: Doubles | None) -> Frame:
    means = np.zeros(frame.width) if mean is None else np.asarray(mean, np.float64)
    scales = np.ones(frame.width) if scale is None else np.asarray(scale, np.float64)
    if mean is None and scale is None:
        return frame
    return frame.rising(
        Scale(means, scales), [_division(m, s) for m, s in zip(means, scales, strict=True)]
    )


def _division(mean: float, scale: float) -> Monotone:
    return lambda x: (x - mean) / scale


def _standard_scaler(estimator: Fitted, frame: Frame) -> Frame:
    return _scaled(frame, estimator.mean_ if estimator.with_mean else None, estimator.scale_)


def _robust_scaler(estimator: Fitted, frame: Frame) -> Frame:
    return _scaled(
        frame,
        estimator.center_ if estimator.with_centering else None,
        estimator.scale_ if estimator.with_scaling else None,
    )


def _max_abs_scaler(estimator: Fitted, frame: Frame) -> Frame:
    scaled = _scaled(frame, None, estimator.scale_)
    return _clipped(scaled, -1.0, 1.0) if getattr(estimator, "clip", False) else scaled


def _min_max_scaler(estimator: Fitted, frame: Frame) -> Frame:
    factor, offset = (np.asarray(v, np.float64) for v in (estimator.scale_, estimator.min_))
    stage = Scale(-offset / factor, 1.0 / factor)
    pairs = zip(factor, offset, strict=True)
    scaled = frame.rising(stage, [_product(f, o) for f, o in pairs])
    return _clipped(scaled, *estimator.feature_range) if estimator.clip else scaled


def _product(factor: float, offset: float) -> Monotone:
    """What MinMaxScaler computes, rounding and all."""
    return lambda x: x * factor + offset


def _clipped(frame: Frame, low: float, high: float) -> Frame:
    stage = Clip(np.full(frame.width, float(low)), np.full(frame.width, float(high)))
    return frame.rising(stage, [lambda x: np.clip(x, low, high)] * frame.width)


def _normalizer(estimator: Fitted, frame: Frame) -> Frame:
    return frame.then(RowNorm(estimator.norm))


def _binarizer(estimator: Fitted, frame: Frame) -> Frame:
    return frame.then(Binarize(np.full(frame.width, float(estimator.threshold))))


def _simple_imputer(estimator: Fitted, frame: Frame) -> Frame:
    if estimator.add_indicator:
        raise ModelRefused("add_indicator of SimpleImputer is not supported")
    kept = [i for i, value in enumerate(estimator.statistics_) if not _is_missing(value)]
    if len(kept) < frame.width and not estimator.keep_empty_features:
        frame = frame.selected(kept)  # columns that had no value at all are dropped
    values = [
        frame.texts.number(value, column.origin)
        for value, column in zip(
            np.asarray(estimator.statistics_)[kept], frame.columns, strict=True
        )
    ]
    missing = estimator.missing_values
    if isinstance(missing, str):
        raise ModelRefused(f"SimpleImputer(missing_values='{missing}') is not supported")
    marker = None if _is_missing(missing) else float(missing)
    return frame.imputed(Impute(np.asarray(values, np.float64), marker))


def _is_missing(value: object) -> bool:
    return value is None or value != value


def _one_hot_encoder(estimator: Fitted, frame: Frame) -> Frame:
    if getattr(estimator, "_infrequent_enabled", False):
        raise ModelRefused("infrequent categories of OneHotEncoder are not supported")
    columns = _category_numbers(estimator, frame)
    offsets = np.cumsum([0, *map(len, columns)])
    unknown = "nan" if estimator.handle_unknown == "error" else "zeros"
    encoded = frame.then(OneHot(offsets, np.concatenate(columns), cast("Any", unknown)))
    dropped = estimator.drop_idx_
    if dropped is None:
        return encoded
    out = {int(offsets[i] + index) for i, index in enumerate(dropped) if index is not None}
    return encoded.then(Select(np.asarray([i for i in range(offsets[-1]) if i not in out])))


def _category_numbers(estimator: Fitted, frame: Frame) -> list[Doubles]:
    return [
        np.asarray([frame.texts.number(value, column.origin) for value in values], np.float64)
        for values, column in zip(estimator.categories_, frame.columns, strict=True)
    ]


def _ordinal_encoder(estimator: Fitted, frame: Frame) -> Frame:
    """The code of a category as the weighted sum of a one-hot row."""
    if getattr(estimator, "_infrequent_enabled", False):
        raise ModelRefused("infrequent categories of OrdinalEncoder are not supported")
    columns = _category_numbers(estimator, frame)
    missing, unknown = float(estimator.encoded_missing_value), np.nan
    if estimator.handle_unknown == "use_encoded_value":
        unknown = float(estimator.unknown_value)
    codes = []
    for values in columns:
        code = np.arange(len(values), dtype=np.float64)
        codes.append(np.where(np.isnan(values), missing, code))
    if np.isnan(missing) != np.isnan(unknown) and any(np.isnan(v).any() for v in columns):
        raise ModelRefused("OrdinalEncoder that tells missing from unknown is not supported")
    coded = [~np.isnan(code) for code in codes]
    kept = [values[known] for values, known in zip(columns, coded, strict=True)]
    weights = np.concatenate([code[known] for code, known in zip(codes, coded, strict=True)])
    offsets = np.cumsum([0, *map(len, kept)])
    rest = 0.0 if np.isnan(unknown) else unknown
    one_hot = OneHot(offsets, np.concatenate(kept), "nan" if np.isnan(unknown) else "zeros")
    bias = np.full(frame.width, rest)
    return frame.then(one_hot, SparseLinear(offsets, np.arange(offsets[-1]), weights - rest, bias))


def _pca(estimator: Fitted, frame: Frame) -> Frame:
    """x @ components - mean @ components; the subtraction comes first where it is exact."""
    components = np.asarray(estimator.components_, np.float64)
    if getattr(estimator, "whiten", False):
        deviation = np.sqrt(np.asarray(estimator.explained_variance_, np.float64))
        components = components / np.maximum(deviation, np.finfo(np.float64).eps)[:, None]
    mean = estimator.mean_ if hasattr(estimator, "mean_") else None
    dense = Dense(components, np.zeros(len(components)))
    if mean is None:
        return frame.then(dense)
    return frame.then(Scale(np.asarray(mean, np.float64), np.ones(frame.width)), dense)


def _selector(estimator: Fitted, frame: Frame) -> Frame:
    return frame.selected([int(index) for index in estimator.get_support(indices=True)])


TRANSFORMERS: Mapping[str, Transformer] = {
    "Binarizer": _binarizer,
    "ColumnTransformer": _column_transformer,
    "FeatureUnion": _feature_union,
    "FunctionTransformer": _function,
    "MaxAbsScaler": _max_abs_scaler,
    "MinMaxScaler": _min_max_scaler,
    "Normalizer": _normalizer,
    "OneHotEncoder": _one_hot_encoder,
    "OrdinalEncoder": _ordinal_encoder,
    "PCA": _pca,
    "Pipeline": _pipeline,
    "RobustScaler": _robust_scaler,
    "SelectFromModel": _selector,
    "SelectKBest": _selector,
    "SelectPercentile": _selector,
    "SimpleImputer": _simple_imputer,
    "StandardScaler": _standard_scaler,
    "TruncatedSVD": _pca,
    "VarianceThreshold": _selector,
}


def text_features(names: Sequence[str], frame: Frame) -> dict[str, tuple[str, ...]]:
    """For each feature that rows have as an index: the names that it is the index of."""
    return {names[index]: tuple(texts) for index, texts in sorted(frame.texts.by_feature.items())}
