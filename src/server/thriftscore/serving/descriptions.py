# SPDX-License-Identifier: Apache-2.0
"""What is known of a served version, in the structs of the contract."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from thriftscore._generated.ttypes import (
    DataType,
    InferenceStatistics,
    MethodStatistics,
    ModelMetadata,
    ModelStatistics,
    ShadowStatistics,
    StatisticDuration,
    TensorMetadata,
)
from thriftscore.errors import ErrorCode
from thriftscore.serving.tensors import INPUT_NAME, LABEL_NAME, OUTPUT_NAME, PROBABILITIES_NAME

if TYPE_CHECKING:
    from thriftscore.repository import AnyModel, Labels, ServedModel
    from thriftscore.serving.statistics import (
        Duration,
        OutcomeStatistics,
        Statistics,
        VersionStatistics,
    )

PLATFORM = "thriftscore_native"
ONNX_PLATFORM = "onnxruntime_onnx"
_ANY = -1
_ITEM_BYTES: dict[int, int] = {DataType.FP32: 4, DataType.FP64: 8, DataType.INT64: 8}
_CONTRACT_DATATYPES: dict[str, int] = {"fp32": DataType.FP32, "fp64": DataType.FP64}


def contract_datatype(model: AnyModel) -> int:
    """The contract's DataType of a model's scores."""
    return _CONTRACT_DATATYPES[model.precision]


def describe_outputs(model: AnyModel) -> list[TensorMetadata]:
    """The outputs of a model, the scores first."""
    return [_describe_output(model, name) for name in model.output_names]


def output_row_bytes(model: AnyModel, names: Sequence[str] = (OUTPUT_NAME,)) -> int:
    """The bytes of a row of these outputs."""
    described = [output for output in describe_outputs(model) if output.name in names]
    return sum(_ITEM_BYTES[output.datatype] * math.prod(output.shape[1:]) for output in described)


def _describe_output(model: AnyModel, name: str) -> TensorMetadata:
    if name == LABEL_NAME:
        return TensorMetadata(name, DataType.INT64, [_ANY])
    columns = len(model.classes) if name == PROBABILITIES_NAME else model.outputs
    return TensorMetadata(name, contract_datatype(model), [_ANY, columns])


def describe_model(
    served: ServedModel, ready: Sequence[ServedModel], labels: Labels
) -> ModelMetadata:
    """The metadata of one version, `ready` being all of its model that are."""
    model, datatype = served.model, contract_datatype(served.model)
    return ModelMetadata(
        name=served.name,
        model_version=str(served.version),
        versions=[str(version.version) for version in ready],
        platform=PLATFORM if model.native is not None else ONNX_PLATFORM,
        inputs=[TensorMetadata(INPUT_NAME, datatype, [_ANY, model.columns])],
        outputs=describe_outputs(model),
        feature_names=list(model.feature_names),
        task=model.task,
        classes=list(model.classes),
        link=model.link,
        precision=model.precision,
        has_normalizer=model.has_normalizer,
        digest=served.digest,
        source_format=served.manifest.source.format,
        labels=labels.versions,
        missing_values=model.missing_values,
        categories={feature: list(names) for feature, names in model.categories.items()},
        split=labels.split,
        shadow=labels.shadow,
    )


def describe_statistics(served: ServedModel, statistics: Statistics) -> ModelStatistics:
    """The statistics of one version."""
    return statistics.read(served, lambda version: _version_statistics(served, version))


def _version_statistics(served: ServedModel, version: VersionStatistics) -> ModelStatistics:
    return ModelStatistics(
        name=served.name,
        model_version=str(served.version),
        last_inference_ms=version.last_inference_ms,
        inference_count=version.rows,
        execution_count=version.executions,
        inference_stats=InferenceStatistics(
            success=_duration(version.success),
            fail=_duration(version.fail),
            queue=_duration(version.queue),
            compute_input=_duration(version.compute_input),
            compute_infer=_duration(version.compute_infer),
            compute_output=_duration(version.compute_output),
        ),
        method_stats=[
            _method_statistics(method, code, outcome)
            for (method, code), outcome in sorted(
                version.outcomes.items(), key=lambda item: (item[0][0], _code_value(item[0][1]))
            )
        ],
        shadow_stats=[ShadowStatistics(**figures) for figures in version.shadows],
    )


def _duration(duration: Duration) -> StatisticDuration:
    return StatisticDuration(count=duration.count, ns=duration.ns)


def _code_value(code: ErrorCode | None) -> int:
    return 0 if code is None else code.value


def _method_statistics(
    method: str, code: ErrorCode | None, outcome: OutcomeStatistics
) -> MethodStatistics:
    latency = outcome.latency
    return MethodStatistics(
        method=method,
        code=None if code is None else code.value,
        count=latency.count,
        rows=outcome.rows,
        p50_ns=latency.quantile(0.5),
        p90_ns=latency.quantile(0.9),
        p99_ns=latency.quantile(0.99),
        p999_ns=latency.quantile(0.999),
        max_ns=latency.max_ns,
    )
