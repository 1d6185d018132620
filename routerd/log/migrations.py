"""The formats that the log's file had, and the steps from each to the next.

A step is one transaction, or it makes the file anew beside the old one and then puts it in its
place: a crash, or a full disk, leaves the file in one format or the other. A step, once released,
is never changed: a log of any released version is brought up to date by those that it lacks.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import apsw

from routerd.log.base import LogUnavailable
from routerd.log.disk import sync_directory, sync_stored, why
from routerd.log.numbered import Told, number_entries
from routerd.log.tables import BASE, FORMAT, Tables

BUSY_TIMEOUT_MS = 2_000
SAID_EVERY = 100_000

logger = logging.getLogger(__name__)


class Step(NamedTuple):
    """What a format lacks of the next one: told in a few words, and done in a transaction.

    anew: it fills an empty database, attached as `made`, which then takes the place of the file.
    """

    what: str
    do: Callable[[apsw.Connection, Told], object]
    anew: bool = False


STEPS: Mapping[int, Step] = {
    1: Step(
        "room to say where a compacted log starts", lambda db, _: db.execute(f"CREATE TABLE {BASE}")
    ),
    2: Step("numbers as keys of its entries (its file is made anew)", number_entries, anew=True),
}
"""By the format that a step starts from."""


def missing(held: int) -> list[Step]:
    """The steps that a file of a format still needs."""
    return [STEPS[number] for number in range(held, FORMAT)]


def migrate(path: Path, held: int, told: Told) -> None:
    """Bring a log's file, which nobody may have open, from a format to FORMAT, step by step.

    told(done, of, what) hears how far it is. Raises LogCorrupt, LogUnavailable, OSError,
    apsw.Error.
    """
    for number, step in enumerate(missing(held), held + 1):
        with closing(apsw.Connection(str(path))) as db:
            db.set_busy_timeout(BUSY_TIMEOUT_MS)
            if step.anew:
                make_anew(db, path, step, number, told)
            else:
                with db:
                    step.do(db, told)
                    db.execute("UPDATE main.meta SET value = ? WHERE key = 'format'", (number,))


def make_anew(db: apsw.Connection, path: Path, step: Step, number: int, told: Told) -> None:
    """Have a step fill a file beside the log's, and put that in its place."""
    made = path.with_name(f"{path.name}.new")
    made.unlink(missing_ok=True)  # of a process that was killed
    require_alone(db, path)
    free = shutil.disk_usage(path.parent).free
    if free < path.stat().st_size:
        raise full(path, free)
    try:
        db.execute("ATTACH ? AS made", (str(made),))
        # Until it has its name it may be lost at any time.
        db.execute("PRAGMA made.journal_mode = OFF; PRAGMA made.synchronous = OFF").fetchall()
        db.execute("BEGIN EXCLUSIVE")
        step.do(db, told)
        db.execute("UPDATE made.meta SET value = ? WHERE key = 'format'", (number,))
        db.execute("COMMIT")
        shutil.copymode(path, made)
        sync_stored(made)
        made.replace(path)
        sync_directory(path.parent)
    except apsw.FullError as error:
        raise full(path, free) from error
    finally:
        made.unlink(missing_ok=True)


def require_alone(db: apsw.Connection, path: Path) -> None:
    """Copy the WAL into the file and lock that for good, so that nobody reads what is replaced."""
    try:
        db.pragma("journal_mode", "delete")
        db.pragma("locking_mode", "exclusive")
        db.execute("BEGIN EXCLUSIVE; COMMIT")
    except apsw.BusyError as error:
        text = f"another process has {path} open, which is to be made anew: end it, and start again"
        raise LogUnavailable(text) from error
    except apsw.FullError as error:
        raise full(path, shutil.disk_usage(path.parent).free) from error


def full(path: Path, free: int) -> LogUnavailable:
    """What to say where a file has no room beside the old one. free: the bytes that there were."""
    size = path.stat().st_size
    return LogUnavailable(
        f"{path} is to be made anew for this version, and there is no room for that: it takes up "
        f"to {size / 1e6:.0f} MB, {free / 1e6:.0f} MB are free. Nothing has changed: make room and "
        "start again, or go on with the version that wrote it"
    )


def format_of(directory: Path) -> int:
    """The format of the log in a directory, whichever it is. Raises LogCorrupt, LogUnavailable."""
    tables = Tables()
    tables._directory = directory
    try:
        # Not to read only: a process that was killed may have left a transaction to take back.
        tables._db = apsw.Connection(str(directory / "log.db"), flags=apsw.SQLITE_OPEN_READWRITE)
        with closing(tables._db):
            tables._db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            return tables.format()
    except apsw.Error as error:
        text = f"cannot open {directory / 'log.db'}: {why(error, directory)}"
        raise LogUnavailable(text) from error


def say(done: int, count: int, what: str) -> None:
    """Tells the log of the process now and then how far it is."""
    if done % SAID_EVERY == 0:
        logger.warning("%s: %d of %d entries", what, done, count)
