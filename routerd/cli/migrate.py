"""`routerd migrate`: a log of an older format, brought up to date without a daemon."""

from __future__ import annotations

from pathlib import Path

import click

from routerd.cli.output import Failed
from routerd.cli.paths import PathTo


@click.command()
@click.argument("directory", metavar="DIR", type=PathTo())
@click.option("--check", is_flag=True, help="Only tell what is missing; exit code 1 if anything.")
def migrate(directory: Path, check: bool) -> None:
    """Bring the log of DIR, a data directory, up to date.

    `routerd serve` does so by itself; this is for logs that are only read. It is done as a whole or
    not at all. An older version cannot open the log afterwards: make a copy first.
    """
    from routerd.audit.reach import open_audited
    from routerd.log.base import LogCorrupt, LogUnavailable
    from routerd.log.migrations import format_of, missing, require_known
    from routerd.log.tables import FORMAT

    if not (directory / "log.db").is_file():
        raise Failed(f"no log in {directory}: give the data directory of `routerd serve`")
    try:
        held = format_of(directory)
        require_known(directory / "log.db", held)
        steps = missing(held)
        if check and steps:
            raise Failed(f"format {held} lacks: {'; '.join(step.what for step in steps)}")
        if not check:
            open_audited(directory).close()
    except (LogCorrupt, LogUnavailable) as error:
        raise Failed(str(error)) from None
    if steps:
        click.echo(f"{directory / 'log.db'}: format {held} became format {FORMAT}")
    else:
        click.echo(f"{directory / 'log.db'}: format {FORMAT}, nothing to do")
