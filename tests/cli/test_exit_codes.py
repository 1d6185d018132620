"""What commands end with: the table of the reference, the constants, a command for each code."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from routerd.cli.output import Exit
from tests.cli.conftest import environment

ROOT = Path(__file__).parents[2]

# Ctrl-C while Python looks for a module that every command needs.
IMPATIENT = """
import os, signal, sys

class Impatient:
    def find_spec(self, name, path=None, target=None):
        if name == "routerd.cli.verify":
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Impatient())
"""
INSTALLED = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["routerd"]


def test_the_reference_has_the_table() -> None:
    """Every code has its row, and no row is invented."""
    rows = re.findall(
        r"^\| (\d) \| [^|]+ \|$", (ROOT / "docs/reference.md").read_text(), re.MULTILINE
    )
    assert [int(code) for code in rows] == list(Exit)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (Exit.DONE, ["check-config", "{config}"]),
        (Exit.FAILED, ["verify", "{empty}"]),
        (Exit.USAGE, ["check-config", "{empty}"]),
        (Exit.USAGE, ["route", "--no-such-option"]),
        (Exit.USAGE, ["route", "--address", ""]),
        (Exit.USAGE, ["route", "--address", "127.0.0.1"]),
        (Exit.USAGE, ["route", "--address", "http://127.0.0.1:1"]),
        (Exit.AWAY, ["route", "--address", "dns:///127.0.0.1:1"]),
        (Exit.AWAY, ["route", "--address", "127.0.0.1:1"]),
        (Exit.AWAY, ["decision", "0000000000000000", "--address", "127.0.0.1:1"]),
    ],
)
def test_a_command_ends_with(
    code: Exit, words: list[str], invoke: Any, config_file: Path, tmp_path: Path
) -> None:
    """Done, failed, misused, or nobody there."""
    given = {"config": config_file, "empty": tmp_path}
    assert invoke(*(word.format(**given) for word in words)).exit_code == code


@pytest.mark.parametrize(
    "started",
    [
        "import runpy; runpy.run_module('routerd', run_name='__main__')",
        "from {} import {} as main; main()".format(*INSTALLED.split(":")),
    ],
)
def test_ctrl_c_before_a_command_is_loaded_ends_it_quietly(started: str) -> None:
    """By the name of the module and as it is installed: no traceback of imports."""
    done = subprocess.run(
        [sys.executable, "-c", IMPATIENT + started, "--version"],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (Exit.FAILED, "", "")


def test_a_shell_completes_commands_and_options(invoke: Any) -> None:
    """As the reference says it is switched on: click asks the program itself what may follow."""

    def completed(line: str) -> list[str]:
        asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1)}
        found = invoke(_ROUTERD_COMPLETE="bash_complete", **asked).output
        return [row.partition(",")[2] for row in found.splitlines()]

    assert completed("routerd ro") == ["route"]
    assert completed("routerd route --dry") == ["--dry-run"]
    assert "complete" in invoke(_ROUTERD_COMPLETE="zsh_source").output
