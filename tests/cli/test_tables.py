"""Tables as a terminal shows them: an id can be copied from any screen, and a pipe gets it all."""

from __future__ import annotations

import fcntl
import json
import os
import re
import struct
import subprocess
import termios
from pathlib import Path
from typing import Any

import pytest

from routerd.cli.experiments import arm_row
from routerd.cli.output import Exit
from routerd.v1.policy_pb2 import ArmResult, ExperimentArm
from tests.cli.conftest import command, environment

AGENT = "a-reviewer-of-legal-documents-2026"
OVERRIDE = "8c1c3c8e-3c0d-4c55-9a55-0c9b8a0e1b11"
BUDGET = "every-customer-of-the-north-by-day"
EXPERIMENT = "greedy-beside-value-from-october-on"

CONFIG = f"""
agents:
  - {{id: {AGENT}, capabilities: [code, vision, legal]}}
  - {{id: small}}
budgets: [{{id: {BUDGET}, usd: 10}}]
overrides: [{{id: {OVERRIDE}, when: {{customer: acme}}, agent: {AGENT}, reason: "it says so"}}]
signals: {{rules: [{{label: {AGENT}, any: [contract]}}]}}
"""


@pytest.fixture(scope="module")
def config_text() -> str:
    """A configuration whose every id is long."""
    return CONFIG


@pytest.fixture(scope="module")
def decision_id(address: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A decision with an outcome, beside an experiment."""
    file = tmp_path_factory.mktemp("experiment") / "e.yaml"
    file.write_text(f"{{id: {EXPERIMENT}, arms: [{{id: old}}, {{id: new}}]}}")

    def run(*words: str) -> str:
        asked = command(*words, "--address", address)
        return subprocess.run(
            asked, env=environment(), text=True, check=True, stdout=subprocess.PIPE
        ).stdout

    run("experiments", "create", str(file))
    asked = ("route", "--agent", AGENT, "--work-type", "review", "--label", "customer=acme")
    made = str(json.loads(run(*asked, "--json"))["decision_id"])
    run("outcome", made, "--quality", "0.91234", "--cost-usd", "0.012345", "--latency-ms", "12345")
    return made


def on_screen(columns: int, *words: str | Path) -> list[str]:
    """What a terminal of so many columns shows of a command, without colours and trailing space."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        command(*words), env=environment(TERM="xterm"), stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    told = b""
    while chunk := read(ours):
        told += chunk
    os.close(ours)
    assert process.wait() == Exit.DONE, told
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", told.decode())
    return [line.rstrip() for line in plain.splitlines()]


def read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # Linux tells the end of a terminal so
        return b""


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize(
    ("words", "ids"),
    [
        (["decisions"], [AGENT, "{decision}"]),
        (["decision", "{decision}"], [AGENT, "{decision}"]),
        (["summary"], [AGENT]),
        (["agents"], [AGENT]),
        (["profile"], [AGENT]),
        (["overrides"], [OVERRIDE, AGENT]),
        (["experiments"], [EXPERIMENT]),
        (["budgets"], [BUDGET]),
        (["policy"], [AGENT]),
    ],
)
def test_an_id_stands_on_one_line(
    columns: int, words: list[str], ids: list[str], address: str, decision_id: str
) -> None:
    """No screen is so narrow that a table breaks an id, or a line runs over its edge."""
    asked = [word.format(decision=decision_id) for word in words]
    told = on_screen(columns, *asked, "--address", address)
    for wanted in ids:
        assert any(wanted.format(decision=decision_id) in line for line in told), told
    assert [line for line in told if len(line) > columns] == []


def test_labels_of_a_classifier_stand_on_one_line(config_file: Path, tmp_path: Path) -> None:
    """`signals test` names what was taken for what, on a narrow screen too."""
    file = tmp_path / "lines"
    file.write_text(f"{AGENT}\tread this contract\nsomething-else-altogether\tread this contract\n")
    told = on_screen(60, "signals", "test", file, "--config", config_file)
    assert sum(AGENT in line for line in told) >= 2, told
    assert any("something-else-altogether" in line for line in told)


def test_a_pipe_gets_a_row_a_line(run: Any, address: str, decision_id: str) -> None:
    """What is piped into another program is cut and wrapped nowhere, however long."""
    reason = "because " * 100 + "of that"
    words = ("overrides", "forbid", "long", "--agent", "small", "--reason", reason)
    assert run(*words, "--address", address).returncode == Exit.DONE
    head, _, *rows = run("overrides", "--address", address).stdout.splitlines()
    assert [row.split()[0] for row in rows] == [OVERRIDE, "long"]
    assert len(rows[1]) == len(head)
    assert reason in rows[1]
    told = run("overrides", "get", "long", "--address", address).stdout.splitlines()
    assert f"reason             {reason}" in told


def test_the_price_of_a_dollar_says_of_what_it_is(invoke: Any, address: str) -> None:
    """A bare number named price was taken for dollars."""
    told = invoke("budgets", "--address", address).output
    assert told.splitlines()[0].rstrip().endswith("utility per USD")


def test_means_of_an_arm_in_the_shadow_are_called_estimates() -> None:
    """Nothing came of what it would have drawn, so no figure beside it was measured."""
    arm = ExperimentArm(arm_id="new", policy_json='{"kind": "static"}', static_routes=[{}])
    result = ArmResult(arm_id="new", decisions=64)
    assert arm_row((arm, result), shadow=True)[1] == "static, 1 route (estimated)"
    assert arm_row((arm, result), shadow=False)[1] == "static, 1 route"
