# SPDX-License-Identifier: Apache-2.0
"""Starting, draining and stopping, as a process and embedded."""

import gc
import json
import os
import signal
import socket
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from server_process import THRIFTSCORE, wait_until
from thrift_wire import StockClient, decode, encode, frame, score_request

import thriftscore
from thriftscore._generated.ttypes import ScoringError, SparseScoreRequest
from thriftscore.config import load_config
from thriftscore.errors import ConfigurationError, Unavailable
from thriftscore.serving import serve

UNAVAILABLE = 8
PING = encode("binary", "ping", 1)


def slow_call(sequence_id, rows=100_000):
    request = SparseScoreRequest("wide", indptr=bytes(8 * (rows + 1)))
    return encode("binary", "score_sparse", sequence_id, request=request)


def run_serve(*arguments, **variables):
    return subprocess.run(
        [*THRIFTSCORE, "serve", *map(str, arguments)],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_ready_line_and_ready_file_name_the_ports(start_server):
    server = start_server()
    (ready,) = wait_until(lambda: server.events("ready"), "the ready line")
    ports = json.loads(server.ready_file.read_text())
    assert (ports["port"], ports["admin_port"]) == (ready["port"], ready["admin_port"])
    assert ports["pid"] == server.process.pid == ready["pid"]
    assert ready["simd_target"]
    assert f"127.0.0.1:{ports['port']}" in ready["addresses"]
    server.terminate()
    assert server.wait() == 0
    assert not server.ready_file.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_stops_an_idle_server_with_connections(start_server, number):
    server = start_server()
    connections = [server.connect() for _ in range(20)]
    for connection in connections:
        assert connection.call(PING).success is True
    server.process.send_signal(number)
    assert server.wait() == 0
    (stopped,) = server.events("stopped")
    assert sum(stopped["connections"][0].values()) == len(connections)
    for connection in connections:
        assert connection.read_to_end() == b""
        connection.socket.close()


def test_drain_answers_everything_that_was_received(start_server):
    """SIGTERM under load: every frame that was sent before the server closed gets its reply."""
    server = start_server(threads=2)
    connections = [server.connect(timeout_s=30) for _ in range(6)]
    for number, connection in enumerate(connections):
        connection.send(b"".join(frame(slow_call(number * 10 + i, 50_000)) for i in range(3)))
    first = decode("binary", connections[0].receive_message())
    assert first.sequence_id == 0
    server.terminate()
    for number, connection in enumerate(connections):
        for i in range(1 if number == 0 else 0, 3):
            reply = decode("binary", connection.receive_message())
            assert (reply.sequence_id, reply.success.rows) == (number * 10 + i, 50_000)
        assert connection.read_to_end() == b""
        connection.socket.close()
    assert server.wait() == 0


def test_drain_under_closed_loop_load_loses_no_reply(start_server):
    """Each client's last call either is answered or meets a connection closed before it."""
    server = start_server()
    answered, torn, started = [], [], threading.Barrier(9)

    def ask():
        with server.connect() as connection:
            count = 0
            started.wait()
            while True:
                message = encode("binary", "score", count, request=score_request([[1, 2, 3]]))
                try:
                    connection.send_message(message)
                    header = connection.socket.recv(4)
                except OSError:
                    break
                if not header:
                    break
                try:
                    body = connection.receive(int.from_bytes(header, "big"))
                except (EOFError, OSError) as error:
                    torn.append(error)
                    break
                assert decode("binary", body).sequence_id == count
                count += 1
            answered.append(count)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    started.wait()
    threading.Event().wait(0.3)
    server.terminate()
    for thread in threads:
        thread.join(20)
    assert server.wait() == 0
    assert torn == []
    assert len(answered) == 8
    assert all(answered)


def test_health_fails_while_draining_and_calls_are_still_answered(start_server):
    server = start_server(pre_stop_ms=20_000)
    with server.client() as calls:
        assert calls.server_ready() is True
        server.terminate()
        wait_until(lambda: not calls.server_ready(), "health fails")
        with pytest.raises(ScoringError) as failure:
            calls.ping()
        assert (failure.value.code, failure.value.retryable) == (UNAVAILABLE, True)
        assert calls.server_live() is True
        assert calls.score(score_request([[1, 2, 3]])).rows == 1
        server.terminate()
        assert server.wait() == 0


def test_second_signal_stops_at_once(start_server):
    server = start_server(drain_timeout_ms=600_000)
    with server.connect() as connection:
        connection.send(frame(PING)[:6])
        assert server.process.poll() is None
        server.terminate()
        wait_until(lambda: server.events("draining"), "draining")
        assert server.process.poll() is None
        server.terminate()
        assert server.wait() == 0


def test_drain_timeout_is_kept_and_told(start_server):
    server = start_server(drain_timeout_ms=200, frame_time_max_ms=60_000)
    with server.connect() as connection, server.client() as calls:
        connection.send(frame(PING)[:6])
        assert calls.ping() is True
        server.terminate()
        assert server.wait() == 1
    assert server.events("drain_timeout")


def test_port_in_use_is_one_line(models_repository):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = run_serve(
            *("--repository", models_repository, "--host", "127.0.0.1", "--port", port),
            *("--admin-port", 0),
        )
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert str(port) in line
    assert "in use" in line


@pytest.mark.parametrize(
    ("arguments", "variables", "words"),
    [
        (["--repository", "/nonexistent"], {}, ["repository", "/nonexistent"]),
        (["--port", "70000"], {}, ["port", "70000", "0 to 65535"]),
        (["--io", "magic"], {}, ["--io", "'magic'", "native, python"]),
        (["--io-threads", "1025"], {}, ["--io-threads", "1025", "0 to 1024"]),
        (["--io-threads", "-1"], {}, ["--io-threads", "-1", "0 to 1024"]),
        ([], {"THRIFTSCORE_BUSY_POLL": "maybe"}, ["BUSY_POLL", "'maybe'", "true or false"]),
        (
            [],
            {"THRIFTSCORE_FRAME_BYTES_MAX": "200000000"},
            ["frame_bytes_max", "200000000", "message_bytes_max", "104857600"],
        ),
        ([], {"THRIFTSCORE_THREADS": "0"}, ["THRIFTSCORE_THREADS", "'0'", "1 to 256"]),
        ([], {"THRIFTSCORE_PROT": "1"}, ["THRIFTSCORE_PROT", "no such setting"]),
        (["--config", "/nonexistent.toml"], {}, ["/nonexistent.toml", "No such file"]),
        (["--host", "host.invalid", "--repository", "."], {}, ["port", "host.invalid"]),
        (["--unix-socket", "/" + "x" * 200, "--repository", "."], {}, ["unix-socket", "107"]),
    ],
)
def test_wrong_settings_are_one_line_and_exit_2(arguments, variables, words):
    free = ["--port", "0"] if "--port" not in arguments else []
    done = run_serve(*arguments, *free, "--admin-port", 0, **variables)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert all(word in line for word in words), line


def test_print_config_can_be_read_back(tmp_path):
    given = ("--port", "1234", "--repository", tmp_path, "--io", "python", "--busy-poll")
    printed = run_serve("--print-config", *given, "--io-threads", "3")
    assert printed.returncode == 0
    file = tmp_path / "config.toml"
    file.write_text(printed.stdout)
    config = load_config({}, file=file, environment={})
    assert (config.port, config.repository) == (1234, tmp_path)
    assert (config.io, config.busy_poll, config.io_threads) == ("python", True, 3)


def test_help_names_the_options_of_the_data_port():
    printed = run_serve("--help", COLUMNS="200")
    assert printed.returncode == 0
    for option in ("--io ", "--io-threads", "--busy-poll", "--threads", "One of native, python"):
        assert option in printed.stdout


@pytest.fixture
def embedded(models_repository, io_mode):
    free = {"host": "127.0.0.1", "port": 0, "admin_port": 0}
    return load_config({"repository": models_repository, "io": io_mode} | free, environment={})


def test_embedded_server_leaves_nothing_behind(embedded):
    def used():
        gc.collect()
        return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))

    before = used()
    for _ in range(30):
        with serve(embedded) as server, StockClient(("127.0.0.1", server.port)) as calls:
            assert calls.ping() is True
            assert calls.score(score_request([[100, 3, 20]])).rows == 1
    assert used() == before


