"""README is true: its examples run, and it names everything a user can meet."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from routerd.cli.main import main
from routerd.core.errors import ErrorReason
from routerd.core.settings import Config, Section
from routerd.core.values import Exclusion, Reason
from routerd.server.errors import STATUS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def examples(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """The indented shell lines."""
    return re.findall(r"^    (routerd .*)$", README, re.MULTILINE)


def sections(kind: Any) -> Iterator[type[Section]]:
    """Every configuration section reachable from a type."""
    if isinstance(kind, type) and issubclass(kind, Section):
        yield kind
        for field in msgspec.structs.fields(kind):
            yield from sections(field.type)
    for inner in get_args(kind):
        yield from sections(inner)


def test_every_rpc_is_documented() -> None:
    protos = [path.read_text() for path in (ROOT / "proto/routerd/v1").glob("*.proto")]
    rpcs = [
        f"{service}.{rpc}"
        for text in protos
        for service, body in re.findall(r"^service (\w+) \{(.*?)^\}", text, re.M | re.S)
        for rpc in re.findall(r"rpc (\w+)\(", body)
    ]
    assert len(rpcs) >= 4
    assert [rpc for rpc in rpcs if f"`{rpc}`" not in README] == []


def test_every_command_is_documented() -> None:
    assert [name for name in main.commands if f"`routerd {name}`" not in README] == []


def test_every_config_key_is_documented() -> None:
    keys = {f.name for section in sections(Config) for f in msgspec.structs.fields(section)}
    assert {"agents", "spread", "input_usd_per_mtok"} <= keys
    assert [key for key in sorted(keys) if f"`{key}`" not in README] == []


@pytest.mark.parametrize("kind", [ErrorReason, Reason, Exclusion])
def test_every_reason_is_documented(kind: type[ErrorReason | Reason | Exclusion]) -> None:
    assert [reason for reason in kind if f"`{reason}`" not in README] == []


def test_the_error_table_is_the_server_s() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| `([A-Z_]+)` \|", README, re.MULTILINE)
    assert {reason: code for code, reason in rows} == {r: c.name for r, c in STATUS.items()}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The README's daemon, with its configuration, on its port, in an empty directory."""
    home = tmp_path_factory.mktemp("readme")
    (home / "routerd.yaml").write_text(examples("yaml")[0])
    cells = [(i, a) for i in range(30) for a in (0, 1)]
    rows = [f"t{i:03d},{a},{(i * (3 + a)) % 7 / 7:.3f},0.0{1 + a}" for i, a in cells]
    (home / "tasks.csv").write_text("\n".join(["task_id,agent_id,quality,cost_usd", *rows]))
    process = subprocess.Popen(
        [sys.executable, "-m", "routerd", "serve", "--config", "routerd.yaml"],
        cwd=home,
        env=environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert "listening on 127.0.0.1:7450" in line, process.communicate()[1]
    yield home
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 0
    process.communicate()


def environment() -> dict[str, str]:
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    kept = {k: v for k, v in os.environ.items() if not k.startswith("ROUTERD_")}
    return {**kept, "PYTHONPATH": path}


def run(home: Path, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=home,
        env=environment(),
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_shell_examples_run(daemon: Path) -> None:
    decision_id = ""
    ran = []
    for line in commands():
        words = [decision_id if w == "DECISION_ID" else w for w in shlex.split(line)][1:]
        ran.append(words[0])
        if words[0] == "serve":
            continue  # it is the daemon that the others talk to
        out = run(daemon, "-m", "routerd", *words)
        if words[0] == "route":
            told = re.search(r"\b([0-9a-v]{16})\b", out)
            assert told, out
            decision_id = told[1]
    assert ran == ["check-config", "serve", "route", "outcome", "decision", "verify", "prove"]


@pytest.mark.parametrize("example", examples("python"), ids=["client", "in-process"])
def test_the_python_examples_run(daemon: Path, example: str) -> None:
    assert run(daemon, "-c", example).strip()
