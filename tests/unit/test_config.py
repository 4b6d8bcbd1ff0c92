# SPDX-License-Identifier: Apache-2.0
"""Settings: where they come from, what they may be, and how a wrong one is told."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from thriftscore.config import ServerConfig, load_config, to_toml
from thriftscore.errors import ConfigurationError

BOUNDED = [
    (key, field.metadata)
    for key, field in ServerConfig.model_fields.items()
    if field.annotation is int
]


def load(flags=None, environment=None, file=None):
    return load_config(flags or {}, file=file, environment=environment or {})


def test_defaults_are_those_of_the_contract():
    config = load()
    assert (config.port, config.admin_port, config.admin_host) == (9090, 9091, "127.0.0.1")
    assert config.frame_bytes_max == 16_384_000
    assert (config.queue_calls_max, config.drain_timeout_ms) == (1_024, 30_000)


def test_later_sources_win(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text('port = 1\nadmin_port = 1\nthreads = 1\nhost = "a"\n')
    environment = {"THRIFTSCORE_PORT": "2", "THRIFTSCORE_ADMIN_PORT": "2", "PORT": "9"}
    config = load({"port": 3, "host": None}, environment, file)
    assert (config.port, config.admin_port, config.threads, config.host) == (3, 2, 1, "a")


def test_settings_are_frozen():
    with pytest.raises(ValidationError):
        load().port = 1


@pytest.mark.parametrize(("key", "metadata"), BOUNDED, ids=[key for key, _ in BOUNDED])
def test_numbers_are_bounded_and_the_message_says_how(key, metadata):
    low = next(item.ge for item in metadata if hasattr(item, "ge"))
    high = next(item.le for item in metadata if hasattr(item, "le"))
    assert low <= getattr(load(), key) <= high
    for bound in (low, high):
        # A message may not be shorter than a frame, so these two move together.
        others = {"frame_bytes_max": low} if key == "message_bytes_max" else {}
        others |= {"message_bytes_max": high} if key == "frame_bytes_max" else {}
        assert getattr(load(others | {key: bound}), key) == bound
    for wrong in (low - 1, high + 1, "many", 1.5, ""):
        with pytest.raises(ConfigurationError) as failure:
            load({key: wrong})
        flag = "--" + key.replace("_", "-")
        assert str(failure.value) == f"{flag} = {wrong!r}: expected {low} to {high}"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("port = 70000", ["port", "70000", "0 to 65535"]),
        ("prot = 1", ["prot", "no such setting"]),
        ("[limits]\nport = 1", ["limits", "no such setting"]),
        ("port = \nx = 1", ["not TOML", "line 1"]),
        ('log_level = "loud"', ["log_level", "'loud'", "debug, info, warning, error"]),
        ('host = ""', ["host", "''", "not empty"]),
        ("repository = 5", ["repository", "5", "a path"]),
    ],
)
def test_wrong_file_is_told_in_one_line(tmp_path, content, words):
    file = tmp_path / "config.toml"
    file.write_text(content)
    with pytest.raises(ConfigurationError) as failure:
        load(file=file)
    message = str(failure.value)
    assert "\n" not in message
    assert all(word in message for word in [str(file), *words]), message


@pytest.mark.parametrize(
    ("flags", "environment", "content"),
    [
        ({"busy_poll": True}, {}, ""),
        ({}, {"THRIFTSCORE_BUSY_POLL": "true"}, ""),
        ({}, {"THRIFTSCORE_BUSY_POLL": "1"}, "busy_poll = false"),
        ({}, {}, "busy_poll = true"),
    ],
)
def test_switch_is_set_by_every_source(tmp_path, flags, environment, content):
    file = tmp_path / "config.toml"
    file.write_text(content)
    assert load(flags, environment, file).busy_poll is True
    assert load(file=tmp_path / "config.toml").busy_poll is (content == "busy_poll = true")


@pytest.mark.parametrize("value", ["maybe", "", "2", "none"])
def test_wrong_switch_is_told(value):
    with pytest.raises(ConfigurationError) as failure:
        load(environment={"THRIFTSCORE_BUSY_POLL": value})
    assert str(failure.value) == f"THRIFTSCORE_BUSY_POLL = {value!r}: expected true or false"


def test_message_holds_a_frame():
    with pytest.raises(ConfigurationError) as failure:
        load({"message_bytes_max": 2_000_000})
    assert str(failure.value) == (
        "frame_bytes_max = 16384000: expected at most message_bytes_max, which is 2000000"
    )


def test_file_that_is_not_text(tmp_path):
    file = tmp_path / "config.toml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="not TOML"):
        load(file=file)


def test_environment_of_kubernetes_service_links_is_not_ours():
    environment = {
        "THRIFTSCORE_PORT": "tcp://10.0.0.1:9090",
        "THRIFTSCORE_SERVICE_HOST": "10.0.0.1",
        "THRIFTSCORE_SERVICE_PORT": "9090",
        "THRIFTSCORE_PORT_9090_TCP": "tcp://10.0.0.1:9090",
        "THRIFTSCORE_PORT_9090_TCP_ADDR": "10.0.0.1",
        "THRIFTSCORE_CLIENT_COMPILED": "0",
        "THRIFTSCORE_SIMD": "scalar",
    }
    assert load(environment=environment) == load()


def test_unknown_variable_is_told():
    with pytest.raises(ConfigurationError, match="THRIFTSCORE_PROT: no such setting"):
        load(environment={"THRIFTSCORE_PROT": "1"})


def test_printed_settings_are_read_back(tmp_path):
    odd = Path('with "quotes" \\ and ünïcode\n')
    flags = {"repository": odd, "unix_socket": Path("/run/x"), "port": 7}
    config = load(flags | {"io": "python", "busy_poll": True, "io_threads": 3})
    file = tmp_path / "config.toml"
    file.write_text(to_toml(config))
    assert load(file=file) == config
