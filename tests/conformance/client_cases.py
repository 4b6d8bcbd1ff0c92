# SPDX-License-Identifier: Apache-2.0
"""Cases that go through a client's natural-type calls."""

from __future__ import annotations

from typing import Any

import numpy as np
from models import BY_NAME, MODELS, ConformanceModel

Case = dict[str, Any]
Rows = list[list[float]]

INFINITY = float("inf")
NAN = float("nan")
TOLERANCE = {"fp32": 1e-6, "fp64": 1e-14}
HOUSES: Rows = [[100.0, 3.0, 20.0], [150.0, 4.5, 30.0], [37.5, 1.0, 99.0]]
FLOWERS: Rows = [[5.1, 3.5, 1.4, 0.2], [6.2, 2.9, 4.3, 1.3], [7.7, 3.8, 6.7, 2.2]]
TUMOURS: Rows = [[17.99, 10.38, 1001.0, 0.1184], [11.42, 20.38, 386.1, 0.1425]]
RATES: Rows = [[1.5, 2.25], [-0.75, 8.0]]


def case(name: str, method: str, args: Case, expect: Case) -> Case:
    """One case that goes through the client."""
    return {"name": name, "via": "client", "method": method, "args": args, "expect": expect}


def refusal(code: str, *words: str, retryable: bool = False) -> Case:
    """What an expected ScoringError looks like; `words` must be in its message."""
    expect: Case = {"error": code, "retryable": retryable}
    if words:
        expect["message_contains"] = list(words)
    return expect


def scored(model: ConformanceModel, rows: Rows, datatype: str = "FP32", **more: object) -> Case:
    """What a ScoreResponse for these rows holds."""
    scores = model.score(rows, datatype)
    tolerance = {"tolerance": TOLERANCE[model.precision]} if model.name != "precise" else {}
    return {
        "scores": scores.tolist(),
        "datatype": model.datatype,
        "rows": scores.shape[0],
        "columns": len(model.bias),
        "model_version": str(model.version),
        **tolerance,
        **more,
    }


def score_case(name: str, model: str, rows: Rows, datatype: str = "FP32") -> Case:
    """A score call whose answer is computed here."""
    args = {"model": model, "features": rows, "datatype": datatype}
    return case(name, "score", args, scored(BY_NAME[model], rows, datatype))


def score_cases() -> list[Case]:
    """Every model, both datatypes, the shapes that are allowed."""
    wide = BY_NAME["wide"]
    wide_rows = np.random.default_rng(seed=11).integers(-32, 33, size=(5, 256)) / 16.0
    many = [[float(row), float(row % 7), float(row % 90)] for row in range(300)]
    traced = case(
        "score_echoes_the_request_id",
        "score",
        {"model": "linear", "features": HOUSES, "request_id": "r-1", "deadline_ms": 5000},
        scored(BY_NAME["linear"], HOUSES, request_id="r-1"),
    )
    unicode_id = case(
        "score_echoes_a_unicode_request_id",
        "score",
        {"model": "linear", "features": HOUSES[:1], "request_id": "zürich-✓"},
        scored(BY_NAME["linear"], HOUSES[:1], request_id="zürich-✓"),
    )
    return [
        score_case("score_fp32_regression", "linear", HOUSES),
        score_case("score_fp64_features_for_fp32_model", "linear", HOUSES, "FP64"),
        score_case("score_one_row", "linear", HOUSES[:1]),
        score_case("score_no_rows", "linear", []),
        score_case("score_no_rows_of_three_classes", "softmax", [], "FP64"),
        score_case("score_three_hundred_rows", "linear", many),
        score_case("score_fp64_binary_classifier", "logistic", TUMOURS, "FP64"),
        score_case("score_fp32_features_for_fp64_model", "logistic", TUMOURS),
        score_case("score_three_classes", "softmax", FLOWERS),
        score_case("score_three_classes_from_fp64", "softmax", FLOWERS, "FP64"),
        score_case("score_exponential_link", "rate", RATES),
        score_case("score_wide_rows", wide.name, wide_rows.tolist()),
        score_case("score_wide_rows_from_fp64", wide.name, wide_rows.tolist(), "FP64"),
        score_case(
            "score_keeps_double_precision", "precise", [[1.0, 1e-12], [16777217.0, 0.0]], "FP64"
        ),
        traced,
        unicode_id,
    ]


