# SPDX-License-Identifier: Apache-2.0
"""Pickled scikit-learn models: trusted on request only, and never in this process."""

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsRegressor

from thriftscore.errors import InvalidArgument, ModelRefused
from thriftscore.importers.importing import ImportedModel, ImportOptions, import_model
from thriftscore.importers.pickle_source import read_results
from thriftscore.repository.files import Directory

NAMES = ["breast_cancer", "wine", "diabetes", "diabetes_poisson"]


def import_pickled(folder: Path, value: object, **options: Any) -> ImportedModel:
    source = folder / "model.joblib"
    joblib.dump(value, source)
    return import_model(source, ImportOptions(allow_pickle=True, **options))


@pytest.mark.parametrize("trained", NAMES, indirect=True)
def test_a_pipeline_keeps_double_precision(tmp_path: Path, trained: Any) -> None:
    imported = import_pickled(tmp_path, trained.estimator, precision="fp64")
    assert imported.version.tolerance == 1e-10
    assert imported.report.max_relative_difference < 1e-12
    assert imported.report.label_disagreements in {None, 0}
    assert imported.version.source.format == "sklearn"
    scores = imported.model.score(trained.rows)
    np.testing.assert_allclose(scores, trained.scores(trained.rows), rtol=1e-11, atol=1e-13)
    golden = imported.version.golden
    assert golden is not None
    np.testing.assert_array_equal(golden.scores, trained.scores(golden.features))


@pytest.mark.parametrize("trained", ["breast_cancer", "diabetes"], indirect=True)
def test_normalize_is_the_scaler_to_the_bit(tmp_path: Path, trained: Any) -> None:
    model = import_pickled(tmp_path, trained.estimator).model
    scaler = trained.estimator[0]
    np.testing.assert_array_equal(model.normalize(trained.rows), scaler.transform(trained.rows))


def test_compressed_files_and_plain_pickles_are_read(tmp_path: Path, breast_cancer: Any) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(breast_cancer.estimator))
    joblib.dump(breast_cancer.estimator, tmp_path / "b.joblib", compress=("gzip", 3))
    models = [
        import_model(tmp_path / name, ImportOptions(allow_pickle=True)).version.model
        for name in ("a.pkl", "b.joblib")
    ]
    assert models[0] == models[1]


def test_features_and_classes_keep_their_names(tmp_path: Path) -> None:
    rows = np.random.default_rng(1).standard_normal((60, 2))
    estimator = LogisticRegression().fit(rows, np.where(rows[:, 0] > rows[:, 1], "yes", "no"))
    estimator.feature_names_in_ = np.asarray(["age", "income"], object)
    np.savetxt(
        tmp_path / "rows.csv", rows, delimiter=",", header="age,income", comments="", fmt="%.17g"
    )
    imported = import_pickled(tmp_path, estimator, sample=tmp_path / "rows.csv", precision="fp64")
    assert imported.model.features == ("age", "income")
    assert imported.model.classes == ("no", "yes")
    assert imported.version.golden is not None
    np.testing.assert_array_equal(imported.version.golden.features, rows)
    np.savetxt(tmp_path / "rows.csv", rows, delimiter=",", header="income,age", comments="")
    with pytest.raises(InvalidArgument, match="column 0 of the sample is 'income'"):
        import_pickled(tmp_path, estimator, sample=tmp_path / "rows.csv")


MARKER = "marker"


class Malicious:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (os.mkdir, (str(self.path),))


@pytest.mark.parametrize("name", ["model.pkl", "model.joblib", "model.onnx", "model.json", "model"])
def test_nothing_is_unpickled_unasked(tmp_path: Path, name: str) -> None:
    source = tmp_path / name
    source.write_bytes(pickle.dumps(Malicious(tmp_path / MARKER)))
    with pytest.raises(ModelRefused, match="pickle"):
        import_model(source, ImportOptions())
    assert not (tmp_path / MARKER).exists()


def test_a_pickle_named_onnx_is_refused_even_where_pickles_are_allowed(tmp_path: Path) -> None:
    source = tmp_path / "model.onnx"
    source.write_bytes(pickle.dumps(Malicious(tmp_path / MARKER)))
    with pytest.raises(ModelRefused, match=r"is a pickle, which its name does not say"):
        import_model(source, ImportOptions(allow_pickle=True))
    assert not (tmp_path / MARKER).exists()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"not": "a model"}, "the file holds builtins.dict, expected a fitted scikit-learn"),
        (LinearRegression(), "expected a fitted scikit-learn estimator"),
        (
            KNeighborsRegressor(1).fit([[0.0], [1.0]], [0.0, 1.0]),
            "the estimator KNeighborsRegressor is not supported",
        ),
    ],
)
def test_what_has_no_stages_is_refused_by_name(tmp_path: Path, value: object, reason: str) -> None:
    with pytest.raises(ModelRefused) as raised:
        import_pickled(tmp_path, value)
    assert reason in str(raised.value)


