"""Commands and daemons as people run them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner, Result

from routerd.cli.main import main

ROOT = Path(__file__).parents[2]

CONFIG = """
agents:
  - {id: small, pool: cheap, capabilities: [code]}
  - {id: large, capabilities: [code, vision]}
static_routes: [{agent: large}]
clock: logical
audit: {enabled: false}
"""

Invoke = Callable[..., Result]


class Daemon(NamedTuple):
    """A daemon that accepts calls."""

    process: subprocess.Popen[str]
    first_line: str
    address: str
    data: Path

    def end(self, number: signal.Signals = signal.SIGINT) -> tuple[int, str]:
        """The exit code and what was said on stderr after a signal."""
        self.process.send_signal(number)
        _, stderr = self.process.communicate(timeout=20)
        return self.process.returncode, stderr


Start = Callable[..., Daemon]


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "routerd", *map(str, arguments)]


def environment(**settings: str) -> dict[str, str]:
    """This process's environment with the project importable, and these settings."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, **settings}


@pytest.fixture
def run() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `routerd` in a process of its own to its end."""

    def run_command(*arguments: str | Path, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*arguments),
            env=environment(**settings),
            text=True,
            capture_output=True,
            timeout=60,
            check=False,
        )

    return run_command


@pytest.fixture
def invoke() -> Invoke:
    """Run `routerd` in this process, which spares the imports."""

    def invoke_command(*arguments: str | Path, input: str = "", **env: str) -> Result:
        words = [str(a) for a in arguments]
        return CliRunner().invoke(main, words, input=input, env=env, prog_name="routerd")

    return invoke_command


@pytest.fixture(scope="module")
def config_text() -> str:
    """A valid configuration of two agents."""
    return CONFIG


@pytest.fixture(scope="module")
def config_file(config_text: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("config") / "routerd.yaml"
    file.write_text(config_text)
    return file


@pytest.fixture(scope="module")
def start(config_file: Path) -> Iterator[Start]:
    """Start daemons that are gone after the tests of the file."""
    running: list[subprocess.Popen[str]] = []

    def start_daemon(data: Path, *flags: str, **settings: str) -> Daemon:
        listen = () if "ROUTERD_LISTEN" in settings else ("--listen", "127.0.0.1:0")
        process = subprocess.Popen(
            command("serve", "--config", config_file, "--data", data, *listen, *flags),
            env=environment(**settings),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        running.append(process)
        # A daemon that says nothing would hang the tests.
        deadline = threading.Timer(30, process.kill)
        deadline.start()
        assert process.stdout is not None
        line = process.stdout.readline()
        deadline.cancel()
        found = re.search(r"listening on (\S+),", line)
        assert found, process.communicate()[1]
        return Daemon(process, line, found[1], data)

    yield start_daemon
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def address(start: Start, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a daemon that all tests of a file share."""
    return start(tmp_path_factory.mktemp("shared") / "data").address


@pytest.fixture
def ask(invoke: Invoke, address: str) -> Callable[..., Any]:
    """Run a command against the daemon; its JSON, when asked for."""

    def asked(*arguments: str, **settings: str) -> Any:
        result = invoke(*arguments, "--address", address, **settings)
        if "--json" in arguments and result.exit_code == 0:
            return json.loads(result.stdout)
        return result

    return asked
