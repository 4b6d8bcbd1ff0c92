# SPDX-License-Identifier: Apache-2.0
"""Cases that fill the contract's structs field by field, as no client would."""

from __future__ import annotations

from typing import Any

from client_cases import HOUSES, TOLERANCE, refusal, scored
from models import BY_NAME

Case = dict[str, Any]

LINEAR = BY_NAME["linear"]
FLAT = [value for row in HOUSES for value in row]
TWO_ROWS = {"FP32": FLAT[:6]}


def case(name: str, method: str, args: Case, expect: Case) -> Case:
    """One case that goes through the generated stub."""
    return {"name": name, "via": "wire", "method": method, "args": args, "expect": expect}


def score(name: str, expect: Case, **fields: object) -> Case:
    """A score call with these fields in its request."""
    return case(name, "score", {"request": {"model_name": "linear", **fields}}, expect)


def score_cases() -> list[Case]:
    """Requests that are answered, with fields that are absent or seldom set."""
    answer = scored(LINEAR, HOUSES[:2])
    traced = {
        "request_id": "wire-1",
        "deadline_ms": 5000,
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    }
    echoed = {**answer, "request_id": "wire-1"}
    no_deadline = {"deadline_ms": 0}
    return [
        score("wire_score_datatype_defaults_to_fp32", answer, features=TWO_ROWS),
        score("wire_score_columns_agree", answer, features=TWO_ROWS, columns=3, datatype="FP32"),
        score("wire_score_context", echoed, features=TWO_ROWS, context=traced),
        score("wire_score_deadline_zero_is_none", answer, features=TWO_ROWS, context=no_deadline),
        score("wire_score_features_absent_is_no_rows", scored(LINEAR, [])),
    ]


def refused_score(name: str, words: tuple[str, ...], **fields: object) -> Case:
    """A score call that is refused for what `words` say."""
    expect = refusal("INVALID_ARGUMENT", *words)
    return score(f"wire_score_{name}", expect, **{"features": TWO_ROWS, **fields})


def score_size_refusals() -> list[Case]:
    """Features whose bytes or columns are not the model's."""
    five, seven = {"FP32": FLAT[:5]}, {"FP32": FLAT[:7]}
    half = {"hex": "0000803f" * 2 + "0000"}
    twelve = {"FP32": [0.0] * 12}
    return [
        refused_score("one_value_less", ("linear", "3"), features=five),
        refused_score("one_value_more", ("linear", "3"), features=seven),
        refused_score("half_a_value", ("linear",), features=half),
        refused_score("one_byte", ("linear",), features={"hex": "00"}),
        refused_score("columns_differ", ("columns", "3", "4"), features=twelve, columns=4),
        refused_score("columns_zero", ("columns", "3"), columns=0),
        refused_score("columns_negative", ("columns", "3"), columns=-3),
    ]


def score_refusals() -> list[Case]:
    """Other fields that are wrong, then a request that is right."""
    integers, halves = {"INT32": [1, 2, 3]}, {"hex": "003c003c003c"}
    nan = {"hex": "00000000" * 5 + "0100c07f"}
    nameless = refusal("INVALID_ARGUMENT", "model_name")
    return [
        refused_score("deadline_negative", ("deadline_ms", "-1"), context={"deadline_ms": -1}),
        refused_score(
            "request_id_too_long", ("request_id", "128"), context={"request_id": "r" * 129}
        ),
        refused_score("datatype_int32", ("INT32",), features=integers, datatype="INT32"),
        refused_score("datatype_fp16", ("FP16",), features=halves, datatype="FP16"),
        refused_score("datatype_bytes", ("BYTES",), features={"hex": "010203"}, datatype="BYTES"),
        refused_score("datatype_undefined", ("99",), datatype=99),
        refused_score("nan_bits", ("row 1", "age"), features=nan),
        case("wire_score_without_model", "score", {"request": {"features": TWO_ROWS}}, nameless),
        case("wire_score_empty_request", "score", {"request": {}}, nameless),
        score("wire_score_after_refusals", scored(LINEAR, HOUSES[:2]), features=TWO_ROWS),
    ]


def null_cases() -> list[Case]:
    """Calls that arrive without their arguments."""
    methods = ("score", "score_sparse", "normalize", "denormalize", "infer")
    cases = [
        case(
            f"wire_{method}_null_request",
            method,
            {"request": None},
            refusal("INVALID_ARGUMENT", "request"),
        )
        for method in methods
    ]
    absent = {
        "score_values": {"model_name": "linear", "values": None},
        "score_named": {"model_name": "linear", "features": None},
        "model_metadata": {"model_name": None, "model_version": None},
    }
    for method, args in absent.items():
        cases.append(
            case(f"wire_{method}_null_arguments", method, args, refusal("INVALID_ARGUMENT"))
        )
    return cases


