"""`routerd export`: decisions and what came of them, as a table for other programs."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from routerd.cli.output import Exit, Failed, progress
from routerd.cli.paths import DataDirectory, PathTo
from routerd.core.base import DEFAULT_PARTITION
from routerd.core.words import counted


@click.command()
@click.argument("directory", metavar="DIR", type=DataDirectory())
@click.option(
    "--to",
    "path",
    required=True,
    metavar="FILE",
    type=PathTo(dir_okay=False),
    help="What to write: a name that ends in .parquet or .csv.",
)
@click.option("--partition", default=DEFAULT_PARTITION, show_default=True)
def export(directory: Path, path: Path, partition: str) -> None:
    """Write the decisions of DIR, a data directory, to a table.

    A row for each with its law and its outcome, in the order in which they were made; the daemon
    may run meanwhile. `routerd bench ope` reads it.
    """
    from routerd.audit.export import WRITERS, MissingPyarrow, decisions, write
    from routerd.log.base import LogCorrupt, LogUnavailable
    from routerd.log.sqlite import SqliteLog

    if path.suffix not in WRITERS:
        told = f"{path}: the name must end in {' or '.join(WRITERS)}"
        raise Failed(told, exit_code=Exit.USAGE)
    try:
        with closing(SqliteLog.open(directory, read_only=True)) as log:
            if partition not in log.partitions():
                known = ", ".join(log.partitions())
                raise Failed(f"{directory} has no partition {partition!r}; there are: {known}")
            with progress() as told_how_far:
                count = write(decisions(log, partition, told_how_far), path)
    except MissingPyarrow as error:
        raise Failed(str(error), exit_code=Exit.USAGE) from None
    except (LogCorrupt, LogUnavailable) as error:
        raise Failed(str(error)) from None
    except OSError as error:
        raise Failed(f"cannot write {path}: {error.strerror or error}") from None
    click.echo(f"{counted(count, 'decision')} in {path}")
