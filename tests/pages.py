"""Pages of documentation as programs: their examples run, from the top, as a reader would.

What a page shows is run when it is one of these:

    ```yaml whose first line is `# NAME`      the file NAME is written
    ```python                                 a program
    ```sh, or an indented line `routerd ...`  commands, a line at a time; `routerd serve` goes on
                                              running until the next one, or until the page ends

DECISION_ID stands for the decision that was shown last. The daemon's port is a free one.
"""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.ports import free_port

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PORT = "7450"
NODE = ROOT / ".venv" / "node" / "node_modules" / ".bin"

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$|^    (routerd [^\n]*)$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """One example: its language and its text."""

    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    """Every example of a page, in order."""
    found = BLOCK.finditer(page.read_text())
    return [Block(m[1] or "sh", (m[2] if m[1] else m[3]).rstrip("\n")) for m in found]


def commands(block: Block) -> list[str]:
    """The commands of a shell block, continued lines joined."""
    lines = block.text.replace("\\\n", " ").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


class Reader:
    """Someone who follows a page in an empty directory, on a port of their own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        (home / "proto").symlink_to(ROOT / "proto")
        self.decision_id = ""
        self.daemons: list[subprocess.Popen[str]] = []
        self.port = str(free_port())
        self._environment = environment(home, self.port)

    def follow(self, block: Block) -> str:
        """Do what a block shows; what it printed. An example that fails is an AssertionError."""
        text = block.text.replace(f":{PORT}", f":{self.port}")
        match block.language:
            case "yaml":
                name = re.match(r"# (\S+\.\w+)\n", text)
                if name:
                    (self.home / name[1]).write_text(text)
            case "python":
                return self.run(sys.executable, "-c", text)
            case "sh":
                told = [self.command(line) for line in commands(Block("sh", text))]
                return "".join(told)
        return ""

    def command(self, line: str) -> str:
        """One line of a shell."""
        if line.startswith("routerd serve"):
            self.serve(line)
            return ""
        told = self.run("sh", "-euc", line.replace("DECISION_ID", self.decision_id))
        shown = re.findall(r"\b[0-9a-v]{16}\b", told)
        self.decision_id = shown[0] if shown else self.decision_id
        return told

    def run(self, *command: str) -> str:
        done = subprocess.run(
            command,
            cwd=self.home,
            env=self._environment,
            text=True,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
        return done.stdout

    def serve(self, line: str) -> None:
        """Start a daemon in place of the one before; return when it accepts calls."""
        self.leave()
        daemon = subprocess.Popen(
            ["sh", "-c", f"exec {line}"],
            cwd=self.home,
            env=self._environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.daemons.append(daemon)
        assert daemon.stdout is not None
        if "listening on" not in daemon.stdout.readline():
            raise AssertionError(daemon.communicate()[1])

    def leave(self) -> None:
        """Ctrl-C on the daemon that runs: it ends well."""
        while self.daemons:
            daemon = self.daemons[-1]
            daemon.send_signal(signal.SIGINT)
            _, told = daemon.communicate(timeout=20)
            assert daemon.returncode == 0, told
            self.daemons.remove(daemon)


def environment(home: Path, port: str) -> dict[str, str]:
    """A shell that has `routerd`, `python`, and `buf` if `make check` fetched it."""
    programs = home / ".bin"
    programs.mkdir()
    for name, words in (("routerd", "-m routerd"), ("python", "")):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    kept = {k: v for k, v in os.environ.items() if not k.startswith("ROUTERD_")}
    here = f"127.0.0.1:{port}"
    return {
        **kept,
        "PATH": os.pathsep.join([str(programs), str(NODE), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "ROUTERD_LISTEN": here,
        "ROUTERD_ADDRESS": here,
    }


@contextmanager
def reader(home: Path) -> Iterator[Reader]:
    """A reader whose daemons are gone afterwards."""
    made = Reader(home)
    try:
        yield made
        made.leave()
    finally:
        for daemon in made.daemons:
            daemon.kill()