def normalise_cases() -> list[Case]:
    """Normalise requests at odds with the model."""

    def normalise(name: str, expect: Case, **fields: object) -> Case:
        return case(name, "normalize", {"request": {"model_name": "linear", **fields}}, expect)

    assert LINEAR.normaliser is not None
    values = LINEAR.normaliser.forward(LINEAR.received(HOUSES[:2], "FP32"))
    answer = {
        "values": values.tolist(),
        "datatype": "FP32",
        "rows": 2,
        "columns": 3,
        "tolerance": TOLERANCE["fp32"],
    }
    wrong = "INVALID_ARGUMENT"
    return [
        normalise("wire_normalize_defaults", answer, values=TWO_ROWS),
        normalise(
            "wire_normalize_one_value_less",
            refusal(wrong, "linear", "3"),
            values={"FP32": FLAT[:5]},
        ),
        normalise(
            "wire_normalize_columns_differ",
            refusal(wrong, "columns", "3", "6"),
            values=TWO_ROWS,
            columns=6,
        ),
        normalise(
            "wire_normalize_datatype_int64",
            refusal(wrong, "INT64"),
            values={"INT64": [1, 2, 3]},
            datatype="INT64",
        ),
    ]


def sparse_cases() -> list[Case]:
    """Offsets and columns that do not describe rows of the model."""

    def sparse(name: str, indptr: object, indices: object, values: object, *words: str) -> Case:
        request = {
            "model_name": "linear",
            "indptr": {"INT64": indptr},
            "indices": {"INT32": indices},
            "values": {"FP32": values},
        }
        return case(name, "score_sparse", {"request": request}, refusal("INVALID_ARGUMENT", *words))

    indptr = "indptr"
    indices = "indices"
    odd_bytes = {"model_name": "linear", "indptr": {"hex": "00" * 12}}
    return [
        sparse("wire_sparse_indptr_empty", [], [], [], indptr),
        sparse("wire_sparse_indptr_not_from_zero", [1, 2], [0, 1], [1.0, 2.0], indptr),
        sparse("wire_sparse_indptr_falls", [0, 2, 1, 3], [0, 1, 2], [1.0, 2.0, 3.0], indptr),
        sparse("wire_sparse_indptr_negative", [0, -1, 2], [0, 1], [1.0, 2.0], indptr),
        sparse("wire_sparse_indptr_ends_early", [0, 1], [0, 1], [1.0, 2.0], indptr),
        sparse("wire_sparse_indptr_beyond_end", [0, 3], [0, 1], [1.0, 2.0], indptr),
        sparse("wire_sparse_indptr_huge", [0, 2**62], [0, 1], [1.0, 2.0], indptr),
        sparse("wire_sparse_index_equals_columns", [0, 1], [3], [1.0], indices, "3"),
        sparse("wire_sparse_index_negative", [0, 1], [-1], [1.0], indices, "-1"),
        sparse("wire_sparse_index_huge", [0, 1], [2**31 - 1], [1.0], indices),
        sparse("wire_sparse_indices_descend", [0, 2], [1, 0], [1.0, 2.0], indices),
        sparse("wire_sparse_index_twice", [0, 2], [1, 1], [1.0, 2.0], indices),
        sparse("wire_sparse_fewer_values_than_indices", [0, 2], [0, 1], [1.0], "values"),
        sparse("wire_sparse_more_values_than_indices", [0, 1], [0], [1.0, 2.0], "values"),
        sparse("wire_sparse_nan", [0, 1], [0], [float("nan")]),
        case(
            "wire_sparse_odd_bytes",
            "score_sparse",
            {"request": odd_bytes},
            refusal("INVALID_ARGUMENT", indptr),
        ),
    ]


def tensor(**fields: object) -> Case:
    """An input of `linear` that is right but for `fields`; None leaves a field out."""
    right = {"name": "features", "datatype": "FP32", "shape": [2, 3], "data": TWO_ROWS}
    return {key: value for key, value in {**right, **fields}.items() if value is not None}


def infer(name: str, expect: Case, *inputs: Case, **fields: object) -> Case:
    """An infer call of `linear` with these inputs."""
    request = {"model_name": "linear", "inputs": list(inputs), **fields}
    return case(name, "infer", {"request": request}, expect)


def infer_answer(**more: object) -> Case:
    """The response to the tensor above."""
    scores = LINEAR.score(HOUSES[:2])
    return {
        "model_name": "linear",
        "model_version": "1",
        "outputs": {"scores": {"shape": [2, 1], "values": scores.ravel().tolist()}},
        "tolerance": TOLERANCE["fp32"],
        **more,
    }


