# SPDX-License-Identifier: Apache-2.0
"""Completion of the command line, asked for as shells do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import environment, run

BIN = Path(sys.executable).parent


def bash(script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A bash that finds the command as its users' do."""
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "--norc", "-c", f"{script}\nexit $?"],
        env=environment(PATH=path, **variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def completed(*words: str) -> list[str]:
    """What bash offers for the last word, by the script that --show-completion prints."""
    done = bash(
        f"""
        source <(thriftscore --show-completion) || exit
        COMP_WORDS=({" ".join(f"'{word}'" for word in words)}); COMP_CWORD={len(words) - 1}
        _thriftscore_completion thriftscore
        printf '%s\\n' "${{COMPREPLY[@]}}"
        """
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["thriftscore", ""], {"bench", "health", "import", "models", "score", "serve"}),
        (["thriftscore", "sc"], {"score"}),
        (["thriftscore", "models", ""], {"list", "inspect"}),
        (["thriftscore", "models", "ins"], {"inspect"}),
        (["thriftscore", "score", "m", "--ba"], {"--batch-rows"}),
        (["thriftscore", "score", "m", "--format", ""], {"csv", "parquet", "json"}),
    ],
)
def test_bash_is_offered_what_may_follow(words, offered):
    found = set(completed(*words))
    assert offered <= found
    assert all(name.startswith(words[-1]) for name in found)


def test_zsh_and_fish_are_offered_sub_commands():
    asked = {"_TYPER_COMPLETE_ARGS": "thriftscore models ins"}
    zsh = run(_THRIFTSCORE_COMPLETE="complete_zsh", **asked)
    assert zsh.returncode == 0
    assert '"inspect":' in zsh.stdout
    asked["_TYPER_COMPLETE_FISH_ACTION"] = "get-args"
    fish = run(_THRIFTSCORE_COMPLETE="complete_fish", **asked)
    assert fish.returncode == 0
    assert fish.stdout.startswith("inspect\t")


def test_completion_is_installed_for_the_shell_that_asks(tmp_path):
    done = bash("thriftscore --install-completion", HOME=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    (script,) = (tmp_path / ".bash_completions").iterdir()
    assert str(script) in (tmp_path / ".bashrc").read_text()
    assert "_THRIFTSCORE_COMPLETE=complete_bash" in script.read_text()


def test_help_says_what_the_exit_status_means():
    shown = " ".join(run("--help").stdout.split())
    for status in ("0 = done", "1 = refused", "2 = wrong usage", "130 = interrupted"):
        assert status in shown


@pytest.mark.parametrize(("command", "last"), [("score", "--local"), ("health", "500")])
def test_help_has_examples_that_stay_on_their_lines(command, last):
    shown = run(command, "--help", COLUMNS="80").stdout.split("Example")[1].partition("╭")[0]
    _, *examples = [line.strip() for line in shown.splitlines() if line.strip()]
    assert all(line.startswith(f"thriftscore {command} ") for line in examples)
    assert examples[-1].endswith(last)
