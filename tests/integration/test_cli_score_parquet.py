# SPDX-License-Identifier: Apache-2.0
"""`thriftscore score` from Parquet and to it."""

import datetime
import decimal

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from command_line import assert_fails, run
from scored_tables import (
    assert_bits,
    peak_of,
    publish_paint,
    publish_sum,
    read_csv,
    read_json,
    rows_of,
    score,
    score_on_both,
    where,
    write_csv,
)

import thriftscore

NOON = datetime.datetime(2026, 1, 2, 12, 0, 0)


def write(path, columns, **how):
    pyarrow.parquet.write_table(pyarrow.table(columns), path, **how)
    return path


def test_scores_are_those_of_the_engine(server, models_repository, tmp_path):
    model = thriftscore.load(models_repository / "softmax" / "1")
    rows = rows_of(model, 50)
    columns = {"id": pyarrow.array([f"row {number}" for number in range(50)])}
    columns |= {feature: rows[:, place] for place, feature in enumerate(model.features)}
    order = dict(reversed(columns.items()))
    source = write(tmp_path / "rows.parquet", order, row_group_size=20)
    about = ("softmax", "--input", source, "--batch-rows", "7", "--with-class", "--keep", "id")
    written = read_csv(score_on_both(server, models_repository, *about))
    for at in (None, server):
        output = tmp_path / f"{at is None}.parquet"
        score(*about, "--output", output, *where(at, models_repository))
        table = pyarrow.parquet.read_table(output)
        assert table.column_names == list(written)
        assert table["id"].to_pylist() == written["id"]
        assert table["class"].to_pylist() == written["class"]
        for place, name in enumerate(model.classes):
            scores = table[f"score_{name}"].to_numpy()
            assert scores.tobytes() == model.score(rows)[:, place].tobytes()
            assert_bits(written[f"score_{name}"], scores)


def test_values_of_every_type_of_number(tmp_path):
    columns = {
        "int8": pyarrow.array([1, None, 3], pyarrow.int8()),
        "uint64": pyarrow.array([2**53, 1, 2], pyarrow.uint64()),
        "float32": pyarrow.array([0.1, np.nan, None], pyarrow.float32()),
        "boolean": pyarrow.array([True, False, None]),
        "decimal": pyarrow.array([decimal.Decimal("0.25"), None, decimal.Decimal("-1.50")]),
        "text": pyarrow.array(["1e-3", "NA", None], pyarrow.large_string()),
    }
    model = publish_sum(tmp_path, "sum", dict.fromkeys(columns, 1.0))
    source = write(tmp_path / "rows.pq", columns)
    nan = np.nan
    rows = np.array(
        [
            [1, 2**53, np.float32(0.1), 1, 0.25, 1e-3],
            [nan, 1, nan, 0, nan, nan],
            [3, 2, nan, nan, -1.5, nan],
        ]
    )
    written = read_csv(score("sum", "--input", source, *where(None, tmp_path)))
    assert_bits(written["score"], model.score(rows)[:, 0])


def test_names_of_categories(tmp_path):
    model = publish_paint(tmp_path)
    columns = {
        "colour": pyarrow.array(["blue", None, "red"]).dictionary_encode(),
        "size": ["5", "1", "10"],
        "gloss": [0.5, 1.0, 1.5],
    }
    source = write(tmp_path / "rows.parquet", columns)
    rows = np.array([[2, 1, 0.5], [np.nan, 2, 1.0], [0, 0, 1.5]])
    written = read_csv(score("paint", "--input", source, *where(None, tmp_path)))
    assert_bits(written["score"], model.score(rows)[:, 0])


