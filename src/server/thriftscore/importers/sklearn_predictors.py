# SPDX-License-Identifier: Apache-2.0
"""scikit-learn's predictors as chains. To add one, write a function and enter it in PREDICTORS."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from thriftscore.errors import ModelRefused
from thriftscore.importers.native_model import Task
from thriftscore.importers.sklearn_frame import Fitted, Frame
from thriftscore.importers.sklearn_preprocessing import class_name, transform
from thriftscore.importers.stages import (
    Activation,
    Chain,
    Clip,
    Dense,
    Doubles,
    Link,
    LinkFunction,
    RowNorm,
    Sum,
    width,
)


@dataclass(frozen=True)
class Prediction:
    """What a predictor computes from the features."""

    chain: Chain
    task: Task = "regression"
    classes: tuple[Any, ...] = ()
    method: str = "predict"
    """The method of the estimator that gives the same."""
    threshold: float | None = None
    """For two classes: the second where the score is above; None = 0.5."""


Predictor = Callable[[Fitted, Frame], Prediction]


def predict(estimator: Fitted, frame: Frame) -> Prediction:
    """What a fitted estimator predicts. Raises ModelRefused with its name."""
    name = class_name(estimator)
    if name not in PREDICTORS:
        raise ModelRefused(f"the estimator {name} is not supported")
    expected = getattr(estimator, "n_features_in_", frame.width)
    if expected != frame.width:
        raise ModelRefused(f"{name} gets {frame.width} columns, expected {expected}")
    return PREDICTORS[name](estimator, frame)


def classification(
    estimator: Fitted,
    chain: Chain,
    *,
    method: str = "predict_proba",
    threshold: float | None = None,
) -> Prediction:
    """A prediction of one score for two classes or one for each of more."""
    classes = estimator.classes_
    if isinstance(classes, list) or len(classes) < 2:
        raise ModelRefused(
            f"{type(estimator).__name__}: expected two or more classes of one target"
        )
    names = tuple(classes.tolist())
    if len(names) > 2:
        return Prediction(chain, "multiclass_classification", names, method)
    return Prediction(chain, "binary_classification", names, method, threshold)


def _pipeline(estimator: Fitted, frame: Frame) -> Prediction:
    for _, step in estimator.steps[:-1]:
        frame = transform(step, frame)
    return predict(estimator.steps[-1][1], frame)


def _sums(estimator: Fitted, frame: Frame) -> Chain:
    """The linear part: coef_ @ x + intercept_."""
    weights = np.atleast_2d(np.asarray(estimator.coef_, np.float64))
    bias = np.broadcast_to(np.asarray(estimator.intercept_, np.float64).reshape(-1), len(weights))
    return (*frame.chain, Dense(weights, bias.copy()))


def _linear_regression(estimator: Fitted, frame: Frame) -> Prediction:
    return Prediction(_sums(estimator, frame))


def _generalized_regression(estimator: Fitted, frame: Frame) -> Prediction:
    link = type(estimator._base_loss.link).__name__
    known: dict[str, Chain] = {"LogLink": (Link("exp"),), "IdentityLink": ()}
    if link not in known:
        raise ModelRefused(f"{type(estimator).__name__} with a {link} is not supported")
    return Prediction((*_sums(estimator, frame), *known[link]))


def _logistic(estimator: Fitted, frame: Frame) -> Prediction:
    several = len(estimator.classes_) > 2
    one_by_one = (
        getattr(estimator, "multi_class", "auto") == "ovr"
        or getattr(estimator, "solver", "") == "liblinear"
    )
    sums = _sums(estimator, frame)
    if not several and getattr(estimator, "multi_class", "auto") == "multinomial":
        raise ModelRefused("LogisticRegression(multi_class='multinomial') of two classes")
    return classification(estimator, (*sums, *_probabilities(several, one_by_one=one_by_one)))


def _probabilities(several: bool, *, one_by_one: bool) -> Chain:
    if several and one_by_one:
        return Link("sigmoid"), RowNorm("l1")
    return (Link("softmax" if several else "sigmoid"),)


def _discriminant(estimator: Fitted, frame: Frame) -> Prediction:
    several = len(estimator.classes_) > 2
    chain = (*_sums(estimator, frame), *_probabilities(several, one_by_one=False))
    return classification(estimator, chain)


def _decision(estimator: Fitted, frame: Frame) -> Prediction:
    """A classifier without probabilities: its scores are decision values."""
    method = "decision_function"
    return classification(estimator, _sums(estimator, frame), method=method, threshold=0.0)


def _stochastic_gradient(estimator: Fitted, frame: Frame) -> Prediction:
    several = len(estimator.classes_) > 2
    if estimator.loss == "log_loss":
        links = _probabilities(several, one_by_one=True)
        return classification(estimator, (*_sums(estimator, frame), *links))
    if estimator.loss == "modified_huber" and not several:
        half = Dense(np.full((1, 1), 0.5), np.full(1, 0.5))
        clip = Clip(np.full(1, -1.0), np.full(1, 1.0))
        return classification(estimator, (*_sums(estimator, frame), clip, half))
    if estimator.loss == "modified_huber":
        raise ModelRefused("SGDClassifier(loss='modified_huber') of more than two classes")
    return _decision(estimator, frame)


_ACTIVATIONS: dict[str, Activation] = {
    "identity": "identity",
    "relu": "relu",
    "tanh": "tanh",
    "logistic": "sigmoid",
}
_OUTPUT_LINKS: dict[str, LinkFunction] = {
    "identity": "identity",
    "logistic": "sigmoid",
    "softmax": "softmax",
    "exp": "exp",
}


def _layers(estimator: Fitted, frame: Frame) -> Chain:
    count = len(estimator.coefs_)
    layers: list[Dense] = []
    for index, (weights, bias) in enumerate(
        zip(estimator.coefs_, estimator.intercepts_, strict=True)
    ):
        last = index == count - 1
        activation = "identity" if last else _ACTIVATIONS[estimator.activation]
        layers.append(Dense(weights.T.astype(np.float64), bias.astype(np.float64), activation))
    if estimator.out_activation_ not in _OUTPUT_LINKS:
        raise ModelRefused(f"the output activation {estimator.out_activation_} is not supported")
    links = (Link(_OUTPUT_LINKS[estimator.out_activation_]),)
    return (*frame.chain, *layers, *(links if links[0].function != "identity" else ()))


def _network_classifier(estimator: Fitted, frame: Frame) -> Prediction:
    if estimator._label_binarizer.y_type_.startswith("multilabel"):
        raise ModelRefused("MLPClassifier of several labels is not supported")
    return classification(estimator, _layers(estimator, frame))


def _network_regressor(estimator: Fitted, frame: Frame) -> Prediction:
    return Prediction(_layers(estimator, frame))


def average(members: Sequence[Prediction], weights: Doubles) -> Prediction:
    """The weighted sum of predictions of the same thing."""
    first = members[0]
    if any((member.classes, member.method) != (first.classes, first.method) for member in members):
        raise ModelRefused("an ensemble of predictors that differ in classes or method")
    return replace(first, chain=(Sum(tuple(member.chain for member in members), weights),))


def _voting(estimator: Fitted, frame: Frame) -> Prediction:
    if getattr(estimator, "voting", "soft") != "soft":
        raise ModelRefused("VotingClassifier(voting='hard') has no scores")
    given = estimator.weights
    kept = [
        index
        for index, (_, member) in enumerate(estimator.estimators)
        if not (isinstance(member, str) and member == "drop")
    ]
    shares = np.ones(len(kept)) if given is None else np.asarray(given, np.float64)[kept]
    members = [predict(member, frame) for member in estimator.estimators_]
    combined = average(members, shares / shares.sum())
    if combined.task == "regression":
        return combined
    # Members were trained on the classes' numbers.
    named = classification(estimator, combined.chain, method=combined.method)
    if combined.method != "predict_proba":
        raise ModelRefused("VotingClassifier of members without predict_proba")
    return named


def _bagging(estimator: Fitted, frame: Frame) -> Prediction:
    members = [
        predict(member, frame.selected([int(index) for index in columns]))
        for member, columns in zip(
            estimator.estimators_, estimator.estimators_features_, strict=True
        )
    ]
    combined = average(members, np.full(len(members), 1.0 / len(members)))
    if combined.task == "regression":
        return combined
    if combined.method != "predict_proba":
        raise ModelRefused("BaggingClassifier of members without predict_proba")
    if len(combined.classes) != len(estimator.classes_):
        raise ModelRefused("a member of BaggingClassifier was trained without some class")
    return classification(estimator, combined.chain)


def _transformed_target(estimator: Fitted, frame: Frame) -> Prediction:
    inner = predict(estimator.regressor_, frame)
    outputs = width(inner.chain, frame.width)
    scaler, function = estimator.transformer_, estimator.inverse_func
    if type(scaler).__name__ == "FunctionTransformer":
        if function is np.exp:
            return replace(inner, chain=(*inner.chain, Link("exp")))
        if function is not None:
            raise ModelRefused(f"TransformedTargetRegressor with inverse_func {function!r}")
        return inner
    if type(scaler).__name__ != "StandardScaler":
        raise ModelRefused(f"TransformedTargetRegressor with {type(scaler).__name__}")
    scale = np.ones(outputs) if scaler.scale_ is None else np.asarray(scaler.scale_)
    mean = np.asarray(scaler.mean_) if scaler.with_mean else np.zeros(outputs)
    return replace(inner, chain=(*inner.chain, Dense(np.diag(scale), mean)))


PREDICTORS: dict[str, Predictor] = {
    **dict.fromkeys(
        [
            *("ARDRegression", "BayesianRidge", "ElasticNet", "ElasticNetCV", "HuberRegressor"),
            *("Lars", "LarsCV", "Lasso", "LassoCV", "LassoLars", "LassoLarsCV", "LassoLarsIC"),
            *("LinearRegression", "LinearSVR", "MultiTaskElasticNet", "MultiTaskElasticNetCV"),
            *("MultiTaskLasso", "MultiTaskLassoCV", "OrthogonalMatchingPursuit"),
            *("OrthogonalMatchingPursuitCV", "PassiveAggressiveRegressor", "QuantileRegressor"),
            *("Ridge", "RidgeCV", "SGDRegressor", "TheilSenRegressor"),
        ],
        _linear_regression,
    ),
    **dict.fromkeys(
        ["GammaRegressor", "PoissonRegressor", "TweedieRegressor"], _generalized_regression
    ),
    **dict.fromkeys(["LogisticRegression", "LogisticRegressionCV"], _logistic),
    **dict.fromkeys(
        [
            *("LinearSVC", "PassiveAggressiveClassifier", "Perceptron"),
            *("RidgeClassifier", "RidgeClassifierCV"),
        ],
        _decision,
    ),
    "SGDClassifier": _stochastic_gradient,
    "LinearDiscriminantAnalysis": _discriminant,
    "MLPClassifier": _network_classifier,
    "MLPRegressor": _network_regressor,
    "Pipeline": _pipeline,
    **dict.fromkeys(["VotingClassifier", "VotingRegressor"], _voting),
    **dict.fromkeys(["BaggingClassifier", "BaggingRegressor"], _bagging),
    "TransformedTargetRegressor": _transformed_target,
}
