# SPDX-License-Identifier: Apache-2.0
"""`thriftscore health`, as a probe runs it: an exit status and one line."""

import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

import pytest
from command_line import assert_fails, run
from server_process import wait_until

from thriftscore._generated.ttypes import ModelVersionRequest


def endpoint_of(server) -> str:
    return "{}:{}".format(*server.address)


def admin_endpoint_of(server) -> str:
    return "{}:{}".format(*server.admin_address)


def assert_says(done: subprocess.CompletedProcess[str], status: int, *said: str) -> None:
    """One line on standard output and nothing else."""
    assert (done.returncode, done.stderr) == (status, ""), done.stderr + done.stdout
    assert done.stdout.count("\n") == 1
    assert done.stdout.startswith("not healthy: " if status else "healthy: ")
    for text in said:
        assert text in done.stdout


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Something at an endpoint that is no server: `answer` gets each connection."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def serve() -> None:
            with suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_server_that_serves_is_healthy(server):
    endpoint = endpoint_of(server)
    assert_says(run("health", "--endpoint", endpoint), 0, f"{endpoint} is ready")
    assert_says(run("health", "--endpoint", endpoint, "--live"), 0, f"{endpoint} is live")


def test_a_model_is_asked_for_by_name_version_and_label(server):
    about = ("health", "--endpoint", endpoint_of(server), "--model", "versioned")
    for version in ([], ["--model-version", "2"], ["--model-version", "canary"]):
        assert_says(run(*about, *version), 0, "model 'versioned'", "is ready")
    assert_says(run(*about, "--model-version", "7"), 1, "no version or label '7'")
    assert_says(run(*about[:-1], "absent"), 1, "there is no model 'absent'")
    assert_says(run(*about[:-1], "../up"), 1, "is not allowed")


def test_programs_get_json(server):
    about = ("health", "--endpoint", endpoint_of(server), "--json")
    assert json.loads(run(*about).stdout)["healthy"] is True
    done = run(*about, "--model", "absent")
    facts = json.loads(done.stdout)
    assert done.returncode == 1
    assert (facts["healthy"], facts["model"], facts["asked"]) == (False, "absent", "model_ready")
    assert "absent" in facts["reason"]


def test_a_server_that_stops_is_alive_and_not_ready(start_server):
    server = start_server(pre_stop_ms=600_000)
    server.terminate()
    about = ("health", "--endpoint", endpoint_of(server))
    done = wait_until(lambda: (r := run(*about)).returncode and r, "the server is not ready", 30)
    assert_says(done, 1, f"{endpoint_of(server)}: the server is draining")
    assert_says(run(*about, "--live"), 0)


def test_a_server_that_lacks_a_model_is_not_ready(start_server, models_repository, tmp_path):
    repository = shutil.copytree(models_repository, tmp_path / "repository")
    (repository / "linear" / "1" / "model.safetensors").write_bytes(b"x")
    endpoint = endpoint_of(start_server(repository))
    assert_says(run("health", "--endpoint", endpoint), 1, "not all models are loaded")
    done = run("health", "--endpoint", endpoint, "--model", "linear")
    assert_says(done, 1, f"{endpoint}: model 'linear' has no version that is ready")


@pytest.mark.parametrize("version", ["", "1"], ids=["whole", "its only version"])
def test_a_model_that_was_unloaded_on_request_is_not_missed(start_server, version):
    server = start_server()
    with server.admin() as admin:
        admin.unload_model(ModelVersionRequest("linear", version))
    about = ("health", "--endpoint", endpoint_of(server))
    assert_says(run(*about), 0)
    done = run(*about, "--model", "linear", "--model-version", "1")
    assert_says(
        done, 1, f"not healthy: {endpoint_of(server)}: model 'linear' version 1 is UNLOADED"
    )
    assert done.stdout.count("linear") == 1


def test_the_ports_of_a_server_are_told_apart(server):
    data, admin = endpoint_of(server), admin_endpoint_of(server)
    said = f"{admin} is the admin port of a server, expected its data port (default 9090)"
    assert_says(run("health", "--endpoint", admin), 1, said)
    said = f"{data} is the data port of a server, expected its admin port (default 9091)"
    assert_fails(run("models", "list", "--server", data), 1, said)


def test_an_endpoint_that_cannot_be_one_is_blamed_on_its_option():
    assert_fails(run("models", "list", "--server", "nowhere"), 2, "--server: expected host:port")


def test_a_unix_socket_is_an_endpoint(start_server, tmp_path):
    start_server(unix_socket=tmp_path / "socket")
    assert_says(run("health", "--endpoint", f"unix:{tmp_path / 'socket'}"), 0)
    assert_says(run("health", "--endpoint", f"unix:{tmp_path / 'absent'}"), 1, "No such file")


def test_nobody_at_the_endpoint():
    with closing(socket.socket()) as bound:  # and not listening
        bound.bind(("127.0.0.1", 0))
        endpoint = f"127.0.0.1:{bound.getsockname()[1]}"
        assert_says(run("health", "--endpoint", endpoint), 1, endpoint, "Connection refused")


def test_a_host_that_has_no_address():
    assert_says(run("health", "--endpoint", "host.invalid:9090"), 1, "host.invalid:9090")


def test_no_answer_in_time():
    with answering(lambda connection: connection.recv(1 << 16) and connection.recv(1)) as endpoint:
        done = run("health", "--endpoint", endpoint, "--timeout-ms", "50")
        assert_says(done, 1, "no answer within 50 ms")


def test_an_answer_that_trickles_in_does_not_prolong_the_wait():
    def trickle(connection: socket.socket) -> None:
        connection.sendall(b"\x00\x00\x10\x00")  # a frame of 4,096 bytes
        while True:  # until the other side closes
            connection.sendall(b"\x00")
            threading.Event().wait(0.02)

    with answering(trickle) as endpoint:
        done = run("health", "--endpoint", endpoint, "--timeout-ms", "200")
        assert_says(done, 1, "no answer within 200 ms")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x00\x00\x00\x04\x80\x01\x00\x02",
        b"\x00\x00\x00\x08\x80\x05\x00\x02\xff\xff\xff\xff",
        b"\xff\xff\xff\xff",
        b"\x00\x00",
        b"",
    ],
    ids=["http", "cut message", "wrong version", "negative size", "cut frame", "nothing"],
)
def test_an_answer_that_is_not_thrift(answer: bytes):
    def respond(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        connection.sendall(answer)

    with answering(respond) as endpoint:
        assert_says(run("health", "--endpoint", endpoint), 1, endpoint)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--endpoint", "localhost"], "--endpoint"),
        (["--endpoint", "localhost:port"], "--endpoint"),
        (["--endpoint", "localhost:99999"], "--endpoint"),
        (["--endpoint", "::1:9090"], "--endpoint"),
        (["--endpoint", "unix:"], "--endpoint"),
        (["--model-version", "2"], "--model"),
        (["--model", "m", "--live"], "--live"),
        (["--timeout-ms", "0"], "--timeout-ms"),
    ],
)
def test_wrong_usage_exits_2(options, said):
    assert_fails(run("health", *options), 2, said)