def infer_cases() -> list[Case]:
    """Forms of infer that are answered."""
    contents = {"fp_contents": FLAT[:6]}
    wanted = [{"name": "scores"}]
    none = infer_answer(outputs={"scores": {"shape": [0, 1], "values": []}})
    context = {"request_id": "wire-9"}
    return [
        infer("wire_infer_data", infer_answer(), tensor()),
        infer("wire_infer_contents", infer_answer(), tensor(data=None, contents=contents)),
        infer(
            "wire_infer_id_and_request_id",
            infer_answer(id="i-1", request_id="wire-9"),
            tensor(),
            id="i-1",
            context=context,
        ),
        infer("wire_infer_requested_output", infer_answer(), tensor(), outputs=wanted),
        infer("wire_infer_empty_outputs_are_scores", infer_answer(), tensor(), outputs=[]),
        infer("wire_infer_empty_parameters", infer_answer(), tensor(parameters={}), parameters={}),
        infer("wire_infer_no_rows", none, tensor(shape=[0, 3], data={"hex": ""})),
    ]


def infer_tensor_refusals() -> list[Case]:
    """Tensors that are not an input of the model."""

    def refused(name: str, words: tuple[str, ...], *inputs: Case) -> Case:
        return infer(f"wire_infer_{name}", refusal("INVALID_ARGUMENT", *words), *inputs)

    integers = {"int_contents": [1, 2, 3, 4, 5, 6]}
    five = {"fp_contents": FLAT[:5]}
    six = {"fp_contents": FLAT[:6]}
    parameter = {"priority": {"int64_param": 1}}
    return [
        refused("without_inputs", ("features",)),
        refused("unknown_input", ("pixels",), tensor(name="pixels")),
        refused("unnamed_input", (), tensor(name="")),
        refused("input_twice", ("features",), tensor(), tensor()),
        refused("extra_input", ("pixels",), tensor(), tensor(name="pixels")),
        refused("datatype_int32", ("INT32",), tensor(datatype="INT32", data={"INT32": [1] * 6})),
        refused("datatype_bytes", ("BYTES",), tensor(datatype="BYTES")),
        refused("datatype_undefined", ("99",), tensor(datatype=99)),
        refused("rank_zero", ("shape",), tensor(shape=[], data={"FP32": [1.0]})),
        refused("rank_seventeen", ("17",), tensor(shape=[1] * 15 + [2, 3])),
        refused("extent_negative", ("-1",), tensor(shape=[-1, 3])),
        refused("extents_negative", ("-2",), tensor(shape=[-2, -3])),
        refused("shape_product_overflows", ("shape",), tensor(shape=[2**32, 2**32])),
        refused("shape_product_wraps_to_data", ("shape",), tensor(shape=[2**62 + 2, 3])),
        refused("columns_differ", ("3", "2"), tensor(shape=[3, 2])),
        refused("rank_three", ("shape",), tensor(shape=[1, 2, 3])),
        refused("data_too_short", ("features",), tensor(data={"FP32": FLAT[:5]})),
        refused("data_too_long", ("features",), tensor(data={"FP32": FLAT[:7]})),
        refused("data_absent", ("features",), tensor(data=None)),
        refused("data_and_contents", ("features",), tensor(contents=six)),
        refused("contents_too_short", ("features",), tensor(data=None, contents=five)),
        refused("contents_of_other_type", ("fp_contents",), tensor(data=None, contents=integers)),
        refused(
            "contents_of_two_types", ("features",), tensor(data=None, contents={**six, **integers})
        ),
        refused("tensor_parameter", ("priority",), tensor(parameters=parameter)),
        refused("nan", (), tensor(data={"FP32": [*FLAT[:5], float("nan")]})),
    ]


def infer_request_refusals() -> list[Case]:
    """Requests whose other fields are wrong."""
    parameter = {"priority": {"int64_param": 1}}

    def refused(name: str, words: tuple[str, ...], **fields: object) -> Case:
        return infer(f"wire_infer_{name}", refusal("INVALID_ARGUMENT", *words), tensor(), **fields)

    unknown = infer(
        "wire_infer_unknown_model", refusal("MODEL_NOT_FOUND", "nope"), tensor(), model_name="nope"
    )
    return [
        refused("unknown_output", ("labels",), outputs=[{"name": "labels"}]),
        refused("label_of_a_regression", ("label",), outputs=[{"name": "label"}]),
        refused("output_twice", ("scores",), outputs=[{"name": "scores"}, {"name": "scores"}]),
        refused("request_parameter", ("priority",), parameters=parameter),
        refused(
            "output_parameter", ("priority",), outputs=[{"name": "scores", "parameters": parameter}]
        ),
        unknown,
        infer("wire_infer_after_refusals", infer_answer(), tensor()),
    ]


def wire_cases() -> list[Case]:
    """All cases of this file."""
    groups = (
        score_cases,
        score_size_refusals,
        score_refusals,
        null_cases,
        normalise_cases,
        sparse_cases,
        infer_cases,
        infer_tensor_refusals,
        infer_request_refusals,
    )
    return [one for group in groups for one in group()]
