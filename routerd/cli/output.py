"""Output: a console for people, JSON for programs, one sentence for a failure."""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

PIPE_COLUMNS = 1_000_000
"""In a pipe nothing is wrapped: a line is a row."""

UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode's categories of what steers a terminal, breaks a line or does not show."""

JOINER = "\u200d"
"""Emoji of several persons or parts are made with it."""

Command = Callable[..., Any]

Told = Callable[[int, int, str], None]
"""Hears of long work: how much is done, of how much, and what."""


class Exit(IntEnum):
    """What a command ends with; docs/reference.md says the same."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    AWAY = 3


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


def options(*each: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Options that several commands have, as one decorator; help shows them in this order."""

    def decorated(command: Command) -> Command:
        for option in reversed(each):
            command = option(command)
        return command

    return decorated


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
        click.echo("routerd: " + "\n".join(lines), file=file, err=True)


def shown(text: str) -> str:
    """Text of whoever wrote it as it may go to a terminal: what does not show is escaped."""
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(char: str) -> str:
    if char == JOINER or unicodedata.category(char) not in UNSEEN:
        return char
    return char.encode("unicode_escape").decode("ascii")


def say_json(value: object) -> None:
    """One JSON document on stdout: what does not show, or has no letter in the locale, is escaped
    there too, and means the same."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    click.echo(re.sub(r"[^\n -~]", _in_json, text))


def _in_json(found: re.Match[str]) -> str:
    char = found[0]
    if char.isprintable() and encodable(char):
        return char
    return re.sub("(....)", r"\\u\1", char.encode("utf-16-be", "surrogatepass").hex())


def encodable(text: str) -> bool:
    """Whether stdout's encoding has it."""
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def console(*, stderr: bool = False) -> Console:
    """A console as wide as the terminal; in a pipe as wide as what is printed."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PIPE_COLUMNS
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


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
