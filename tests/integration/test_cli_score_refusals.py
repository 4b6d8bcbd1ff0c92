# SPDX-License-Identifier: Apache-2.0
"""What `thriftscore score` does not score: one line that says why, and no file."""

import socket
import subprocess
from contextlib import closing

import numpy as np
import pytest
from command_line import COMMAND, assert_fails, environment, run, run_with_input
from scored_tables import publish_paint, where, write_csv
from server_process import native_only

NAMES = "first,second\n"


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (NAMES + "1,2\n1,two\n", "row 2, column 'second': expected a number, received 'two'"),
        (NAMES + "1,2\n1_000,2\n", "row 2, column 'first': expected a number, received '1_000'"),
        (NAMES + "1,2\n1,2,3\n", "row 2: expected 2 cells, received 3"),
        (NAMES + "1,2\n1\n", "row 2: expected 2 cells, received 1"),
        (NAMES + "1,2\n3,\n", "row 2, column 'second': a missing value, which the model refuses"),
        (NAMES + '1,"2\n', "is not CSV in UTF-8"),
        (NAMES + "1,\udcff\n", "is not CSV in UTF-8"),
        (
            "first,third\n1,2\n",
            "model 'versioned' needs the column 'second', of which there is none",
        ),
        ("a,b\n1,2\n", "needs the columns 'first', 'second', of which there is none"),
        ("first,second,first\n1,2,3\n", "needs the column 'first' once"),
        ("1,2,3\n", "no line of names and 3 columns, model 'versioned' has 2 features"),
        ("first;second\n1;2\n", "its cells are separated by semicolons, expected commas"),
        ("first\tsecond\n1\t2\n", "its cells are separated by tabs, expected commas"),
        ("", "is empty"),
    ],
)
def test_csv_that_does_not_fit(models_repository, tmp_path, sent, said):
    source, output = tmp_path / "rows.csv", tmp_path / "scores.csv"
    source.write_bytes(sent.encode("utf-8", "surrogateescape"))
    about = ("score", "versioned", "--input", source, "--output", output, "--batch-rows", "1")
    done = run(*about, *where(None, models_repository))
    assert_fails(done, 1, str(source), said)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


def test_rows_are_counted_through_the_file(server, models_repository, tmp_path):
    rows = [(number, number) for number in range(100)]
    rows[77] = (1, "")
    source = write_csv(tmp_path / "rows.csv", ["first", "second"], rows)
    for at in (None, server):
        about = (
            "versioned",
            "--input",
            source,
            "--batch-rows",
            "10",
            "--output",
            tmp_path / "o.csv",
        )
        done = run("score", *about, *where(at, models_repository))
        assert_fails(done, 1, "row 78, column 'second': a missing value")
        assert not (tmp_path / "o.csv").exists()


def test_a_name_that_is_no_category(tmp_path):
    publish_paint(tmp_path)
    for cells, said in {
        "pink,5,0": "'colour': expected one of 'red', 'green', 'blue', received 'pink'",
        "red,7,0": "row 1, column 'size': expected one of '10', '5', '1', received '7'",
        "red,5,red": "row 1, column 'gloss': expected a number, received 'red'",
    }.items():
        sent = f"colour,size,gloss\n{cells}\n"
        about = ("score", "paint", "--input", "-", "--format", "json")
        assert_fails(run_with_input(sent, *about, *where(None, tmp_path)), 1, said)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((3, 3)), "has 3 columns, model 'versioned' has 2 features"),
        (np.zeros(2), "float64 of rank 1, expected float32 or float64 of rank 2"),
        (np.zeros((3, 2), np.int64), "int64 of rank 2, expected float32 or float64"),
        (
            np.array([["a", "b"]], object),
            "is not a numeric .npy file: its items are Python objects",
        ),
        (np.array([[1, 2], [3, np.nan]]), "row 2, column 'second': a missing value"),
    ],
)
def test_npy_that_does_not_fit(models_repository, tmp_path, array, said):
    np.save(tmp_path / "rows.npy", array)
    about = ("score", "versioned", "--input", tmp_path / "rows.npy")
    done = run(
        *about, "--format", "parquet", "--output", tmp_path / "o", *where(None, models_repository)
    )
    assert_fails(done, 1, "rows.npy", said)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.npy"]


def test_npy_that_ends_early_or_is_none(models_repository, tmp_path):
    source = tmp_path / "rows.npy"
    np.save(source, np.zeros((3, 2)))
    whole = source.read_bytes()
    for data in (whole[:-1], whole[:8] + b"\5\0{'a':", b"\x93NUMPY", b"", b"not at all"):
        source.write_bytes(data)
        done = run("score", "versioned", "--input", source, *where(None, models_repository))
        assert_fails(done, 1, f"'{source}' is not a numeric .npy file")
        assert "pickle" not in done.stderr


def test_models_and_versions_that_are_not_there(server, models_repository, tmp_path):
    source = write_csv(tmp_path / "rows.csv", ["first", "second"], [(1, 2)])
    about = ("--input", source, "--output", tmp_path / "o.csv")
    for at in (None, server):
        options = (*about, *where(at, models_repository))
        assert_fails(run("score", "absent", *options), 1, "no model 'absent'")
        done = run("score", "versioned", *options, "--model-version", "beta")
        assert_fails(done, 1, "'versioned' has no version or label 'beta'")
    assert not (tmp_path / "o.csv").exists()


