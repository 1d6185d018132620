"""What `--help` shows of every command on a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from routerd.cli.main import main


def groups(group: click.Group, *words: str) -> Iterator[tuple[str, ...]]:
    """The words of every group of commands."""
    yield words
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from groups(command, *words, name)


@pytest.mark.parametrize(
    "words", list(groups(main)), ids=lambda words: " ".join(words) or "routerd"
)
def test_a_list_of_commands_has_whole_sentences(words: tuple[str, ...]) -> None:
    """What a command does can be read where it is looked for."""
    told = CliRunner().invoke(main, [*words, "--help"], terminal_width=80).stdout
    commands = told.partition("Commands:\n")[2].splitlines()
    assert commands
    assert [line for line in commands if not line.endswith((".", "?", ")"))] == []
    assert [line for line in commands if line.endswith("...")] == []