def special_value_cases() -> list[Case]:
    """NaN, infinities, zeros and the ends of the number range."""

    def refused_nan(name: str, rows: Rows, *words: str) -> Case:
        args = {"model": "linear", "features": rows}
        return case(name, "score", args, refusal("INVALID_ARGUMENT", *words))

    return [
        refused_nan(
            "score_refuses_nan_and_names_its_place", [*HOUSES, [1.0, NAN, 2.0]], "row 3", "rooms"
        ),
        refused_nan("score_refuses_nan_in_the_only_row", [[NAN, 1.0, 2.0]], "row 0", "area"),
        score_case("score_after_a_refusal", "linear", HOUSES),
        score_case("score_propagates_nan", "propagate", [[1.0, NAN, 2.0], [1.0, 2.0, 3.0]]),
        score_case("score_positive_infinity", "linear", [[INFINITY, 3.0, 20.0]]),
        score_case("score_negative_infinity", "linear", [[100.0, INFINITY, 20.0]]),
        score_case("score_opposite_infinities_give_nan", "linear", [[INFINITY, INFINITY, 20.0]]),
        score_case(
            "score_sigmoid_of_infinities",
            "logistic",
            [[INFINITY, 0.0, 0.0, 0.0], [-INFINITY, 0.0, 0.0, 0.0]],
            "FP64",
        ),
        score_case(
            "score_sigmoid_far_from_zero",
            "logistic",
            [[1e6, 0.0, 0.0, 0.0], [-1e6, 0.0, 0.0, 0.0]],
            "FP64",
        ),
        score_case("score_exponential_of_negative_infinity", "rate", [[-INFINITY, 1.0]]),
        score_case(
            "score_softmax_far_from_zero",
            "softmax",
            [[0.0, 0.0, 5000.0, 0.0], [0.0, 5000.0, 0.0, 0.0]],
        ),
        score_case(
            "score_subnormal_and_negative_zero", "precise", [[5e-324, 0.0], [-0.0, -0.0]], "FP64"
        ),
        score_case(
            "score_largest_doubles", "precise", [[1.7e308, 1.7e308], [1.7e308, -1.7e308]], "FP64"
        ),
        score_case("score_fp64_features_beyond_fp32", "rate", [[-1e300, 0.0]], "FP64"),
    ]


def version_cases() -> list[Case]:
    """Numbers and labels of versions, and those that do not exist."""
    rows = [[7.0, 2.0]]
    by_version = {model.version: model for model in MODELS if model.name == "versioned"}

    def chosen(name: str, text: str, version: int) -> Case:
        args = {"model": "versioned", "version": text, "features": rows}
        return case(name, "score", args, scored(by_version[version], rows))

    def refused(name: str, text: str, code: str, *words: str) -> Case:
        args = {"model": "versioned", "version": text, "features": rows}
        return case(name, "score", args, refusal(code, *words))

    return [
        chosen("version_by_number", "1", 1),
        chosen("version_by_newest_number", "2", 2),
        chosen("version_absent_is_stable", "", 1),
        chosen("version_by_label", "stable", 1),
        chosen("version_by_other_label", "canary", 2),
        refused("version_unknown_number", "3", "MODEL_NOT_FOUND", "versioned", "3"),
        refused("version_zero", "0", "INVALID_ARGUMENT", "versioned"),
        refused("version_unknown_label", "latest", "MODEL_NOT_FOUND", "versioned", "latest"),
        refused("version_beyond_int64", str(2**63), "INVALID_ARGUMENT", "versioned"),
        refused("version_with_newline", "latest\n", "INVALID_ARGUMENT"),
        refused("version_negative", "-1", "INVALID_ARGUMENT"),
        refused("version_with_space", " 1", "INVALID_ARGUMENT"),
        refused("version_with_slash", "../1", "INVALID_ARGUMENT"),
    ]


