"""docs/features.md is true: every line works, uses the call that it names, and its keys exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from routerd.v1 import agents_pb2, audit_pb2, policy_pb2, router_pb2
from tests.pages import ROOT, Reader, blocks, reader

PAGE = ROOT / "docs" / "features.md"

# What a line must print for its feature to have been used.
SHOWN = {
    "R1": r"(?s)agent +(small|large|translator).*quality 1",
    "R2": r"helper +online",
    "R3": r"offline \(set\)",
    "R4": r"propensity",
    "R5": r"(?s)does +force agent small.*agent +small.*ticket 1",
    "R6": r"Fell back on the static table's agent: only \d+% sure",
    "R7": r"Another agent: step 2, because large failed",
    "R8": r"Escalated: step 3, because \w+ was not sure enough \(0\.4\)",
    "R9": r"(?s)one of 2 at once.*at once with",
    "R10": r"may start: expected quality",
    "R11": r"The session stays",
    "R12": r"code \(rules, 0\.9 sure\)",
    "R13": r"This is code, \w+\.",
    "R14": r"none: this is a preview",
    "P4": r"(?s)answered +new|shadow.*promoted",
    "P5": r"agent +translator.*\n.*The static table answers",
}


class Line(NamedTuple):
    """A row of the table: a feature and what uses it."""

    name: str
    calls: list[str]
    commands: list[str]
    keys: list[str]


def lines() -> Iterator[Line]:
    for row in re.findall(r"^\| ([RP]\d+) \|(.*)\|$", PAGE.read_text(), re.MULTILINE):
        cells = row[1].split(" | ")
        calls, commands, keys = (re.findall(r"`([^`]+)`", cell) for cell in cells[1:])
        yield Line(row[0], [call for call in calls if "." in call], commands, keys)


LINES = list(lines())
CONFIG: dict[str, Any] = yaml.safe_load(
    next(block.text for block in blocks(PAGE) if block.language == "yaml")
)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each line printed, run from the top by somebody who follows the page."""
    with reader(tmp_path_factory.mktemp("features")) as someone:
        for block in blocks(PAGE):
            someone.follow(block)
        return {line.name: run(someone, line) for line in LINES}


def run(someone: Reader, line: Line) -> str:
    try:
        return "".join([someone.command(command) for command in line.commands])
    except AssertionError as error:
        return f"failed: {error}"


@pytest.mark.parametrize("name", [line.name for line in LINES])
def test_every_line_works(told: dict[str, str], name: str) -> None:
    """In order, in one daemon; the last of it prints what shows that the feature was used."""
    assert not told[name].startswith("failed"), told[name]
    assert re.search(SHOWN[name], told[name]), told[name]


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.name)
def test_every_call_exists_and_every_key_is_in_the_configuration(line: Line) -> None:
    """What the table names is of the contract, and of the page's own configuration."""
    services: dict[str, Any] = {}
    for module in (agents_pb2, audit_pb2, policy_pb2, router_pb2):
        services |= module.DESCRIPTOR.services_by_name
    assert line.calls
    assert line.commands
    for call in line.calls:
        service, _, method = call.partition(".")
        assert method in services[service].methods_by_name, call
    assert line.keys
    for key in line.keys:
        value: Any = CONFIG
        for part in key.split("."):
            assert part in value, key
            value = value[part]


def test_every_feature_has_a_line() -> None:
    """Nobody has to search for how to ask for something."""
    assert [line.name for line in LINES] == sorted(SHOWN, key=order)
    assert len(set(SHOWN)) == len(LINES)


def order(name: str) -> tuple[bool, int]:
    return name[0] == "P", int(name[1:])


def test_the_table_is_in_the_readme() -> None:
    assert f"](docs/{Path(PAGE).name})" in (ROOT / "README.md").read_text()