def test_package_serves_a_repository_from_the_process(models_repository, io_mode):
    settings = {"io": io_mode, "port": 0, "admin_port": 0}
    with (
        thriftscore.serve(models_repository, **settings) as server,
        StockClient(("127.0.0.1", server.port)) as calls,
    ):
        assert calls.score(score_request([[100, 3, 20]])).rows == 1
    with pytest.raises(ConfigurationError, match="port"):
        thriftscore.serve(models_repository, port=-1)


def test_two_embedded_servers_do_not_share_anything(embedded):
    with serve(embedded) as one, serve(embedded) as two:
        assert one.port != two.port
        with StockClient(("127.0.0.1", one.port)) as calls:
            calls.score(score_request([[1, 2, 3]]))
            assert calls.model_statistics("linear", "").model_stats[0].inference_count == 1
        with StockClient(("127.0.0.1", two.port)) as calls:
            assert calls.model_statistics("linear", "").model_stats[0].inference_count == 0


def open_files():
    """The descriptors of this process, and what each is."""
    found = set()
    for path in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # that of this very listing
            found.add((path.name, str(path.readlink())))
    return found


def test_embedded_server_that_cannot_start_leaves_nothing_open(embedded, tmp_path):
    before = open_files()  # of which those of earlier servers may close meanwhile
    missing = embedded.model_copy(update={"repository": tmp_path / "nope"})
    with pytest.raises(ConfigurationError, match="nope"), serve(missing):
        pass
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = embedded.model_copy(update={"admin_port": other.getsockname()[1]})
        with pytest.raises(Unavailable, match="in use"), serve(taken):
            pass
    gc.collect()
    assert open_files() - before == set()


def test_stale_unix_socket_is_replaced_and_a_live_one_is_not(embedded, tmp_path):
    path = tmp_path / "server.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    config = embedded.model_copy(update={"unix_socket": path})
    with serve(config):
        with StockClient(str(path)) as calls:
            assert calls.ping() is True
        with pytest.raises(Unavailable, match="in use"), serve(config):
            pass
        assert path.exists()
    assert not path.exists()
