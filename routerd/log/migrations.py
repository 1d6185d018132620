"""The formats that the log's file had, and the steps from each to the next.

A step is one transaction: a crash, or a full disk, leaves the file in one format or the other. A
step, once released, is never changed: a log of any released version is brought up to date by those
that it lacks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import apsw

from routerd.log.base import LogUnavailable
from routerd.log.disk import why
from routerd.log.opening import require_file
from routerd.log.tables import FORMAT, Tables

BUSY_TIMEOUT_MS = 2_000


class Step(NamedTuple):
    """What a format lacks of the next one: told in a few words, and done in a transaction."""

    what: str
    do: Callable[[apsw.Connection], object]


STEPS: Mapping[int, Step] = {}
"""By the format that a step starts from. The first release's format is 3, so there is none yet."""


def require_known(path: Path, held: int) -> None:
    """LogUnavailable where no step starts from a file's format, and it is not FORMAT."""
    if held > FORMAT:
        raise LogUnavailable(
            f"cannot open {path}: its format is {held}, and this version of routerd "
            f"knows formats up to {FORMAT}; use the version that wrote it, or a newer one"
        )
    if held < min(STEPS, default=FORMAT):
        raise LogUnavailable(
            f"cannot open {path}: its format is {held}, of a version that was never released; "
            "use that one, or a new directory"
        )


def missing(held: int) -> list[Step]:
    """The steps that a file of a known format still needs."""
    return [STEPS[number] for number in range(held, FORMAT)]


def migrate(path: Path, held: int) -> None:
    """Bring a log's file, which nobody may have open, from a format to FORMAT, step by step.

    Raises apsw.Error.
    """
    for number, step in enumerate(missing(held), held + 1):
        with closing(apsw.Connection(str(path))) as db:
            db.set_busy_timeout(BUSY_TIMEOUT_MS)
            with db:
                step.do(db)
                db.execute("UPDATE meta SET value = ? WHERE key = 'format'", (number,))


def format_of(directory: Path) -> int:
    """The format of the log in a directory, whichever it is. Raises LogCorrupt, LogUnavailable."""
    require_file(directory / "log.db")
    try:
        # Not to read only: a process that was killed may have left a transaction to take back.
        flags = apsw.SQLITE_OPEN_READWRITE
        with closing(apsw.Connection(str(directory / "log.db"), flags=flags)) as db:
            db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            return Tables(db, directory).format()
    except apsw.Error as error:
        text = f"cannot open {directory / 'log.db'}: {why(error, directory)}"
        raise LogUnavailable(text) from error
