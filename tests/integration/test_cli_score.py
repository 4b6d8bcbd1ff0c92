# SPDX-License-Identifier: Apache-2.0
"""`thriftscore score`: what it writes is what the engine scores, bit for bit, wherever that is."""

import csv
import random
import shutil

import numpy as np
import pytest
from command_line import run
from scored_tables import (
    assert_bits,
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


def load(repository, name):
    return thriftscore.load(repository / name / "1")


@pytest.mark.parametrize("name", ["linear", "logistic", "softmax"])
def test_csv_in_any_order_of_columns(server, models_repository, tmp_path, name):
    model = load(models_repository, name)
    rows = rows_of(model, 50)
    columns = {feature: rows[:, place] for place, feature in enumerate(model.features)}
    columns |= {"id": [f"row {number}, é" for number in range(50)], "unused": ["?"] * 50}
    order = random.Random(7).sample(list(columns), len(columns))
    source = write_csv(
        tmp_path / "rows.csv", order, zip(*(columns[each] for each in order), strict=True)
    )
    about = (name, "--input", source, "--keep", "id", "--batch-rows", "7")
    written = read_csv(score_on_both(server, models_repository, *about))
    assert written.pop("id") == columns["id"]
    expected = model.score(rows)
    names = [f"score_{each}" for each in model.classes] if model.outputs > 1 else ["score"]
    assert list(written) == names
    for place, column in enumerate(names):
        assert_bits(written[column], expected[:, place])


@pytest.mark.parametrize(("dtype", "order"), [("<f4", "C"), ("<f8", "F"), (">f4", "F")])
def test_npy_of_every_layout(server, models_repository, tmp_path, dtype, order):
    model = load(models_repository, "linear")
    rows = rows_of(model, 50).astype(dtype)
    np.save(tmp_path / "rows.npy", np.asarray(rows, order=order))
    about = ("linear", "--input", tmp_path / "rows.npy", "--batch-rows", "7")
    written = read_csv(score_on_both(server, models_repository, *about))
    native = np.ascontiguousarray(rows, rows.dtype.newbyteorder("="))
    assert_bits(written["score"], model.score(native)[:, 0])


def test_rows_without_a_line_of_names_from_standard_input(server, models_repository):
    model = load(models_repository, "precise")
    rows = rows_of(model, 5)
    sent = "".join(f"{first!r},{second!r}\n" for first, second in rows.tolist())
    for at in (None, server):
        written = score("precise", "--input", "-", *where(at, models_repository), sent=sent)
        assert_bits(read_csv(written)["score"], model.score(rows)[:, 0])


def test_names_that_are_numbers_are_names_where_they_are_those_of_the_features(tmp_path):
    publish_sum(tmp_path, "sum", {"0": 1.0, "1": 10.0})
    for sent, expected in {"1,0\n2,3\n": "23.0", "7,8\n2,3\n": "87.0\n32.0"}.items():
        written = score("sum", "--input", "-", *where(None, tmp_path), sent=sent)
        assert written == f"score\n{expected}\n"


def test_missing_values(server, models_repository, tmp_path):
    source = tmp_path / "rows.csv"
    source.write_text("left,middle,right\n1,,3\n1,NA,3\n1,nan,3\n1, ,3\n1,null,3\n1,2,inf\n1,2,3\n")
    about = ("propagate", "--input", source)
    known = load(models_repository, "propagate").score(np.array([[1.0, 2.0, 3.0]]))
    *missing, infinite, last = read_csv(score_on_both(server, models_repository, *about))["score"]
    assert missing == ["nan"] * 5
    assert infinite == "inf"
    assert_bits([last], known[:, 0])
    lines = read_json(score_on_both(server, models_repository, *about, "--format", "json"))
    assert [line["score"] for line in lines] == [None] * 6 + [pytest.approx(known[0, 0])]


def test_names_of_categories(start_server, tmp_path):
    repository = tmp_path / "repository"
    model = publish_paint(repository)
    table = [("green", "10", 0.5), ("blue", "1", 1.5), ("", "5", 0), ("2", "NA", 0), (0, "5", 0)]
    source = write_csv(tmp_path / "rows.csv", ["colour", "size", "gloss"], table)
    rows = [[1, 0, 0.5], [2, 2, 1.5], [np.nan, 1, 0], [2, np.nan, 0], [0, 1, 0]]
    written = score_on_both(start_server(repository), repository, "paint", "--input", source)
    assert_bits(read_csv(written)["score"], model.score(np.array(rows))[:, 0])


@pytest.mark.parametrize("name", ["logistic", "softmax"])
def test_classes(server, models_repository, tmp_path, name):
    model = load(models_repository, name)
    rows = rows_of(model, 40)
    np.save(tmp_path / "rows.npy", rows)
    about = (name, "--input", tmp_path / "rows.npy", "--with-class", "--batch-rows", "9")
    written = read_csv(score_on_both(server, models_repository, *about))
    expected = model.evaluate(rows)
    assert written.pop("class") == [model.classes[index] for index in expected["label"]]
    for place, texts in enumerate(written.values()):
        assert_bits(texts, expected["scores"][:, place])


def test_versions_and_labels_of_them(server, models_repository, tmp_path):
    source = write_csv(tmp_path / "rows.csv", ["first", "second"], [(1, 2)])
    for version, expected in {
        "": "99.0",
        "stable": "99.0",
        "2": "199.0",
        "canary": "199.0",
    }.items():
        about = ("versioned", "--input", source, "--model-version", version)
        assert score_on_both(server, models_repository, *about) == f"score\n{expected}\n"


def test_a_version_that_does_not_load_is_passed_over(start_server, models_repository, tmp_path):
    repository = tmp_path / "repository"
    shutil.copytree(models_repository / "versioned", repository / "versioned")
    (repository / "versioned" / "labels.json").unlink()
    with (repository / "versioned" / "2" / "model.safetensors").open("ab") as file:
        file.write(b"x")
    source = write_csv(tmp_path / "rows.csv", ["first", "second"], [(1, 2)])
    about = ("versioned", "--input", source)
    assert score_on_both(start_server(repository), repository, *about) == "score\n99.0\n"


def test_texts_that_are_kept_are_quoted_where_csv_needs_it(models_repository, tmp_path):
    texts = ["plain", "a,b", 'a"b', "a\nb", "a\rb", "a\r\nb", " a ", "é", ""]
    source = write_csv(tmp_path / "rows.csv", ["first", "second", "id"], [(1, 2, t) for t in texts])
    output = tmp_path / "scores.csv"
    about = ("versioned", "--input", source, "--keep", "id", "--output", output)
    score(*about, *where(None, models_repository))
    with output.open(newline="") as file:
        assert list(csv.reader(file)) == [["id", "score"], *([text, "99.0"] for text in texts)]


def test_json_has_an_object_for_each_row(server, models_repository, tmp_path):
    source = write_csv(
        tmp_path / "rows.csv", ["id", "first", "second"], [('a"b\n', 1, 2), (7, 3, 4)]
    )
    about = ("versioned", "--input", source, "--keep", "id", "--format", "json")
    written = read_json(score_on_both(server, models_repository, *about))
    assert written == [{"id": 'a"b\n', "score": 99.0}, {"id": "7", "score": 99.0}]


@pytest.mark.parametrize("suffix", ["csv", "json", "jsonl", "ndjson"])
def test_the_suffix_of_the_output_says_its_format(models_repository, tmp_path, suffix):
    source = write_csv(tmp_path / "rows.csv", ["first", "second"], [(1, 2)])
    output = tmp_path / f"scores.{suffix}"
    output.write_text("what was there before, and is longer than the scores")
    about = ("versioned", "--input", source, "--output", output)
    assert score(*about, *where(None, models_repository)) == ""
    assert output.read_text() == ("score\n99.0\n" if suffix == "csv" else '{"score": 99.0}\n')
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.csv", output.name]


@pytest.mark.parametrize("kind", ["csv", "npy"])
def test_no_rows(server, models_repository, tmp_path, kind):
    source = tmp_path / f"rows.{kind}"
    if kind == "csv":
        write_csv(source, ["first", "second"], [])
    else:
        np.save(source, np.zeros((0, 2)))
    about = ("versioned", "--input", source)
    assert score_on_both(server, models_repository, *about) == "score\n"
    assert score_on_both(server, models_repository, *about, "--format", "json") == ""


def test_a_byte_order_mark_and_empty_lines_are_no_cells(models_repository, tmp_path):
    source = tmp_path / "rows.csv"
    source.write_bytes(b"\xef\xbb\xbffirst,second\r\n\r\n1,2\r\n\r\n")
    assert score("versioned", "--input", source, *where(None, models_repository)) == "score\n99.0\n"


def test_a_summary_says_what_was_done(models_repository, tmp_path):
    source = write_csv(tmp_path / "rows.csv", ["first", "second"], [(1, 2)] * 3)
    done = run("score", "versioned", "--input", source, *where(None, models_repository))
    assert done.returncode == 0
    assert done.stderr.startswith("scored 3 rows with versioned version 1 in ")
    assert done.stderr.count("\n") == 1
    assert "\x1b" not in done.stdout + done.stderr
