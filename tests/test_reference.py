"""docs/reference.md names everything a user can meet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import click
import msgspec
import pytest

from routerd.cli.main import main
from routerd.core.errors import ErrorReason
from routerd.core.sections import Section
from routerd.core.settings import Policy
from routerd.core.values import Exclusion, Reason
from routerd.server.errors import STATUS
from routerd.settings import Config

ROOT = Path(__file__).parents[1]
REFERENCE = (ROOT / "docs/reference.md").read_text()


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
    assert [rpc for rpc in rpcs if f"`{rpc}`" not in REFERENCE] == []


def test_every_command_is_documented() -> None:
    assert [name for name in main.commands if f"`routerd {name}`" not in REFERENCE] == []


def options(group: click.Group, *words: str) -> Iterator[tuple[str, click.Option]]:
    """Every option, with the words of its command."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from options(command, *words, name)
        for option in command.params:
            if isinstance(option, click.Option):
                yield " ".join((*words, name)), option


def test_the_environment_sets_what_the_reference_says() -> None:
    """Each flag of `serve`, the configuration of `signals test`, `--address` of all: no other."""
    flags = {(command, option.opts[0]): option.envvar for command, option in options(main)}
    read = {flag: name for flag, name in flags.items() if name}
    assert set(read.values()) == set(re.findall(r"`(ROUTERD_\w+)`", REFERENCE))
    addresses = {flag for flag in flags if flag[1] == "--address"}
    assert len(addresses) > 10
    assert {read[flag] for flag in addresses} == {"ROUTERD_ADDRESS"}
    tested = "signals test", "--config"
    assert read[tested] == read["serve", "--config"]
    assert read.keys() == {flag for flag in flags if flag[0] == "serve"} | addresses | {tested}


def test_every_config_key_is_documented() -> None:
    keys = {f.name for section in sections(Config) for f in msgspec.structs.fields(section)}
    assert {"agents", "spread", "input_usd_per_mtok"} <= keys
    assert [key for key in sorted(keys) if f"`{key}`" not in REFERENCE] == []


def test_the_defaults_of_policies_are_what_the_reference_says() -> None:
    """Each row of a kind of policy: a key, and in parentheses what it is when nothing is said."""
    kinds = {kind.__struct_config__.tag: kind() for kind in get_args(Policy)}
    rows = re.findall(r"^\| `policy` of kind `(\w+)` \| (.*) \|$", REFERENCE, re.M)
    assert len(rows) >= 4
    for kind, text in rows:
        for key, said in re.findall(r"`(\w+)` \(([\d.]+)\)", text):
            assert getattr(kinds[kind], key) == float(said), f"{kind}: {key}"


@pytest.mark.parametrize("kind", [ErrorReason, Reason, Exclusion])
def test_every_reason_is_documented(kind: type[ErrorReason | Reason | Exclusion]) -> None:
    assert [reason for reason in kind if f"`{reason}`" not in REFERENCE] == []


def test_the_error_table_is_the_server_s() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| `([A-Z_]+)` \|", REFERENCE, re.MULTILINE)
    assert {reason: code for code, reason in rows} == {r: c.name for r, c in STATUS.items()}
