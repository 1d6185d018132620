"""Streams that fail, words that are no text, and numbers that no message holds."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from routerd.cli.output import Exit
from routerd.cli.streams import CLOSED_PIPE
from tests.cli.conftest import command, environment

COMMANDS = [
    ["agents"],
    ["agents", "--json"],
    ["preview", "a task"],
    ["watch", "--from", "1", "--count", "1"],
    ["check-config", "{config}"],
    ["route", "--help"],
    ["--version"],
]


def shell(redirected: str, words: list[str], address: str, config: Path) -> Any:
    """A command with its streams as a shell redirects them."""
    asked = command(*(word.format(config=config) for word in words))
    return subprocess.run(
        ["bash", "-c", f'"$@" {redirected}', "bash", *asked],
        env=environment(ROUTERD_ADDRESS=address),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_full_disk_is_told_in_a_line(words: list[str], address: str, config_file: Path) -> None:
    """Nothing that was asked for is lost in silence, and no traceback says so."""
    done = shell(">/dev/full", words, address, config_file)
    assert done.stderr == "routerd: cannot write to stdout: No space left on device\n"
    assert done.returncode == Exit.FAILED


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_what_a_locale_has_no_letter_for_is_escaped(encoding: str, ask: Any, address: str) -> None:
    """Ids of others are in any script; a terminal that has none of it gets no traceback."""
    work_type = "größe 翻訳"
    made = ask("route", "--work-type", work_type, "--json")["decision_id"]

    def said(*words: str) -> str:
        settings = environment(ROUTERD_ADDRESS=address, PYTHONIOENCODING=encoding)
        asked = command("decision", made, *words)
        done = subprocess.run(asked, env=settings, capture_output=True, check=True, timeout=60)
        return done.stdout.decode(encoding)

    assert json.loads(said("--json"))["work_type"] == work_type
    assert work_type.encode(encoding, "backslashreplace").decode(encoding) in said()


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_reader_that_goes_ends_a_command_quietly(
    words: list[str], address: str, config_file: Path
) -> None:
    """As in `| head -1`: that is no failure of `verify`, say, which has a code of its own."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        command(*(word.format(config=config_file) for word in words)),
        env=environment(ROUTERD_ADDRESS=address),
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )
    os.close(writer)
    assert done.stderr == ""
    assert done.returncode == CLOSED_PIPE


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_closed_stdout_is_refused(words: list[str], address: str, config_file: Path) -> None:
    """Before anything is done: what a route decided would be known to nobody."""
    done = shell(">&-", words, address, config_file)
    assert done.stderr.startswith("routerd: stdout is closed")
    assert done.stderr.count("\n") == 1
    assert done.returncode == Exit.FAILED


def test_a_closed_stderr_and_stdin_change_nothing(address: str, config_file: Path) -> None:
    """What is refused is refused with its code, and stdout holds what was asked for and no more."""
    told = shell("2>&- <&-", ["agents", "get", "small"], address, config_file)
    assert (told.returncode, told.stderr) == (Exit.DONE, "")
    refused = shell("2>&- <&-", ["agents", "get", "nobody"], address, config_file)
    assert (refused.returncode, refused.stdout) == (Exit.FAILED, "")
    unasked = shell("2>&- <&-", ["route", "--confirm"], address, config_file)
    assert (unasked.returncode, unasked.stdout) == (Exit.FAILED, "")


@pytest.mark.parametrize(
    "words",
    [
        ["route", "a\udcffb"],
        ["decision", "a\udcffb"],
        ["agents", "register", "x", "--metadata", "a=\udcff"],
        ["check-config", "a\udcffb"],
        ["a\udcffb"],
    ],
)
def test_words_that_are_not_text_are_refused(words: list[str], run: Any, address: str) -> None:
    """The bytes that somebody's terminal sent are shown, and nothing is asked of a daemon."""
    done = run(*words, ROUTERD_ADDRESS=address)
    assert "\\xff" in done.stderr
    assert "is not UTF-8 text" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == Exit.USAGE


def test_a_setting_that_is_not_text_is_refused(run: Any) -> None:
    """The environment is where options come from, too."""
    done = run("agents", ROUTERD_ADDRESS="a\udcffb")
    assert "b'ROUTERD_ADDRESS=a\\xffb' is not UTF-8 text" in done.stderr
    assert done.returncode == Exit.USAGE


@pytest.mark.parametrize(
    ("words", "option"),
    [
        ("agents register x --max-concurrency 99999999999", "--max-concurrency"),
        ("overrides force x --agent small --priority -99999999999", "--priority"),
        ("overrides force x --agent small --expires 999999999999d", "--expires"),
        ("watch --from 99999999999999999999", "--from"),
        ("summary --groups 99999999999", "--groups"),
        ("decisions --since 0001-01-01", "--since"),
    ],
)
def test_a_number_beyond_the_contract_is_refused(words: str, option: str, ask: Any) -> None:
    """The option is named, and what it takes."""
    refused = ask(*words.split())
    assert refused.exit_code == Exit.USAGE
    assert option in refused.stderr