def test_a_pickle_that_breaks_off_is_refused(tmp_path: Path, breast_cancer: Any) -> None:
    source = tmp_path / "model.pkl"
    source.write_bytes(pickle.dumps(breast_cancer.estimator)[:-100])
    with pytest.raises(ModelRefused, match="the pickle cannot be loaded"):
        import_model(source, ImportOptions(allow_pickle=True))


class Exits:
    """Ends the process that unpickles it."""

    def __reduce__(self) -> Any:
        return (os._exit, (7,))


def test_a_pickle_that_ends_the_process_ends_only_the_child(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="failed with status 7: it said nothing"):
        import_pickled(tmp_path, Exits())


class Sleeps:
    """Never comes back from being unpickled, and starts a process that does not either."""

    def __init__(self, pids: Path) -> None:
        self.code = (
            f"import os, subprocess, time; child = subprocess.Popen(['sleep', '600']);"
            f" open({str(pids)!r}, 'w').write(str([os.getpid(), child.pid])); time.sleep(600)"
        )

    def __reduce__(self) -> Any:
        return (exec, (self.code,))


def test_a_pickle_that_never_ends_is_stopped_with_all_it_started(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="was not converted within 12 s"):
        import_pickled(tmp_path, Sleeps(tmp_path / "pids"), pickle_timeout_s=12.0)
    pids = json.loads((tmp_path / "pids").read_text())
    assert len(pids) == 2
    assert not [pid for pid in pids if is_running(pid)]


def is_running(pid: int) -> bool:
    """Whether a process runs; one that was killed and not yet reaped by its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture(scope="module")
def honest_results(tmp_path_factory: pytest.TempPathFactory, breast_cancer: Any) -> Path:
    """What an honest child process leaves. Only to be read."""
    folder = tmp_path_factory.mktemp("results")
    joblib.dump(breast_cancer.estimator, folder / "source")
    request = {"format": "pickle", "precision": "fp32", "missing_values": None}
    (folder / "request.json").write_text(json.dumps(request))
    command = [sys.executable, "-I", "-m", "thriftscore.importers.pickle_worker", folder]
    subprocess.run(command, check=True)
    return folder


@pytest.fixture
def results(tmp_path: Path, honest_results: Path) -> Path:
    """A copy of that."""
    return Path(shutil.copytree(honest_results, tmp_path / "results"))


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("facts.json", b"[" * 100_000, "made a bad facts.json"),
        ("facts.json", b"[]", "made a bad facts.json: expected an object"),
        ("facts.json", b'{"libraries": [1], "warnings": []}', "expected texts"),
        ("answers.safetensors", b"\x80\x04pickle", "golden.safetensors"),
        ("answers.safetensors", None, "made no 'answers.safetensors'"),
        ("error.json", b'{"error": "no"}', "no"),
    ],
)
def test_what_the_child_leaves_is_not_trusted(
    results: Path, name: str, content: bytes | None, reason: str
) -> None:
    if content is None:
        (results / name).unlink()
    else:
        (results / name).write_bytes(content)
    with Directory.open_root(results) as directory, pytest.raises(ModelRefused) as raised:
        read_results(directory)
    assert reason in str(raised.value)


def test_a_sample_may_have_the_texts_that_the_model_knows(tmp_path: Path) -> None:
    import pandas as pd
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    frame = pd.DataFrame({"size": [1.0, 2.0, 3.0, 4.0], "colour": ["red", "blue", "red", "blue"]})
    encoder = make_column_transformer((OneHotEncoder(), ["colour"]), remainder="passthrough")
    model = make_pipeline(encoder, LinearRegression()).fit(frame, [1.0, 4.0, 3.0, 9.0])
    frame.to_csv(tmp_path / "rows.csv", index=False)
    imported = import_pickled(tmp_path, model, sample=tmp_path / "rows.csv", precision="fp64")
    golden = imported.version.golden
    assert golden is not None
    np.testing.assert_array_equal(golden.features[:, 1], [1, 0, 1, 0])
    np.testing.assert_array_equal(golden.scores[:, 0], model.predict(frame))
    assert imported.model.categories == {"colour": ("blue", "red")}
    (tmp_path / "rows.csv").write_text("size,colour\n1,green\n")
    with pytest.raises(ModelRefused, match="'green' in row 0, column 1, expected one of blue, red"):
        import_pickled(tmp_path, model, sample=tmp_path / "rows.csv")
