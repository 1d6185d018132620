"""Output: a table for people, JSON for programs, one sentence for a failure."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PIPE_COLUMNS = 160

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
    for pair in pairs:
        if "=" not in pair:
            raise click.BadParameter(f"{pair!r} is not of the form key=value")
    return {key: value for key, _, value in (pair.partition("=") for pair in pairs)}


class Failed(click.ClickException):
    """Ends a command with a sentence on stderr and an exit code."""

    def __init__(self, message: str, *, exit_code: int = Exit.FAILED) -> None:
        super().__init__(message)
        self.exit_code = int(exit_code)  # type: ignore[misc]

    def show(self, file: Any = None) -> None:
        click.echo(f"routerd: {self.message}", file=file or sys.stderr)


def say_json(value: object) -> None:
    """One JSON document on stdout."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


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
            grid.add_row(name, value)
    return grid


def table(head: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> Table:
    """A table whose first `left` columns are texts and whose others are numbers."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    made = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for index, name in enumerate(head):
        made.add_column(name, justify="left" if index < left else "right", overflow="fold")
    for row in rows:
        made.add_row(*row)
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
            bar.update(task, completed=done, total=total, description=what)

        yield told
