# SPDX-License-Identifier: Apache-2.0
import gzip
import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from thriftscore.errors import InvalidArgument, ModelRefused
from thriftscore.importers.importing import ImportOptions, import_model
from thriftscore.importers.source_format import SourceFormat, detect, importable_format


def numpy_file() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([{}], object), allow_pickle=True)
    return buffer.getvalue()


def zip_file() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../../escaped", "x")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (numpy_file(), "a NumPy array"),
        (zip_file(), "a ZIP archive"),
        (b'{"model": {}}', "JSON"),
        (b"\x10\0\0\0\0\0\0\0{}", "safetensors"),
        (b"forest\nversion=v4\n", "of an unknown format"),
    ],
)
@pytest.mark.parametrize("name", ["model.onnx", "model.ONNX", "model.json", "model", "model.npz"])
def test_what_is_no_model_is_refused_for_what_it_is(
    tmp_path: Path, content: bytes, kind: str, name: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelRefused, match=f"{name}' is {kind}"):
        import_model(tmp_path / name, ImportOptions())
    assert [path.name for path in tmp_path.iterdir()] == [name]


def npz_file() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, weights=np.zeros(2))
    return buffer.getvalue()


def skops_file() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("schema.json", "{}")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\x08\x08", SourceFormat.ONNX),
        (b"\x80\x04.", SourceFormat.PICKLE),
        (gzip.compress(b"x", mtime=0), SourceFormat.COMPRESSED),
        (b' {"version": [3], "learner": {}}', SourceFormat.XGBOOST),
        (b"{L\0\0\0\0\0\0\0\x07learner", SourceFormat.XGBOOST),
        (b"tree\nversion=v4\n", SourceFormat.LIGHTGBM),
        (b'{"bias": 1, "weights": [1]}', SourceFormat.WEIGHTS),
        (npz_file(), SourceFormat.NPZ),
        (skops_file(), SourceFormat.SKOPS),
    ],
)
def test_formats_are_known_by_their_content(content: bytes, expected: SourceFormat) -> None:
    assert detect(content) is expected
    assert importable_format(Path("model.bin"), content) is expected


def test_onnx_under_the_name_of_a_pickle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(b"\x08\x08")
    with pytest.raises(ModelRefused, match="is ONNX, which its name does not say"):
        import_model(tmp_path / "model.pkl", ImportOptions(allow_pickle=True))


def test_sources_that_are_no_files_or_too_large_are_refused_unread(tmp_path: Path) -> None:
    source = tmp_path / "model.onnx"
    with pytest.raises(InvalidArgument, match="No such file"):
        import_model(source, ImportOptions())
    source.touch()
    with pytest.raises(ModelRefused, match="is empty"):
        import_model(source, ImportOptions())
    os.truncate(source, 1 << 40)
    with pytest.raises(ModelRefused, match="expected at most"):
        import_model(source, ImportOptions())
    source.unlink()
    source.mkdir()
    with pytest.raises(ModelRefused, match="is a directory"):
        import_model(source, ImportOptions())
    source.rmdir()
    os.mkfifo(source)
    with pytest.raises(ModelRefused, match="is a FIFO"):
        import_model(source, ImportOptions())
