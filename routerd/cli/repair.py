"""`routerd repair`: a log made anew from what is whole in a damaged one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from routerd.cli.output import Failed, json_option, say_json
from routerd.cli.paths import PathTo
from routerd.core.words import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from routerd.audit.reach import Aside
    from routerd.log.repair import Kept


@click.command()
@click.argument("directory", metavar="DIR", type=PathTo())
@json_option
def repair(directory: Path, as_json: bool) -> None:
    """Make the log of DIR anew from all in it that is whole.

    No daemon may run. A log that is whole is left as it is. The damaged files are kept in
    DIR/damaged-1 and so on, and an audit file that tells of more than the log. A backup may reach
    further: look at what is told to be lost before you go on.
    """
    from routerd.audit.process import Busy, claimed
    from routerd.audit.reach import set_aside
    from routerd.log.base import LogCorrupt, LogUnavailable
    from routerd.log.repair import next_aside
    from routerd.log.repair import repair as make_anew

    try:
        kept, aside = make_anew(directory)
        with claimed(directory, wait=False):
            audits = set_aside(directory, aside or next_aside(directory))
    except (Busy, LogCorrupt, LogUnavailable, OSError) as error:
        raise Failed(str(error)) from None
    if as_json:
        partitions = {name: found._asdict() for name, found in kept.items()}
        moved = {name: str(audit.path) for name, audit in audits.items()}
        damaged = None if aside is None else str(aside)
        say_json({"partitions": partitions, "damaged": damaged, "audits": moved})
    else:
        say(kept, aside, audits)


def say(kept: Mapping[str, Kept], aside: Path | None, audits: Mapping[str, Aside]) -> None:
    for partition, found in kept.items():
        click.echo(f"partition {partition}: {told(found, whole=aside is None)}")
    for partition, audit in audits.items():
        last = kept[partition].last if partition in kept else 0
        gone = f"positions {last + 1} to {audit.position}" if audit.position > last else "its past"
        click.echo(
            f"partition {partition}: {audit.path} tells of {gone}, which the log has not: "
            "it is kept, and audit.db is made anew"
        )
    if aside is not None:
        click.echo(f"the damaged files are in {aside}")
    elif not audits:
        click.echo("nothing is to be repaired: all is as it was")


def told(found: Kept, *, whole: bool) -> str:
    """What a partition has, and what it lost."""
    stands = "nothing of what was learnt before is forgotten"
    if found.last < found.first:
        return f"no entry is left; a snapshot stands for all up to position {found.last}: {stands}"
    text = f"positions {found.first} to {found.last} are whole"
    if whole:
        return text
    lost = found.end - found.last
    text += (
        f"; lost behind it: {counted(lost, 'event')}" if lost else "; no event behind it is known"
    )
    return f"{text}; a snapshot stands for what was before: {stands}" if found.snapshot else text
