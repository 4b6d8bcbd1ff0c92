# SPDX-License-Identifier: Apache-2.0
"""What only the native data port does: answers without the GIL."""

import struct
import subprocess
import sys
import threading

import pytest
from server_process import native_only
from thrift_wire import (
    StockClient,
    score_request,
)

from thriftscore._generated.ttypes import (
    ScoreRequest,
)
from thriftscore.cli.load_generator import run_load

pytestmark = native_only

MODEL_NOT_FOUND, INVALID_ARGUMENT = 2, 1
ROW = struct.pack("<3f", 100, 3, 20)
SCORE = struct.pack("<f", 0.25)


def test_large_and_small_requests_of_many_clients_are_answered_right(server):
    """Loops and compute threads at once: no reply may reach another client."""
    failures = []

    def ask(client):
        with server.client("compact" if client % 2 else "binary") as calls:
            for turn in range(15):
                rows = 1 if turn % 3 else 20_000
                fill = struct.pack("<2f", float(client), float(turn))
                context_id = f"{client}-{turn}"
                request = ScoreRequest("versioned", features=fill * rows)
                request.context = score_request([[0.0]], request_id=context_id).context
                response = calls.score(request)
                right = struct.pack("<f", 100.0 + client - turn) * rows
                if (response.scores, response.request_id) != (right, context_id):
                    failures.append((client, turn))

    threads = [threading.Thread(target=ask, args=(client,)) for client in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


HOLDER = """
import ctypes, os, sys
from pathlib import Path
from thriftscore.config import load_config
from thriftscore.serving import serve

free = {"host": "127.0.0.1", "port": 0, "admin_port": 0}
flags = free | {"repository": Path(sys.argv[1]), "io": sys.argv[2]}
with serve(load_config(flags, environment={})) as server:
    print(server.port, flush=True)
    sys.stdin.readline()
    libc = ctypes.PyDLL(None)      # PyDLL keeps the GIL
    sys.setswitchinterval(1_000)   # and nobody gets it between the two calls
    libc.write(1, b"holding\\n", 8)
    libc.sleep(5)
    os.write(1, b"released\\n")
    sys.setswitchinterval(0.005)
    sys.stdin.readline()
"""


@pytest.fixture
def holder(models_repository, io_mode):
    """A process with an embedded server; a line to it makes it hold the GIL for five seconds."""
    command = [sys.executable, "-c", HOLDER, str(models_repository), io_mode]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        yield process
        process.kill()


def test_scores_come_while_the_process_holds_the_gil(holder):
    """R26: a call for Python, which waits for the GIL, proves that it is held all the time."""
    address = ("127.0.0.1", int(holder.stdout.readline()))
    python_answered = threading.Event()

    def ask_python():
        with StockClient(address) as calls:
            assert calls.server_live() is True
            python_answered.set()

    with StockClient(address) as calls:
        assert calls.score(score_request([[100, 3, 20]])).scores == SCORE
        holder.stdin.write("\n")
        assert holder.stdout.readline() == "holding\n"
        asker = threading.Thread(target=ask_python)
        asker.start()
        released = threading.Thread(target=holder.stdout.readline)
        released.start()
        during = 0
        while released.is_alive():
            assert calls.score(score_request([[100, 3, 20]])).scores == SCORE
            during += not python_answered.is_set()
        asker.join()
        assert python_answered.is_set()
        assert during >= 100
    holder.stdin.write("\n")
    assert holder.wait(30) == 0


def test_large_messages_get_the_memory_of_earlier_ones(start_server):
    """Memory that is asked for anew has to be cleared by the system, page by page."""
    server = start_server()
    load = {"endpoint": "{}:{}".format(*server.address), "model": "wide", "features": 256}
    load |= {"rows": 1_000, "connections": 4, "requests": 400, "duration_s": 0, "warmup_s": 0}
    run_load(load)
    before = server.page_faults()
    assert run_load(load)["requests"] == 400
    pages_of_requests = 400 * 1_000 * 256 * 4 // 4096
    assert server.page_faults() - before < pages_of_requests / 50
