# SPDX-License-Identifier: Apache-2.0
"""`thriftscore import`: from a trained model to a published version."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from thriftscore.cli.output import print_facts, print_json, progress
from thriftscore.cli.repository_option import RepositoryOption
from thriftscore.importers.importing import ImportedModel, ImportOptions, import_model
from thriftscore.importers.native_model import MissingValues, Precision
from thriftscore.repository import publish, set_published_label
from thriftscore.repository.names import check_label, check_model_name

_SOURCE_HELP = (
    "A model of ONNX, scikit-learn (.joblib, .pkl, .skops), XGBoost (JSON, UBJSON), LightGBM"
    " (text), or plain weights (.npz, .json)."
)


def import_command(
    source: Annotated[Path, typer.Argument(help=_SOURCE_HELP)],
    *,
    name: Annotated[str, typer.Option(help="Name of the model in the repository.")],
    repository: RepositoryOption = Path("repository"),
    sample: Annotated[
        Path | None,
        typer.Option(
            help="Rows to compare on: .npy or .csv with the model's columns, in its order."
            " Default: rows are made up."
        ),
    ] = None,
    label: Annotated[str | None, typer.Option(help="Label to point at the new version.")] = None,
    version: Annotated[
        int | None,
        typer.Option(help="Number of the new version, above all others. Default: the next one."),
    ] = None,
    precision: Annotated[Precision, typer.Option(help="What the model computes in.")] = "fp32",
    missing_values: Annotated[
        MissingValues | None,
        typer.Option(help="Refuse rows with NaN, or score them. Default: as the source does."),
    ] = None,
    allow_pickle: Annotated[
        bool, typer.Option("--allow-pickle", help="Load a pickle, which runs any code in it.")
    ] = False,
    backend: Annotated[
        Literal["native", "onnxruntime"],
        typer.Option(help="What computes it; onnxruntime takes any ONNX file, and is slower."),
    ] = "native",
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Convert a trained model, compare it with its source row by row, and publish it.

    Each import of the same name makes its next version: 1, 2, 3, ... A .joblib or .pkl file is a
    pickle, and needs --allow-pickle.

    Example: thriftscore import model.skops --name credit --label canary
    """
    check_model_name(name)
    if label is not None:
        check_label(label)
    options = ImportOptions(
        precision=precision,
        missing_values=missing_values,
        sample=sample,
        allow_pickle=allow_pickle,
        backend=backend,
    )
    with progress() as step:
        imported = import_model(source, options, step)
        step("publishing")
        number = publish(repository, name, imported.version, version)
        if label is not None:
            set_published_label(repository, name, label, number)
    place = {"model": name, "version": number, "label": label, "repository": str(repository)}
    if as_json:
        print_json({**place, **_facts(imported)})
    else:
        _print_report(place, imported)


def _facts(imported: ImportedModel) -> dict[str, Any]:
    model = imported.model
    return {
        "task": model.task,
        "link": model.link,
        "precision": model.precision,
        "features": model.columns,
        "classes": list(model.classes),
        "tolerance": imported.version.tolerance,
        "source": imported.version.source.model_dump(mode="json"),
        "report": imported.report.model_dump(mode="json"),
    }


def _print_report(place: dict[str, Any], imported: ImportedModel) -> None:
    report, model = imported.report, imported.model
    classes = f", {len(model.classes)} classes" if model.classes else ""
    facts: dict[str, object] = {
        "repository": place["repository"],
        "label": place["label"] or "none",
        "model": f"{model.task}, {model.columns} features{classes}, {model.precision}",
        "compared with": f"{report.reference} on {report.rows:,} rows",
        "largest |difference|": f"{report.max_absolute_difference:.3g}",
        "relative to the score": (
            f"{report.max_relative_difference:.3g}"
            f" (at most {imported.version.tolerance:g} is accepted)"
        ),
    }
    if report.max_ulp_difference is not None:
        facts["in units of the last place"] = f"{report.max_ulp_difference:.3g}"
    if report.label_disagreements is not None:
        facts["rows with another class"] = report.label_disagreements
    if report.warnings:
        facts["warnings"] = "\n".join(report.warnings)
    print_facts(f"published {place['model']} version {place['version']}", facts)