def name_cases() -> list[Case]:
    """Model names that are unknown or not names."""

    def refused(name: str, model: str, code: str, *words: str) -> Case:
        return case(name, "score", {"model": model, "features": [[1.0]]}, refusal(code, *words))

    return [
        refused("model_unknown", "nope", "MODEL_NOT_FOUND", "nope"),
        refused("model_name_as_long_as_allowed", "m" * 128, "MODEL_NOT_FOUND"),
        refused("model_name_too_long", "m" * 129, "INVALID_ARGUMENT"),
        refused("model_name_much_too_long", "m" * 4096, "INVALID_ARGUMENT"),
        refused("model_name_empty", "", "INVALID_ARGUMENT", "model_name"),
        refused("model_name_parent_folder", "..", "INVALID_ARGUMENT"),
        refused("model_name_with_slash", "a/b", "INVALID_ARGUMENT"),
        refused("model_name_with_nul", "linear\0", "INVALID_ARGUMENT"),
        refused("model_name_not_ascii", "línear", "INVALID_ARGUMENT"),
        refused("model_name_in_other_case", "Linear", "MODEL_NOT_FOUND", "Linear"),
        case(
            "model_unknown_score_values",
            "score_values",
            {"model": "nope", "values": [1.0]},
            refusal("MODEL_NOT_FOUND", "nope"),
        ),
        case(
            "model_unknown_score_named",
            "score_named",
            {"model": "nope", "features": {"a": 1.0}},
            refusal("MODEL_NOT_FOUND", "nope"),
        ),
        case(
            "model_unknown_normalize",
            "normalize",
            {"model": "nope", "values": [[1.0]]},
            refusal("MODEL_NOT_FOUND", "nope"),
        ),
        case(
            "model_unknown_metadata",
            "model_metadata",
            {"model": "nope"},
            refusal("MODEL_NOT_FOUND", "nope"),
        ),
        case(
            "model_unknown_statistics",
            "model_statistics",
            {"model": "nope"},
            refusal("MODEL_NOT_FOUND", "nope"),
        ),
    ]


def one_row_cases() -> list[Case]:
    """score_values and score_named."""
    linear, softmax, propagate = BY_NAME["linear"], BY_NAME["softmax"], BY_NAME["propagate"]

    def values(name: str, model: ConformanceModel, row: list[float]) -> Case:
        expect = {"result": model.score([row], "FP64")[0].tolist(), "tolerance": 1e-6}
        return case(name, "score_values", {"model": model.name, "values": row}, expect)

    def named(name: str, model: ConformanceModel, features: dict[str, float]) -> Case:
        row = [features.get(feature, NAN) for feature in model.features]
        expect = {"result": model.score([row], "FP64")[0].tolist(), "tolerance": 1e-6}
        return case(name, "score_named", {"model": model.name, "features": features}, expect)

    house = dict(zip(linear.features, HOUSES[1], strict=True))
    without_age = {"area": 150.0, "rooms": 4.5}
    bad_values = {"model": "linear", "values": [1.0, 2.0]}
    return [
        values("score_values_regression", linear, HOUSES[1]),
        values("score_values_three_classes", softmax, FLOWERS[1]),
        values("score_values_fp64", BY_NAME["logistic"], TUMOURS[0]),
        case(
            "score_values_too_few",
            "score_values",
            bad_values,
            refusal("INVALID_ARGUMENT", "linear", "3", "2"),
        ),
        case(
            "score_values_none",
            "score_values",
            {"model": "linear", "values": []},
            refusal("INVALID_ARGUMENT", "linear"),
        ),
        case(
            "score_values_nan",
            "score_values",
            {"model": "linear", "values": [1.0, 2.0, NAN]},
            refusal("INVALID_ARGUMENT"),
        ),
        named("score_named_regression", linear, house),
        named("score_named_order_does_not_matter", linear, dict(reversed(house.items()))),
        named("score_named_missing_propagates", propagate, {"left": 1.0, "right": 2.0}),
        case(
            "score_named_missing_refused",
            "score_named",
            {"model": "linear", "features": without_age},
            refusal("INVALID_ARGUMENT", "age"),
        ),
        case(
            "score_named_unknown_feature",
            "score_named",
            {"model": "linear", "features": {**house, "colour": 1.0}},
            refusal("INVALID_ARGUMENT", "colour"),
        ),
    ]


