"""`routerd backup`: a copy of a log, made while the daemon runs."""

from __future__ import annotations

from pathlib import Path

import click

from routerd.cli.output import Failed, json_option, progress, say_json
from routerd.cli.paths import DataDirectory, PathTo


@click.command()
@click.argument("directory", metavar="DIR", type=DataDirectory())
@click.option(
    "--to",
    "target",
    required=True,
    metavar="DIR",
    type=PathTo(file_okay=False),
    help="Where the copy goes; it must hold no log.",
)
@json_option
def backup(directory: Path, target: Path, as_json: bool) -> None:
    """Copy the log of DIR, a data directory, and check the copy.

    The daemon may run meanwhile. The copy is a data directory: serve, verify or export it. The
    audit file is made anew from the log; it is copied where that was compacted, and so tells of
    less.
    """
    from routerd.audit.backup import back_up
    from routerd.log.base import LogCorrupt, LogUnavailable

    try:
        with progress() as told:
            ends = back_up(directory, target, told or (lambda done, of, what: None))
    except (LogCorrupt, LogUnavailable) as error:
        raise Failed(str(error)) from None
    except OSError as error:
        raise Failed(f"cannot write {target}: {error.strerror or error}") from None
    if as_json:
        say_json({"directory": str(target), "positions": ends})
        return
    for partition, position in ends.items():
        click.echo(f"{target}: partition {partition} up to position {position}, its chain is whole")
