"""`routerd snapshot`: the state of a log as a file, so that a start need not fold all of it."""

from __future__ import annotations

import os
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import click

from routerd.cli.output import Failed, json_option, say_json
from routerd.cli.paths import DataDirectory

NICE = 10


@click.command()
@click.argument("directory", metavar="DIR", type=DataDirectory())
@click.option("--keep", type=click.IntRange(1, 100), default=2, show_default=True)
@click.option("--nice", is_flag=True, hidden=True, help="Let the daemon go first.")
@json_option
def snapshot(directory: Path, keep: int, nice: bool, as_json: bool) -> None:
    """Write a snapshot of DIR, a data directory.

    One of each of its partitions; the newest ones are kept. A running daemon has them made by
    itself. One is made from the newest that there is and from what the log holds behind it, and
    takes no lock: the daemon may run meanwhile.
    """
    from routerd.engine.fold import fold
    from routerd.log.base import LogCompacted, LogCorrupt, LogUnavailable
    from routerd.log.check import seal
    from routerd.log.disk import sync_stored, why
    from routerd.log.snapshot import Snapshots
    from routerd.log.sqlite import SqliteLog

    if nice:
        os.nice(NICE)
    made = {}
    try:
        snapshots = Snapshots(directory)
        with closing(SqliteLog.open(directory, read_only=True)) as log:
            for partition in log.partitions():
                state = fold(log, partition, snapshots)
                # The daemon may not have synced all of it: a snapshot must not outlive its log.
                sync_stored(directory / "log.db-wal", directory / "log.db")
                path = snapshots.write(state, keep, partial(log.last, partition))
                made[partition] = (state.position, str(path))
                with suppress(LogCompacted):  # by the daemon, meanwhile: what is left next time
                    seal(log, partition, state.position, directory)
    except (LogCorrupt, LogUnavailable) as error:
        raise Failed(str(error)) from None
    except OSError as error:
        raise Failed(f"cannot write a snapshot of {directory}: {why(error, directory)}") from None
    if as_json:
        say_json({name: {"position": at, "file": path} for name, (at, path) in made.items()})
        return
    for partition, (position, file) in made.items():
        click.echo(f"{file}: partition {partition} up to position {position}")
