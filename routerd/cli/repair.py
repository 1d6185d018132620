"""`routerd repair`: a log made anew from what is whole in a damaged one."""

from __future__ import annotations

from pathlib import Path

import click

from routerd.cli.output import Failed, json_option, say_json
from routerd.cli.paths import PathTo


@click.command()
@click.argument("directory", metavar="DIR", type=PathTo())
@json_option
def repair(directory: Path, as_json: bool) -> None:
    """Make the log of DIR anew from all in it that is whole.

    No daemon may run. The damaged files are kept in DIR/damaged-1 and so on. A backup may reach
    further: look at what is told to be lost before you go on.
    """
    from routerd.log.base import LogUnavailable
    from routerd.log.repair import repair as make_anew

    try:
        kept, aside = make_anew(directory)
    except (LogUnavailable, OSError) as error:
        raise Failed(str(error)) from None
    if as_json:
        partitions = {name: found._asdict() for name, found in kept.items()}
        say_json({"partitions": partitions, "damaged": str(aside)})
        return
    for partition, found in kept.items():
        lost = found.end - found.last
        told = f"the {lost} events behind it are lost" if lost else "no event behind it is known"
        click.echo(
            f"partition {partition}: positions {found.first} to {found.last} are whole; {told}"
        )
        if found.snapshot:
            click.echo("  a snapshot stands for what was before: nothing of that is forgotten")
    click.echo(f"the damaged files are in {aside}")
