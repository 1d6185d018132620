"""How the tables of a log are written to: each call is one commit, by the connection that reads."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from routerd.log.base import Base, Conflict, Entry, LogUnavailable
from routerd.log.codec import base_behind
from routerd.log.tables import END, MOST_PARTITIONS, PLACES, Tables, base_row

INSERT = "INSERT INTO entry VALUES (?, ?, ?, ?)"
FORGET = "DELETE FROM entry WHERE id >= ? AND id <= ?"
NEW_BASE = "INSERT OR REPLACE INTO base VALUES (?, ?, ?, ?, ?, ?, ?)"
NEW_TAIL = "INSERT INTO tail VALUES (?, ?, ?, ?)"
MOVE_TAIL = "UPDATE tail SET position = ?, hash = ? WHERE partition = ? AND position = ?"
# A whole commit as one text: an entry that is alone takes a tenth less than by four.
APPEND_ONE = f"""
BEGIN IMMEDIATE;
{MOVE_TAIL};
INSERT INTO entry SELECT ?, ?, ?, ? WHERE changes() = 1;
COMMIT
"""
NEXT_NUMBER = f"""
SELECT max((SELECT ifnull(max(number), -1) FROM tail),
    (SELECT ifnull(max(id) / {PLACES}, -1) FROM entry)) + 1
"""


def append(tables: Tables, partition: str, entries: Sequence[Entry], expect: int) -> None:
    """Append entries, which have the positions behind `expect`. Raises Conflict."""
    if len(entries) == 1 and append_one(tables, partition, entries[0], expect):
        return
    with tables.db:
        first = move_tail(tables, partition, entries, expect)
        rows = [(first + position, partition, *rest) for position, *rest in entries]
        tables.db.executemany(INSERT, rows)


def append_one(tables: Tables, partition: str, entry: Entry, expect: int) -> bool:
    """Append an entry; False, and nothing was done, where the log does not end as expected."""
    db, (position, entry_hash, payload) = tables.db, entry
    key = tables.keys(partition, position)[0] + position
    moved = (position, entry_hash, partition, expect)
    try:
        db.execute(APPEND_ONE, (*moved, key, partition, entry_hash, payload))
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return db.changes() == 1


def move_tail(tables: Tables, partition: str, entries: Sequence[Entry], expect: int) -> int:
    """Make the tail name the end of the entries; the key before the partition's first.

    Raises Conflict.
    """
    if entries:
        tables.db.execute(MOVE_TAIL, (*entries[-1][:2], partition, expect))
        if tables.db.changes():
            return tables.keys(partition, expect)[0]
    row = tables.db.execute(END, (partition,)).fetchone()
    last = row[0] if row else 0
    if last != expect:
        raise Conflict(partition, expect, last)
    return begin_tail(tables, partition, *entries[-1][:2]) if entries else 0


def begin_tail(tables: Tables, partition: str, position: int, entry_hash: bytes) -> int:
    """Give a partition its number and a tail; the key before its first."""
    number = tables.number(partition, position)
    if number is None:
        ((number,),) = tables.db.execute(NEXT_NUMBER)
    if number >= MOST_PARTITIONS:
        raise LogUnavailable(f"the log holds {MOST_PARTITIONS} partitions already")
    tables.db.execute(NEW_TAIL, (partition, number, position, entry_hash))
    return number * PLACES


def forget(tables: Tables, partition: str, through: int, most: int) -> int:
    """Let go of the first entries up to a position, `most` of them at most; how many."""
    base = tables.base(partition)
    last = min(through, base.position + most, tables.last(partition)[0])
    if last <= base.position:
        return 0
    # What goes is read once more: the new base stands for it.
    gone = list(islice(tables.read(partition), last - base.position))
    with tables.db as db:
        db.execute(NEW_BASE, (partition, *base_row(base_behind(base, gone))))
        first, _ = tables.keys(partition, last)
        db.execute(FORGET, (first, first + last))
    return len(gone)


def begin(tables: Tables, partition: str, base: Base) -> None:
    """Have a partition that holds nothing start behind a base."""
    if base.position:
        with tables.db as db:
            db.execute(NEW_BASE, (partition, *base_row(base)))
            begin_tail(tables, partition, *base[:2])
