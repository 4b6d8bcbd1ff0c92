# SPDX-License-Identifier: Apache-2.0
"""Versions switch under load: each reply is of one version, and of one that was current."""

import shutil
import time

import pytest
from damaged_versions import DAMAGES
from server_process import wait_until
from version_history import CheckingClients, VersionHistory

from thriftscore._generated.ttypes import (
    LabelRequest,
    ModelVersionRequest,
    RepositoryIndexRequest,
    VersionState,
)

SECONDS = 3.0
VERSIONS = 8


@pytest.fixture
def repository(tmp_path, publish_regression):
    for version in range(1, VERSIONS + 1):
        publish_regression(tmp_path / "repository", "m", version)
    return tmp_path / "repository"


def test_a_label_that_moves_all_the_time(start_server, repository):
    served = start_server(repository, version_policy="all")
    history = VersionHistory(1)
    with served.admin() as admin:
        admin.set_label(LabelRequest("m", "stable", 1))
        with CheckingClients(served, history, "") as clients:
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                version = 1 + history.switches % VERSIONS
                history.switch(
                    version,
                    lambda to=version: admin.set_label(LabelRequest("m", "stable", to)),
                )
    assert clients.wrong == []
    assert history.switches > 20
    assert clients.replies > 200


def test_versions_that_are_published_and_loaded(start_server, repository, publish_regression):
    served = start_server(repository, version_policy="latest 1", watch="off")
    history = VersionHistory(VERSIONS)
    with served.admin() as admin, CheckingClients(served, history, "") as clients:
        for version in range(VERSIONS + 1, VERSIONS + 31):
            publish_regression(repository, "m", version)
            history.switch(version, lambda: admin.load_model(ModelVersionRequest("m")))
    assert clients.wrong == []
    assert clients.replies > 100


@pytest.mark.parametrize("io_mode", ["native"], indirect=True, scope="session")
def test_bad_versions_beside_one_that_serves(start_server, repository):
    """Each is refused for its reason, and nobody who scores notices."""
    served = start_server(repository, version_policy="all", watch_interval_ms=50)
    reasons = {}
    with served.admin() as admin:
        admin.set_label(LabelRequest("m", "stable", 1))
        with CheckingClients(served, VersionHistory(1), "", count=4) as clients:
            for number, damage in enumerate(DAMAGES, VERSIONS + 1):
                incoming = repository / "m" / ".incoming"
                shutil.copytree(repository / "m" / "2", incoming)
                DAMAGES[damage][0](incoming)
                incoming.rename(repository / "m" / str(number))

                def refused(number=number):
                    index = admin.repository_index(RepositoryIndexRequest("m")).versions
                    found = [status for status in index if status.version == number]
                    return found and found[0].state == VersionState.FAILED and found[0].reason

                reasons[damage] = wait_until(refused, f"{damage} is refused")
    assert clients.wrong == []
    assert clients.replies > 20
    assert {d: DAMAGES[d][1] in reason for d, reason in reasons.items()} == dict.fromkeys(
        DAMAGES, True
    )


@pytest.mark.parametrize("io_mode", ["native"], indirect=True, scope="session")
def test_a_server_that_is_killed_serves_the_last_published_version_when_it_is_back(
    start_server, repository, publish_regression
):
    for round_ in range(3):
        served = start_server(repository)
        newest = VERSIONS + round_
        with CheckingClients(served, VersionHistory(newest), str(newest), count=4) as clients:
            publish_regression(repository, "m", newest + 1)
            wait_until(lambda served=served: clients_seen(served), "clients are being answered")
            served.kill()
        assert all(kind == "error" for kind, *_ in clients.wrong)  # cut off, and never wrong
        again = start_server(repository)
        history = VersionHistory(newest + 1)
        with CheckingClients(again, history, "", count=2) as clients:
            wait_until(lambda served=again: clients_seen(served), "clients are being answered")
        assert clients.wrong == []
        again.kill()


def clients_seen(served):
    with served.client() as calls:
        return calls.model_statistics("m", "").model_stats[-1].inference_count > 10
