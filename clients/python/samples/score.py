# SPDX-License-Identifier: Apache-2.0
"""Scores rows with one model and prints a line of scores for each.

python score.py --model diabetes                      a row of zeros
python score.py --model diabetes --row 0.1,0.2,...    one row
python score.py --model diabetes --rows rows.csv      a file of rows
"""

from __future__ import annotations

import argparse
import sys
import warnings

import numpy as np
from numpy.typing import NDArray

from thriftscore_client import Client, ThriftscoreError


def parse_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--endpoint", default="127.0.0.1:9090")
    parser.add_argument("--model", required=True)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--row", help="one row: numbers with commas between them")
    source.add_argument("--rows", help="a file with one such row in each line")
    return parser.parse_args()


def read_rows(arguments: argparse.Namespace, client: Client) -> NDArray[np.float32]:
    """The rows that the command line asks for: (rows, columns)."""
    if arguments.row is not None:
        return np.array([[float(value) for value in arguments.row.split(",")]], dtype=np.float32)
    if arguments.rows is not None:
        with warnings.catch_warnings(action="ignore"):  # an empty file is no rows
            return np.loadtxt(arguments.rows, dtype=np.float32, delimiter=",", ndmin=2)
    columns = len(client.model_metadata(arguments.model).feature_names)
    return np.zeros((1, columns), dtype=np.float32)


def main() -> int:
    """Scores and prints; returns the exit code."""
    arguments = parse_arguments()
    try:
        with Client(arguments.endpoint) as client:
            scores = client.score(arguments.model, read_rows(arguments, client)).scores
    except (ThriftscoreError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for row in scores:
        print(",".join(str(score) for score in row))
    return 0


if __name__ == "__main__":
    sys.exit(main())