def normalise_cases() -> list[Case]:
    """The normaliser as a call of its own, and models that have none."""
    linear, logistic = BY_NAME["linear"], BY_NAME["logistic"]
    assert linear.normaliser is not None
    assert logistic.normaliser is not None
    cases = [
        transform_case("normalize_fp32", "normalize", linear, HOUSES, "FP32"),
        transform_case("normalize_fp64", "normalize", logistic, TUMOURS, "FP64"),
        transform_case("normalize_no_rows", "normalize", linear, [], "FP32"),
        transform_case(
            "normalize_passes_nan", "normalize", BY_NAME["propagate"], [[1.0, NAN, 3.0]], "FP32"
        ),
        transform_case(
            "denormalize_fp32", "denormalize", linear, [[0.0, 0.0, 0.0], [1.0, -1.0, 0.5]], "FP32"
        ),
        transform_case(
            "denormalize_fp64", "denormalize", logistic, [[0.5, -0.25, 2.0, 0.0]], "FP64"
        ),
    ]
    for method in ("normalize", "denormalize"):
        args = {"model": "rate", "values": [[1.0, 2.0]]}
        cases.append(
            case(f"{method}_without_normaliser", method, args, refusal("INVALID_ARGUMENT", "rate"))
        )
    return cases


def transform_case(
    name: str, method: str, model: ConformanceModel, rows: Rows, datatype: str
) -> Case:
    """A normalize or denormalize call whose answer is computed here."""
    assert model.normaliser is not None
    values = model.received(rows, datatype)
    forward = method == "normalize"
    result = model.normaliser.forward(values) if forward else model.normaliser.inverse(values)
    args = {"model": model.name, "values": rows, "datatype": datatype, "request_id": name}
    expect = {
        "values": result.tolist(),
        "datatype": datatype,
        "rows": len(rows),
        "columns": len(model.features),
        "model_version": "1",
        "request_id": name,
        "tolerance": 1e-6 if datatype == "FP32" else 1e-14,
    }
    return case(name, method, args, expect)


def sparse_cases() -> list[Case]:
    """Rows in compressed sparse row form; absent entries are zero."""
    wide_row = [0.0] * 256
    wide_row[3], wide_row[255] = 1.5, -2.0

    def sparse(name: str, model: str, dense: Rows, datatype: str = "FP32") -> Case:
        indptr, indices, values = [0], [], []
        for row in dense:
            indices += [column for column, value in enumerate(row) if value != 0.0]
            values += [value for value in row if value != 0.0]
            indptr.append(len(indices))
        args = {
            "model": model,
            "indptr": indptr,
            "indices": indices,
            "values": values,
            "datatype": datatype,
        }
        return case(name, "score_sparse", args, scored(BY_NAME[model], dense, datatype))

    return [
        sparse("sparse_wide_rows", "wide", [wide_row, [0.0] * 256, wide_row]),
        sparse("sparse_zeros_are_normalised", "linear", [[0.0, 4.0, 0.0], [150.0, 0.0, 30.0]]),
        sparse("sparse_fp64", "logistic", [[17.99, 0.0, 1001.0, 0.0]], "FP64"),
        sparse("sparse_no_rows", "wide", []),
    ]


