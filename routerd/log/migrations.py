"""The formats that the log's file had, and the steps from each to the next.

Every step is one transaction, so a crash leaves the file in one format or the other. A step, once
released, is never changed: a log of any released version is brought up to date by those it lacks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import apsw

FORMAT = 2
"""Of the tables that this version writes."""

BASE = """
CREATE TABLE base (partition TEXT PRIMARY KEY, position INTEGER, hash BLOB,
    config_position INTEGER, config_hash BLOB, config BLOB, proof BLOB) WITHOUT ROWID
"""


class Step(NamedTuple):
    """What a format lacks of the next one: told in a few words, and done in a transaction."""

    what: str
    do: Callable[[apsw.Connection], object]


STEPS: Mapping[int, Step] = {
    1: Step("room to say where a compacted log starts", lambda db: db.execute(BASE)),
}
"""By the format that a step starts from."""


def missing(held: int) -> list[Step]:
    """The steps that a file of a format still needs."""
    return [STEPS[number] for number in range(held, FORMAT)]


def migrate(db: apsw.Connection, held: int) -> None:
    """Bring the tables from a format to FORMAT, one step after the other."""
    for number, step in enumerate(missing(held), held + 1):
        with db:
            step.do(db)
            db.execute("UPDATE meta SET value = ? WHERE key = 'format'", (number,))
