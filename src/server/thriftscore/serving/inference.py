# SPDX-License-Identifier: Apache-2.0
"""Open Inference Protocol requests and responses: one input "features", outputs by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from thriftscore._generated.ttypes import InferRequest, InferResponse, Tensor
from thriftscore.errors import InvalidArgument
from thriftscore.serving.calls import current_call
from thriftscore.serving.descriptions import describe_outputs
from thriftscore.serving.tensors import INPUT_NAME, OUTPUT_NAME, tensor_matrix

if TYPE_CHECKING:
    from thriftscore.repository import AnyModel, ServedModel
    from thriftscore.serving.scoring_handler import HandlerLimits


@dataclass(frozen=True, slots=True)
class InferenceInput:
    """Row-major values of one datatype, FP32 or FP64, and the outputs wanted of them."""

    data: bytes
    datatype: str
    outputs: tuple[str, ...]


def check_infer_request(
    request: InferRequest, model: AnyModel, limits: HandlerLimits
) -> InferenceInput:
    """The rows to score. Raises InvalidArgument for anything in the request that is not known."""
    inputs, outputs = request.inputs or [], request.outputs or []
    if len(inputs) + len(outputs) > limits.tensors_max:
        raise InvalidArgument(
            f"inputs and outputs: expected at most {limits.tensors_max}, "
            f"received {len(inputs) + len(outputs)}"
        )
    _refuse_parameters(request.parameters, "request")
    _require_input([tensor.name for tensor in inputs])
    names = tuple(output.name for output in outputs) or (OUTPUT_NAME,)
    _check_outputs(names, model.output_names)
    for named in (*inputs, *outputs):
        _refuse_parameters(named.parameters, f"tensor {named.name!a}")
    data, datatype, _, received = tensor_matrix(inputs[0], limits.tensor_rank_max)
    if received != model.columns:
        raise InvalidArgument(
            f"tensor {INPUT_NAME!r}: shape: expected [rows, {model.columns}], "
            f"received {inputs[0].shape}"
        )
    return InferenceInput(data, datatype, names)


def infer_response(
    request: InferRequest, served: ServedModel, outputs: Mapping[str, bytes]
) -> InferResponse:
    """The response with what the model gives for the call's rows."""
    call = current_call()
    described = {output.name: output for output in describe_outputs(served.model)}
    return InferResponse(
        model_name=served.name,
        model_version=str(served.version),
        id=request.id,
        outputs=[
            Tensor(
                name=name,
                datatype=described[name].datatype,
                shape=[call.rows, *described[name].shape[1:]],
                data=data,
            )
            for name, data in outputs.items()
        ],
        request_id=call.request_id,
    )


def _require_input(names: Sequence[str]) -> None:
    """Requires the one input exactly once and nothing else."""
    unknown = [name for name in names if name != INPUT_NAME]
    if unknown:
        raise InvalidArgument(f"inputs: expected {INPUT_NAME!r}, received {unknown[0]!a}")
    if len(names) != 1:
        raise InvalidArgument(f"inputs: expected {INPUT_NAME!r} once, received {len(names)}")


def _check_outputs(names: Sequence[str], known: Sequence[str]) -> None:
    for position, name in enumerate(names):
        if name not in known:
            raise InvalidArgument(f"outputs: expected {', '.join(known)}, received {name!a}")
        if name in names[:position]:
            raise InvalidArgument(f"outputs: expected {name!r} once")


def _refuse_parameters(parameters: dict[str, Any] | None, where: str) -> None:
    if parameters:
        raise InvalidArgument(f"{where}: unknown parameter {sorted(parameters)[0]!a}")