def test_a_model_that_is_not_there_is_missed_in_its_repository(models_repository, tmp_path):
    source = write_csv(tmp_path / "rows.csv", ["first", "second"], [(1, 2)])
    done = run("score", "absent", "--input", source, *where(None, models_repository))
    assert_fails(done, 1, f"there is no model 'absent' in '{models_repository}'")


def test_the_input_is_not_overwritten(models_repository, tmp_path):
    source = write_csv(tmp_path / "rows.csv", ["first", "second"], [(1, 2)])
    (tmp_path / "folder").mkdir()
    (tmp_path / "soft.csv").symlink_to(source)
    (tmp_path / "hard.csv").hardlink_to(source)
    detour = tmp_path / "folder" / ".." / "rows.csv"
    for output in (source, detour, tmp_path / "soft.csv", tmp_path / "hard.csv"):
        about = ("score", "versioned", "--input", source, "--output", output)
        done = run(*about, *where(None, models_repository))
        assert_fails(done, 2, f"--output: '{output}' is the input file")
    assert source.read_text() == "first,second\n1,2\n"


def test_standard_input_is_not_overwritten(models_repository, tmp_path):
    source = write_csv(tmp_path / "rows.csv", ["first", "second"], [(1, 2)])
    about = ("versioned", "--input", "-", "--output", source, *where(None, models_repository))
    with source.open("rb") as rows:
        done = subprocess.run(
            [*COMMAND, "score", *map(str, about)],
            env=environment(),
            stdin=rows,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
    assert_fails(done, 2, f"--output: '{source}' is the input file")
    assert source.read_text() == "first,second\n1,2\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--local", "--endpoint", "127.0.0.1:9090"], "--endpoint: leave it out with --local"),
        (["--repository", "models"], "--repository: expected --local as well"),
    ],
)
def test_options_of_which_one_would_be_ignored(options, said):
    assert_fails(run("score", "versioned", "--input", "-", *options), 2, said)


def test_the_repository_of_the_environment_is_no_option(server, models_repository, tmp_path):
    source = write_csv(tmp_path / "rows.csv", ["first", "second"], [(1, 2)])
    for at in (where(server, tmp_path), ["--local"]):
        about = ("score", "versioned", "--input", source, *at)
        assert run(*about, THRIFTSCORE_REPOSITORY=str(models_repository)).returncode == 0


def test_nobody_at_the_endpoint(tmp_path):
    source = write_csv(tmp_path / "rows.csv", ["first", "second"], [(1, 2)])
    with closing(socket.socket()) as bound:  # and not listening
        bound.bind(("127.0.0.1", 0))
        endpoint = f"127.0.0.1:{bound.getsockname()[1]}"
        done = run("score", "versioned", "--input", source, "--endpoint", endpoint)
        assert_fails(done, 1, endpoint, "Connection refused")


def test_a_server_that_takes_smaller_messages(start_server, tmp_path):
    server = start_server(frame_bytes_max=65_536)
    np.save(tmp_path / "rows.npy", np.zeros((10_000, 2)))
    about = ("score", "versioned", "--input", tmp_path / "rows.npy", *where(server, tmp_path))
    assert_fails(run(*about), 1, "closed before the answer; 10,000 rows were sent, --batch-rows")
    assert run(*about, "--batch-rows", "4000").stdout == "score\n" + "100.0\n" * 10_000


@native_only
def test_more_rows_at_a_time_than_a_message_holds(server, tmp_path):
    source = write_csv(tmp_path / "rows.csv", ["first", "second"], [(1, 2)])
    about = ("score", "versioned", "--input", source, "--batch-rows", "2000000")
    assert_fails(run(*about, *where(server, tmp_path)), 2, "--batch-rows: expected at most")


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (["linear"], 2, "--input"),
        (["linear", "--input", "rows.txt"], 2, "rows.txt"),
        (["linear", "--input", "absent.csv"], 2, "--input: 'absent.csv' cannot be read: No such"),
        (["linear", "--input", "absent.npy"], 2, "--input: 'absent.npy' cannot be read: No such"),
        (["linear", "--input", "."], 2, "'.'"),
        (["linear", "--input", "-", "--output", "scores"], 2, "scores"),
        (["linear", "--input", "-", "--format", "xml"], 2, "xml"),
        (["linear", "--input", "-", "--format", "parquet"], 2, "--output"),
        (["linear", "--input", "-", "--with-class"], 2, "'linear' has no classes"),
        (["linear", "--input", "-", "--keep", "score"], 2, "two columns 'score'"),
        (["linear", "--input", "-", "--keep", "id"], 1, "--keep needs the column 'id'"),
        (["linear", "--input", "-", "--keep", "id,age"], 1, "--keep takes one name, and may be"),
        (["linear", "--input", "-", "--batch-rows", "0"], 2, "--batch-rows"),
        (["linear", "--input", "-", "--output", "absent/o.csv"], 1, "cannot write 'absent/o.csv'"),
        (["../linear", "--input", "-"], 2, "model name"),
    ],
)
def test_wrong_usage(models_repository, options, status, said):
    sent = "area,rooms,age\n1,2,3\n"
    done = run_with_input(sent, "score", *options, *where(None, models_repository))
    assert_fails(done, status, said)
