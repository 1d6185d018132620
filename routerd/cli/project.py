"""`routerd project`: the log folded into tables, by hand or as the daemon's child."""

from __future__ import annotations

import logging
import os
import signal
import sys
from pathlib import Path

import click

from routerd.cli.output import Failed, json_option, progress, say_json
from routerd.cli.paths import DataDirectory

NICE = 10


@click.command()
@click.argument("directory", metavar="DIR", type=DataDirectory())
@click.option("--rebuild", is_flag=True, help="Make the tables anew from position 1.")
@click.option(
    "--keep",
    metavar="EVENTS",
    type=click.IntRange(min=1_000),
    help="Closed decisions from before so many of the latest events go. Default: none.",
)
@click.option("--follow", is_flag=True, help="Do not stop at the log's end; wait for more.")
@click.option("--lifeline", is_flag=True, hidden=True, help="End when stdin is closed.")
@json_option
def project(
    directory: Path, rebuild: bool, keep: int | None, follow: bool, lifeline: bool, as_json: bool
) -> None:
    """Bring the audit file of the data directory DIR up to date.

    A running daemon does so by itself. DIR/audit.db is an SQLite file for any tool; it is made
    from the log, and can be made anew.
    """
    import sqlite3

    from routerd.audit.process import Busy, catch_up
    from routerd.audit.process import follow as follow_on
    from routerd.audit.store import Unusable
    from routerd.log.base import LogCompacted, LogCorrupt, LogUnavailable
    from routerd.log.disk import why

    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        if follow:
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
            if lifeline:
                os.nice(NICE)  # the daemon goes first
            follow_on(
                directory, sys.stdin.fileno() if lifeline else None, rebuild=rebuild, keep=keep
            )
            return
        with progress() as told:
            reached = catch_up(directory, rebuild=rebuild, keep=keep, told=told)
        say(reached, as_json)
    except (Busy, Unusable, LogCorrupt, LogUnavailable) as error:
        raise Failed(str(error)) from None
    except (sqlite3.Error, OSError) as error:
        cannot = f"cannot write the audit of {directory}"
        raise Failed(f"{cannot}: {why(error, directory)}") from None
    except LogCompacted as error:
        raise Failed(f"{error}, by a daemon that runs: project again") from None


def say(reached: dict[str, int], as_json: bool) -> None:
    if as_json:
        say_json({"projected_through": reached})
        return
    for partition, position in reached.items():
        click.echo(f"the audit of partition {partition} holds everything up to position {position}")