def test_columns_that_are_kept_keep_their_type(models_repository, tmp_path):
    columns = {
        "first": [1.0, 2.0],
        "second": [2.0, 1.0],
        "id": pyarrow.array([2**60, None], pyarrow.int64()),
        "at": pyarrow.array([NOON, None], pyarrow.timestamp("us")),
        "kind": pyarrow.array(["a", "b"]).dictionary_encode(),
        "ratio": pyarrow.array([np.nan, 0.5]),
    }
    source = write(tmp_path / "rows.parquet", columns)
    kept = [option for name in ("id", "at", "kind", "ratio") for option in ("--keep", name)]
    about = ("versioned", "--input", source, *kept, *where(None, models_repository))
    output = tmp_path / "scores.parquet"
    score(*about, "--output", output)
    table = pyarrow.parquet.read_table(output)
    for name in ("id", "at", "kind"):
        assert table[name].type == pyarrow.table(columns)[name].type
        assert table[name].to_pylist() == pyarrow.table(columns)[name].to_pylist()
    first, second = read_json(score(*about, "--format", "json"))
    assert first == {"id": 2**60, "at": str(NOON), "kind": "a", "ratio": None, "score": 99.0}
    assert second == {"id": None, "at": None, "kind": "b", "ratio": 0.5, "score": 101.0}
    written = read_csv(score(*about))
    assert written["id"] == [str(2**60), ""]
    assert written["at"] == [str(NOON), ""]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_no_rows(models_repository, tmp_path, kind):
    source = tmp_path / f"rows.{kind}"
    if kind == "csv":
        write_csv(source, ["first", "second", "id"], [])
    else:
        empty = pyarrow.array([], pyarrow.float64())
        write(source, {"first": empty, "second": empty, "id": pyarrow.array([], pyarrow.string())})
    output = tmp_path / "scores.parquet"
    about = ("versioned", "--input", source, "--keep", "id", "--output", output)
    score(*about, *where(None, models_repository))
    schema = pyarrow.schema({"id": pyarrow.string(), "score": pyarrow.float32()})
    table = pyarrow.parquet.read_table(output)
    assert (table.num_rows, table.schema) == (0, schema)


def test_cells_of_csv_are_kept_as_texts(models_repository, tmp_path):
    source = write_csv(tmp_path / "rows.csv", ["first", "second", "id"], [(1, 2, "007")])
    output = tmp_path / "scores.parquet"
    about = ("versioned", "--input", source, "--keep", "id", "--output", output)
    score(*about, *where(None, models_repository))
    assert pyarrow.parquet.read_table(output).to_pylist() == [{"id": "007", "score": 99.0}]


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ([1.0, 2.0, None], "row 3, column 'second': a missing value, which the model refuses"),
        (["1", "2", "x"], "row 3, column 'second': expected a number, received 'x'"),
        ([1, 2, 2**53 + 1], "column 'second': Integer value"),
        ([NOON] * 3, "column 'second': Unsupported cast"),
        ([[1.0]] * 3, "column 'second': Unsupported cast"),
        (None, "needs the column 'second', of which there is none"),
    ],
)
def test_what_does_not_fit(models_repository, tmp_path, second, said):
    columns = {"first": [1.0, 2.0, 3.0]} | ({"second": second} if second else {})
    source = write(tmp_path / "rows.parquet", columns)
    output = tmp_path / "scores.parquet"
    about = ("versioned", "--input", source, "--output", output, "--batch-rows", "2")
    assert_fails(run("score", *about, *where(None, models_repository)), 1, "rows.parquet", said)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.parquet"]


def test_files_that_are_no_parquet(models_repository, tmp_path):
    source = write(tmp_path / "rows.parquet", {"first": [1.0] * 1_000, "second": [2.0] * 1_000})
    whole = source.read_bytes()
    about = ("score", "versioned", "--input", source, *where(None, models_repository))
    for data in (b"", b"PAR1PAR1", whole[:-1], whole[: len(whole) // 2] + whole[-8:]):
        source.write_bytes(data)
        assert_fails(run(*about), 1, "rows.parquet cannot be read as Parquet")


def test_pyarrow_that_is_not_installed_is_named(models_repository, tmp_path):
    parquet = tmp_path / "rows.parquet"
    parquet.write_bytes(b"PAR1")
    (tmp_path / "pyarrow.py").write_text("raise ModuleNotFoundError('No module named pyarrow')\n")
    source = write_csv(tmp_path / "rows.csv", ["first", "second"], [(1, 2)])
    about = ("score", "versioned", *where(None, models_repository))
    for options in (
        ["--input", parquet],
        ["--input", source, "--output", tmp_path / "o.pq"],
    ):
        done = run(*about, *options, PYTHONPATH=str(tmp_path))
        assert_fails(done, 1, "pip install 'thriftscore[parquet]'")
    assert run(*about, "--input", source, PYTHONPATH=str(tmp_path)).returncode == 0


def test_memory_does_not_grow_with_the_file(models_repository, tmp_path):
    columns = [f"f{column:03}" for column in range(256)]
    values = np.linspace(-1, 1, 60_000)
    how = {"data_page_size": 1 << 14, "use_dictionary": False}  # one group of rows
    small = write(tmp_path / "small.parquet", dict.fromkeys(columns, values[:6_000]), **how)
    large = write(tmp_path / "large.parquet", dict.fromkeys(columns, values), **how)
    assert large.stat().st_size > 50_000_000
    grown = peak_of(models_repository, large) - peak_of(models_repository, small)
    assert grown < 16 << 20