def infer_cases() -> list[Case]:
    """Open Inference Protocol V2 by the client's natural types."""
    softmax, logistic = BY_NAME["softmax"], BY_NAME["logistic"]
    every = ["label", "probabilities", "scores", "margin"]

    def infer(name: str, model: ConformanceModel, rows: Rows, **more: Any) -> Case:
        tensor = {"name": "features", "datatype": model.datatype, "rows": rows}
        given = model.outputs(rows, model.datatype)
        wanted = {name: given[name] for name in more.get("outputs", ["scores"])}
        expect: Case = {
            "model_name": model.name,
            "model_version": "1",
            "outputs": {
                name: {"shape": list(values.shape), "values": values.ravel().tolist()}
                for name, values in wanted.items()
            },
            "tolerance": TOLERANCE[model.precision],
        }
        if "id" in more:
            expect["id"] = more["id"]
        return case(name, "infer", {"model": model.name, "inputs": [tensor], **more}, expect)

    return [
        infer("infer_three_classes", softmax, FLOWERS),
        infer("infer_fp64", logistic, TUMOURS),
        infer("infer_echoes_id", softmax, FLOWERS[:1], id="call-7"),
        infer("infer_names_its_output", softmax, FLOWERS[:1], outputs=["scores"]),
        infer("infer_no_rows", softmax, []),
        infer("infer_every_output", softmax, FLOWERS, outputs=every),
        infer("infer_every_output_of_two_classes", logistic, TUMOURS, outputs=every),
        infer("infer_label_only", softmax, FLOWERS, outputs=["label"]),
        infer("infer_margin_of_no_rows", logistic, [], outputs=["margin", "label"]),
        infer("infer_margin_of_a_regression", BY_NAME["rate"], RATES, outputs=["margin"]),
    ]


def server_cases() -> list[Case]:
    """Health, metadata and statistics."""
    linear_scores = {"name": "linear", "model_version": "1", "inference_count": {"at_least": 300}}
    both_versions = [
        {"name": "versioned", "model_version": "1"},
        {"name": "versioned", "model_version": "2"},
    ]

    def ready(name: str, model: str, version: str, result: bool) -> Case:
        return case(name, "model_ready", {"model": model, "version": version}, {"result": result})

    def statistics(name: str, args: Case, expected: object) -> Case:
        return case(name, "model_statistics", args, {"model_stats": expected})

    return [
        case("ping", "ping", {}, {"result": True}),
        case("server_live", "server_live", {}, {"result": True}),
        case("server_ready", "server_ready", {}, {"result": True}),
        case(
            "server_metadata",
            "server_metadata",
            {},
            {"name": "thriftscore", "extensions": {"contains": ["score_sparse"]}},
        ),
        ready("model_ready_default_version", "linear", "", True),
        ready("model_ready_by_label", "versioned", "canary", True),
        ready("model_ready_unknown_version", "linear", "9", False),
        ready("model_ready_unknown_model", "nope", "", False),
        statistics("statistics_count_rows", {"model": "linear", "version": "1"}, [linear_scores]),
        statistics("statistics_of_all_versions", {"model": "versioned"}, both_versions),
        *metadata_cases(),
    ]


def metadata_cases() -> list[Case]:
    """What model_metadata says about each model."""
    cases = []
    for model in MODELS:
        expect = {
            "name": model.name,
            "model_version": str(model.version),
            "platform": "thriftscore_native",
            "inputs": [
                {"name": "features", "datatype": model.datatype, "shape": [-1, len(model.features)]}
            ],
            "outputs": [
                {"name": name, "datatype": datatype, "shape": shape}
                for name, (datatype, shape) in model.output_shapes().items()
            ],
            "feature_names": list(model.features),
            "task": model.task,
            "classes": list(model.classes),
            "link": model.link,
            "precision": model.precision,
            "has_normalizer": model.normaliser is not None,
            "missing_values": model.missing_values,
        }
        if model.name == "versioned":
            expect |= {"versions": ["1", "2"], "labels": {"stable": 1, "canary": 2}}
        args = {"model": model.name, "version": str(model.version)}
        cases.append(case(f"metadata_{model.name}_{model.version}", "model_metadata", args, expect))
    return cases


def client_cases() -> list[Case]:
    """All cases of this file."""
    groups = (
        score_cases,
        special_value_cases,
        version_cases,
        name_cases,
        one_row_cases,
        normalise_cases,
        sparse_cases,
        infer_cases,
        server_cases,
    )
    return [one for group in groups for one in group()]
