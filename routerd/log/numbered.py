"""From format 2 to 3: the key of an entry becomes a number. See routerd.log.tables.

Each entry of the copy is read and held to the chain before the copy takes the place of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import apsw

from routerd.log.base import WHOLE, LogCorrupt
from routerd.log.codec import verified
from routerd.log.tables import BASE, ENTRY, PLACES, TAIL, base_of

Told = Callable[[int, int, str], None]
"""Hears how far something is: done, of how much, and what it is."""

AT_ONCE = 10_000

TABLES = f"""
CREATE TABLE made.meta (key TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID;
CREATE TABLE made.{ENTRY};
CREATE TABLE made.{TAIL};
CREATE TABLE made.{BASE};
INSERT INTO made.meta SELECT * FROM main.meta;
INSERT INTO made.base SELECT * FROM main.base;
INSERT INTO made.tail
    SELECT partition, row_number() OVER (ORDER BY partition) - 1, position, hash FROM main.tail;
"""
WITHOUT_END = "SELECT DISTINCT partition FROM main.entry EXCEPT SELECT partition FROM main.tail"
COUNT = "SELECT count(*) FROM main.entry"
ENDS = "SELECT partition, number, position, hash FROM made.tail ORDER BY number"
STARTS = """
SELECT position, hash, config_position, config_hash, config, proof FROM made.base
WHERE partition = ?
"""
COPY = f"""
INSERT INTO made.entry SELECT ? * {PLACES} + position, partition, hash, payload FROM main.entry
WHERE partition = ? AND position > ? AND typeof(position) = 'integer' ORDER BY position LIMIT ?
"""
COPIED = """
SELECT position, hash, payload FROM made.entry WHERE id > ? AND id < ? AND partition = ? ORDER BY id
"""


def number_entries(db: apsw.Connection, told: Told) -> None:
    """Fill the empty database `made` with what `main` holds. Raises LogCorrupt, apsw.Error."""
    db.execute(TABLES)
    for (partition,) in db.execute(WITHOUT_END):
        raise LogCorrupt(str(partition), 1, "where its log ends is missing")
    ((count,),) = db.execute(COUNT)
    ends: list[Any] = db.execute(ENDS).fetchall()
    done = 0
    for partition, number, *_ in ends:
        for copied in copy(db, partition, number):
            done += copied
            told(done, count, "copying")
    done = 0
    for partition, number, *end in ends:
        row = db.execute(STARTS, (partition,)).fetchone()
        position, entry_hash, _ = base_of(partition, row) if row else WHOLE
        first = number * PLACES
        rows = db.execute(COPIED, (first, first + PLACES, partition))
        for entry in verified(partition, position, entry_hash, rows):
            position, entry_hash, _ = entry
            done += 1
            if done % AT_ONCE == 0:
                told(done, count, "checking")
        if [position, entry_hash] != end:
            raise LogCorrupt(partition, position + 1, f"the log should end at position {end[0]}")
    if done != count:
        raise LogCorrupt("", 1, f"{count - done} of its entries have no place")


def copy(db: apsw.Connection, partition: str, number: int) -> Iterator[int]:
    """Copy the entries of a partition; how many, some at a time."""
    after = 0
    while db.execute(COPY, (number, partition, after, AT_ONCE)) and (copied := db.changes()):
        after = db.last_insert_rowid() % PLACES
        yield copied
