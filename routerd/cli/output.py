"""Output: a table for people, JSON for programs, one sentence for a failure."""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console, JustifyMethod
    from rich.table import Table

PIPE_COLUMNS = 160

UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode's categories of what steers a terminal, breaks a line or does not show."""

JOINER = "\u200d"
"""Emoji of several persons or parts are made with it."""

Told = Callable[[int, int, str], None]
"""Hears of long work: how much is done, of how much, and what."""


class Exit(IntEnum):
    """What a command ends with; README's table says the same."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    AWAY = 3


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


def key_values(_: click.Context, __: click.Parameter, pairs: tuple[str, ...]) -> dict[str, str]:
    """The callback of an option that may be given several times, each as key=value."""
    told: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise click.BadParameter(f"{pair!r} is not of the form key=value")
        if key in told:
            raise click.BadParameter(f"the key {key!r} is given more than once; give it once")
        told[key] = value
    return told


class Failed(click.ClickException):
    """Ends a command with a sentence on stderr and an exit code."""

    def __init__(self, message: str, *, exit_code: int = Exit.FAILED) -> None:
        super().__init__(message)
        self.exit_code = int(exit_code)  # type: ignore[misc]

    def show(self, file: Any = None) -> None:
        # A message may have lines of its own; whoever makes them passes what is in them to shown.
        lines = map(shown, self.message.split("\n"))
        click.echo("routerd: " + "\n".join(lines), file=file or sys.stderr)


def shown(text: str) -> str:
    """Text of whoever wrote it as it may go to a terminal: what does not show is escaped."""
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(char: str) -> str:
    if char == JOINER or unicodedata.category(char) not in UNSEEN:
        return char
    return char.encode("unicode_escape").decode("ascii")


def say_json(value: object) -> None:
    """One JSON document on stdout: what does not show is escaped there too, and means the same."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    click.echo(re.sub(r"[^\n -~]", _in_json, text))


def _in_json(found: re.Match[str]) -> str:
    char = found[0]
    if char.isprintable():
        return char
    return re.sub("(....)", r"\\u\1", char.encode("utf-16-be", "surrogatepass").hex())


def console(*, stderr: bool = False) -> Console:
    """A console as wide as the terminal; in a pipe wide enough that no cell is cut."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PIPE_COLUMNS
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def facts(pairs: Iterable[tuple[str, str]]) -> Table:
    """Names and values below each other; pairs without a value are left out."""
    from rich.table import Table

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    for name, value in pairs:
        if value:
            grid.add_row(shown(name), shown(value))
    return grid


def table(head: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> Table:
    """A table whose first `left` columns are texts and whose others are numbers."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    made = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for index, name in enumerate(head):
        justify: JustifyMethod = "left" if index < left else "right"
        made.add_column(shown(name), justify=justify, overflow="fold")
    for row in rows:
        made.add_row(*map(shown, row))
    return made


@contextmanager
def progress() -> Iterator[Told | None]:
    """A progress bar on a terminal, nothing in a pipe."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def told(done: int, total: int, what: str) -> None:
            bar.update(task, completed=done, total=total, description=shown(what))

        yield told
