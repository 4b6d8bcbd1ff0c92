# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import numpy as np
import pytest

from thriftscore.errors import InvalidArgument
from thriftscore.importers import sample
from thriftscore.importers.native_model import NativeModel
from thriftscore.importers.sample import Sample, check_sample, read_sample, sample_rows
from thriftscore.importers.seeded_rows import seeded_rows
from thriftscore.importers.stages import Dense, Scale


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16, np.uint8])
def test_npy_matrices_are_read_as_doubles(tmp_path: Path, dtype: type) -> None:
    rows = np.arange(6, dtype=dtype).reshape(2, 3)
    np.save(tmp_path / "rows.npy", rows)
    read = read_sample(tmp_path / "rows.npy").rows
    assert read.dtype == np.float64
    np.testing.assert_array_equal(read, rows)


def test_csv_is_read_with_and_without_names(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("1,2.5\n\n-3e-2,4\n")
    assert read_sample(path).names == ()
    np.testing.assert_array_equal(read_sample(path).rows, [[1, 2.5], [-0.03, 4]])
    path.write_text('"a, b",c\n1,2\n')
    assert read_sample(path).names == ("a, b", "c")


def test_texts_become_the_index_of_a_category(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("size,colour\n1,red\n2,\n3,blue\n")
    read = read_sample(path)
    rows = sample_rows(read, ["size", "colour"], {"colour": ("blue", "red")})
    np.testing.assert_array_equal(rows, [[1, 1], [2, np.nan], [3, 0]])
    with pytest.raises(InvalidArgument, match="has 'red' in row 0, column 1, expected one of blue"):
        sample_rows(read, ["size", "colour"], {"colour": ("blue",)})
    with pytest.raises(InvalidArgument, match="expected a number"):
        sample_rows(read, ["size", "colour"], {})


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("rows.csv", b"", "has no rows"),
        ("rows.csv", b"a,b\n", "has no rows"),
        ("rows.csv", b"1,2\n3\n", "line 2: expected as many numbers"),
        ("rows.csv", b"a,b\n1,2,3\n", "line 2"),
        ("rows.csv", b"1,2\nx,y\n", "line 2"),
        ("rows.csv", b"1,nan\n", "row 0, column 1 is not finite"),
        ("rows.csv", b"1,\xff\n", "is not CSV in UTF-8"),
        ("rows.npy", b"", "is not a numeric .npy file"),
        ("rows.npy", b"1,2\n", "is not a numeric .npy file"),
        ("rows.txt", b"1,2\n", "expected a file named .npy or .csv"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidArgument) as raised:
        read_sample(tmp_path / name)
    assert reason in str(raised.value)


def test_objects_and_other_ranks_are_refused(tmp_path: Path) -> None:
    for value in (np.array([[{}]]), np.zeros(3), np.zeros((1, 1, 1)), np.array([["a"]])):
        np.save(tmp_path / "rows.npy", value, allow_pickle=True)
        with pytest.raises(InvalidArgument):
            read_sample(tmp_path / "rows.npy")


def test_a_header_that_promises_a_trillion_rows_costs_nothing(tmp_path: Path) -> None:
    with (tmp_path / "rows.npy").open("wb") as file:
        header = {"descr": "<f8", "fortran_order": False, "shape": (10**12, 4)}
        np.lib.format.write_array_header_1_0(file, header)
        file.write(b"\0" * 400)
    with pytest.raises(InvalidArgument, match=r"is not a numeric \.npy file"):
        read_sample(tmp_path / "rows.npy")


def test_too_many_rows_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "SAMPLE_ROWS_MAX", 3)
    np.save(tmp_path / "rows.npy", np.zeros((4, 1)))
    with pytest.raises(InvalidArgument, match="has 4 rows, expected 1 to 3"):
        read_sample(tmp_path / "rows.npy")


def test_a_sample_has_the_columns_of_the_model() -> None:
    rows = Sample(np.zeros((1, 2)), ("a", "b"))
    check_sample(rows, ["a", "b"], named=True)
    check_sample(rows, ["f0", "f1"], named=False)
    with pytest.raises(InvalidArgument, match="has 2 columns, the model 3"):
        check_sample(rows, ["a", "b", "c"], named=True)
    with pytest.raises(InvalidArgument, match="column 1 of the sample is 'b', the model expects"):
        check_sample(rows, ["a", "c"], named=True)


def test_seeded_rows_lie_around_the_normaliser_and_are_always_the_same() -> None:
    scale = Scale(np.array([100.0, -5.0]), np.array([10.0, 0.1]))
    model = NativeModel(("a", "b"), "regression", (scale,))
    rows = seeded_rows(model)
    np.testing.assert_array_equal(rows, seeded_rows(model))
    np.testing.assert_array_equal(rows[0], scale.mean)
    assert np.abs(rows.mean(axis=0) - scale.mean).max() < 3
    np.testing.assert_allclose(rows.std(axis=0) / scale.scale, 1.5, atol=0.5)


def test_seeded_rows_are_small_where_weights_are_large() -> None:
    dense = Dense(np.array([[1e6, 1e-6]]), np.zeros(1))
    rows = seeded_rows(NativeModel(("a", "b"), "regression", (dense,)))
    np.testing.assert_allclose(rows.std(axis=0), [1.5e-6, 1.5], rtol=0.4)
