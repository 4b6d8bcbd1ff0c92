#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Starts every peer, sends it rows with a stock client and holds the scores against the engine.

    check.py [--model linear_32] [--rows 5] [NAME ...]

Prints a line for each peer (those named; default: all) and ends with 1 if one of them is missing
or answers otherwise than the engine does.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from peers.registry import MODEL_NAME, PEERS, REST_PATH, Form, Peer
from rpc.models import FEATURES, ServedModel, served_model
from rpc.processes import ServerProcess, StartError

import thriftscore

SKLEARN_TOLERANCE = 1e-5
CLIENT_TIMEOUT_S = 60


class AnswerError(Exception):
    """A peer that does not score as the engine does."""


def ask_thrift(port: int, rows: np.ndarray, _form: Form) -> np.ndarray:
    """With the generated client, framed and binary; holds score_values and refusals as well."""
    from thrift.protocol.TBinaryProtocol import TBinaryProtocolAccelerated
    from thrift.transport.TSocket import TSocket
    from thrift.transport.TTransport import TFramedTransport

    from thriftscore._generated import ScoringService
    from thriftscore._generated.ttypes import DataType, ErrorCode, ScoreRequest, ScoringError

    stream = TSocket("127.0.0.1", port)
    stream.setTimeout(CLIENT_TIMEOUT_S * 1000)
    transport = TFramedTransport(stream)
    client = ScoringService.Client(TBinaryProtocolAccelerated(transport, fallback=False))
    with ExitStack() as stack:
        transport.open()
        stack.callback(transport.close)
        answer = client.score(ScoreRequest(MODEL_NAME, features=rows.tobytes()))
        dtype = np.float64 if answer.datatype == DataType.FP64 else np.float32
        scores = np.frombuffer(answer.scores, dtype).reshape(answer.rows, answer.columns)
        if client.score_values(MODEL_NAME, rows[0].tolist()) != scores[0].tolist():
            raise AnswerError("score_values differs from score")
        try:
            client.server_metadata()
        except ScoringError as error:
            if error.code == ErrorCode.UNIMPLEMENTED:
                return scores
        raise AnswerError("server_metadata is not UNIMPLEMENTED")


def ask_grpc(port: int, rows: np.ndarray, form: Form) -> np.ndarray:
    """With the generated stub of grpcio."""
    import grpc
    from peers.python import inference

    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = inference.GRPCInferenceServiceStub(channel)
        request = inference.request(MODEL_NAME, rows, "raw" if form == "raw" else "repeated")
        return inference.scores(stub.ModelInfer(request, timeout=CLIENT_TIMEOUT_S))


def ask_rest(port: int, rows: np.ndarray, _form: Form) -> np.ndarray:
    """With the standard library's client."""
    tensor = {"name": "input", "datatype": "FP32", "shape": rows.shape, "data": rows.ravel()}
    body = json.dumps({"inputs": [tensor]}, default=np.ndarray.tolist).encode()
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{REST_PATH}", body, headers)
    with urllib.request.urlopen(request, timeout=CLIENT_TIMEOUT_S) as response:
        output = json.load(response)["outputs"][0]
    dtype = np.float64 if output["datatype"] == "FP64" else np.float32
    return np.array(output["data"], dtype).reshape(output["shape"])


CLIENTS = {"thrift": ask_thrift, "grpc": ask_grpc, "rest": ask_rest}


def compare(peer: Peer, scores: np.ndarray, expected: np.ndarray) -> None:
    """Exactly; where scikit-learn scores, closely, and the second of its two classes."""
    if peer.model_kind == "joblib":
        agrees = np.allclose(scores[:, -1:], expected, atol=SKLEARN_TOLERANCE)
    else:
        agrees = scores.shape == expected.shape and np.array_equal(scores, expected)
    if not agrees:
        raise AnswerError(f"expected {expected}, received {scores}")


def check(peer: Peer, model: ServedModel, count: int, folder: Path) -> str:
    """What was seen of one peer that was asked for `count` rows.

    Raises AnswerError, StartError and the errors of its client.
    """
    if why := peer.missing():
        raise StartError(why)
    engine = thriftscore.load(model.version_directory)
    rows = np.random.default_rng(1).normal(0, 1, (count, engine.columns)).astype(np.float32)
    source = model.version_directory if peer.model_kind == "version" else model.estimator
    assert source
    started = time.monotonic()
    with ServerProcess(peer.start_command(source), folder / f"{peer.name}.log") as server:
        served = time.monotonic()
        for form in peer.forms:
            compare(peer, CLIENTS[peer.protocol](server.port, rows, form), engine.score(rows))
        asked = time.monotonic()
    times = f"up in {served - started:.1f} s, down in {time.monotonic() - asked:.1f} s"
    return f"{count} rows as the engine scores them ({', '.join(peer.forms)}); {times}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument(
        "--model", default="linear_32", choices=[k for k in FEATURES if k != "trees"]
    )
    parser.add_argument("--rows", type=int, default=5)
    options = parser.parse_args()
    if unknown := set(options.names) - {peer.name for peer in PEERS}:
        parser.error(f"no such peer: {', '.join(sorted(unknown))}")
    peers = [peer for peer in PEERS if not options.names or peer.name in options.names]
    failures = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = served_model(options.model, folder)
        for peer in peers:
            try:
                print(f"ok    {peer.name}: {check(peer, model, options.rows, folder)}", flush=True)
            except Exception as error:  # whatever its client makes of it is what there is to tell
                failures += 1
                print(f"FAIL  {peer.name}: {error}", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
