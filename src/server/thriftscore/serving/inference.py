# SPDX-License-Identifier: Apache-2.0
"""Open Inference Protocol requests and responses: one input "features", one output "scores"."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from thriftscore._generated.ttypes import InferRequest, InferResponse, Tensor
from thriftscore.errors import InvalidArgument
from thriftscore.serving.calls import current_call
from thriftscore.serving.descriptions import contract_datatype
from thriftscore.serving.tensors import INPUT_NAME, OUTPUT_NAME, tensor_matrix

if TYPE_CHECKING:
    from thriftscore.repository import ServedModel
    from thriftscore.serving.scoring_handler import HandlerLimits


@dataclass(frozen=True, slots=True)
class Matrix:
    """Row-major values of one datatype, FP32 or FP64."""

    data: bytes
    datatype: str


def check_infer_request(request: InferRequest, columns: int, limits: HandlerLimits) -> Matrix:
    """The rows to score. Raises InvalidArgument for anything in the request that is not known."""
    inputs, outputs = request.inputs or [], request.outputs or []
    if len(inputs) + len(outputs) > limits.tensors_max:
        raise InvalidArgument(
            f"inputs and outputs: expected at most {limits.tensors_max}, "
            f"received {len(inputs) + len(outputs)}"
        )
    _refuse_parameters(request.parameters, "request")
    _require_only(INPUT_NAME, [tensor.name for tensor in inputs], "input")
    if outputs:
        _require_only(OUTPUT_NAME, [output.name for output in outputs], "output")
    for named in (*inputs, *outputs):
        _refuse_parameters(named.parameters, f"tensor {named.name!a}")
    data, datatype, _, received = tensor_matrix(inputs[0], limits.tensor_rank_max)
    if received != columns:
        raise InvalidArgument(
            f"tensor {INPUT_NAME!r}: shape: expected [rows, {columns}], received {inputs[0].shape}"
        )
    return Matrix(data, datatype)


def infer_response(request: InferRequest, served: ServedModel, scores: bytes) -> InferResponse:
    """The response with the scores of the call's rows."""
    call = current_call()
    output = Tensor(
        name=OUTPUT_NAME,
        datatype=contract_datatype(served.model),
        shape=[call.rows, served.model.outputs],
        data=scores,
    )
    return InferResponse(
        model_name=served.name,
        model_version=str(served.version),
        id=request.id,
        outputs=[output],
        request_id=call.request_id,
    )


def _require_only(expected: str, names: Iterable[str], kind: str) -> None:
    """Requires `expected` exactly once and nothing else."""
    names = list(names)
    unknown = [name for name in names if name != expected]
    if unknown:
        raise InvalidArgument(f"{kind}s: expected {expected!r}, received {unknown[0]!a}")
    if len(names) != 1:
        raise InvalidArgument(f"{kind}s: expected {expected!r} once, received {len(names)}")


def _refuse_parameters(parameters: dict[str, Any] | None, where: str) -> None:
    if parameters:
        raise InvalidArgument(f"{where}: unknown parameter {sorted(parameters)[0]!a}")
