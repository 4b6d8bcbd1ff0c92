# SPDX-License-Identifier: Apache-2.0
"""TLS: names and certificates are verified, and the rest is as without."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from thriftscore_client import (
    AsyncClient,
    CallTimedOut,
    Client,
    ClientOptions,
    ConnectFailed,
    ThriftscoreError,
    TlsOptions,
)
from thriftscore_client._generated import ScoringService
from thriftscore_client.tls_stream import TlsStream

from .conftest import Peer

ROW = np.zeros((1, 3), dtype=np.float32)


def make_certificate(folder: Path, name: str, alternative: str) -> Path:
    """A certificate that vouches for itself, with its key in the same file."""
    made, key = folder / f"{name}.pem", folder / f"{name}.key"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", f"/CN={name}", "-addext", f"subjectAltName={alternative}"]
    subprocess.run([*command, "-keyout", key, "-out", made], check=True, capture_output=True)
    made.write_text(made.read_text() + key.read_text())
    return made


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    return {
        "server": make_certificate(folder, "server", "DNS:scores.example,IP:127.0.0.1"),
        "client": make_certificate(folder, "client", "DNS:client.example"),
    }


@pytest.fixture
def tls_server(certificates, scripted_server):
    """Echoes score_values over TLS; asks for a certificate where `wants_client` says so."""

    def serve(*, wants_client=False):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificates["server"])
        if wants_client:
            context.load_verify_locations(certificates["client"])
            context.verify_mode = ssl.CERT_REQUIRED

        def echo(peer, _number):
            with context.wrap_socket(peer.socket, server_side=True) as wrapped:
                secure = Peer(wrapped)
                while True:
                    name, sequence, arguments = secure.receive()
                    values = arguments.values
                    if values != [0.0]:  # which is never answered
                        result = ScoringService.score_values_result(success=values)
                        secure.reply(name, sequence, result)

        scripted_server.run(echo)
        return scripted_server.endpoint

    return serve


def options(certificates, **tls):
    trusted = TlsOptions(authorities_file=str(certificates["server"]), **tls)
    return ClientOptions(tls=trusted, timeout_s=30.0, connect_timeout_s=30.0, attempts_max=1)


def test_calls_go_over_tls(tls_server, certificates):
    with Client(tls_server(), options(certificates)) as client:
        for length in (1, 10, 100_000):
            values = [float(number) for number in range(1, length + 1)]
            assert client.score_values("m", values).tolist() == values


def test_tasks_call_over_tls(tls_server, certificates):
    async def main():
        async with AsyncClient(tls_server(), options(certificates)) as client:
            sent = [[float(number)] * 1000 for number in range(1, 20)]
            answers = await asyncio.gather(*(client.score_values("m", one) for one in sent))
            assert [answer.tolist() for answer in answers] == sent

    asyncio.run(main())


@pytest.mark.parametrize("look_s", [0.0, 0.002])
def test_threads_share_a_tls_connection(
    tls_server, certificates, scripted_server, monkeypatch, look_s
):
    """However long it takes to look whether a connection is sound, which takes what is there."""
    is_quiet = TlsStream.is_quiet

    def look(stream):
        time.sleep(look_s)
        return is_quiet(stream)

    def work(client, thread):
        for number in range(1, 100):
            sent = [float(thread), float(number)]
            assert client.score_values("m", sent).tolist() == sent

    monkeypatch.setattr(TlsStream, "is_quiet", look)
    with Client(tls_server(), options(certificates)) as client, ThreadPoolExecutor(8) as threads:
        for done in [threads.submit(work, client, index) for index in range(8)]:
            done.result()
    assert scripted_server.connections <= 2


def test_deadlines_are_kept_over_tls(tls_server, certificates):
    with Client(tls_server(), options(certificates)) as client:
        with pytest.raises(CallTimedOut):
            client.score_values("m", [0.0], timeout_s=0.3)
        assert client.score_values("m", [1.0]).tolist() == [1.0]


def test_a_server_with_an_unknown_certificate_is_refused(tls_server):
    defaults = ClientOptions(tls=TlsOptions(), timeout_s=30.0, attempts_max=1)
    with pytest.raises(ConnectFailed, match="CERTIFICATE_VERIFY_FAILED"):
        Client(tls_server(), defaults).ping()


def test_a_server_of_another_name_is_refused(tls_server, certificates):
    endpoint = tls_server()
    with pytest.raises(ConnectFailed, match="CERTIFICATE_VERIFY_FAILED"):
        Client(endpoint, options(certificates, server_name="other.example")).ping()
    with Client(endpoint, options(certificates, server_name="scores.example")) as client:
        assert client.score_values("m", [1.0]).tolist() == [1.0]


def test_a_server_may_ask_who_the_client_is(tls_server, certificates):
    endpoint = tls_server(wants_client=True)
    with pytest.raises(ThriftscoreError), Client(endpoint, options(certificates)) as client:
        client.score_values("m", [1.0])
    known = options(certificates, certificate_file=str(certificates["client"]))
    with Client(endpoint, known) as client:
        assert client.score_values("m", [1.0]).tolist() == [1.0]


def test_a_server_without_tls_is_refused(scripted_server, certificates):
    scripted_server.run(lambda peer, _number: peer.socket.sendall(b"HTTP/1.1 400 Bad Request\r\n"))
    with pytest.raises(ConnectFailed):
        Client(scripted_server.endpoint, options(certificates)).ping()


def test_files_that_are_not_there_are_named_at_once(tmp_path):
    absent = TlsOptions(certificate_file=str(tmp_path / "absent.pem"))
    with pytest.raises(OSError, match="No such file"):
        Client("127.0.0.1:1", ClientOptions(tls=absent))
