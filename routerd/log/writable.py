"""The tables of a log as they are appended to, a commit for each call."""

from __future__ import annotations

from collections.abc import Sequence

from routerd.log.base import Conflict, Entry, LogUnavailable
from routerd.log.tables import END, MOST_PARTITIONS, PLACES, Tables

INSERT = "INSERT INTO entry VALUES (?, ?, ?, ?)"
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


class WritableTables(Tables):
    """The half of a log that appends by the same connection."""

    def _append_one(self, partition: str, entry: Entry, expect: int) -> bool:
        """Appends an entry; False, and nothing was done, where the log does not end as expected."""
        position, entry_hash, payload = entry
        key = self._keys(partition, position)[0] + position
        moved = (position, entry_hash, partition, expect)
        try:
            self._db.execute(APPEND_ONE, (*moved, key, partition, entry_hash, payload))
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        return self._db.changes() == 1

    def _append_all(self, partition: str, entries: Sequence[Entry], expect: int) -> None:
        """Appends entries in one commit. Raises Conflict."""
        with self._db:
            first = self._move_tail(partition, entries, expect)
            rows = [(first + position, partition, *rest) for position, *rest in entries]
            self._db.executemany(INSERT, rows)

    def _move_tail(self, partition: str, entries: Sequence[Entry], expect: int) -> int:
        """Makes the tail name the end of the entries; the key before the partition's first.

        Raises Conflict.
        """
        if entries:
            self._db.execute(MOVE_TAIL, (*entries[-1][:2], partition, expect))
            if self._db.changes():
                return self._keys(partition, expect)[0]
        row = self._db.execute(END, (partition,)).fetchone()
        last = row[0] if row else 0
        if last != expect:
            raise Conflict(partition, expect, last)
        return self._begin_tail(partition, *entries[-1][:2]) if entries else 0

    def _begin_tail(self, partition: str, position: int, entry_hash: bytes) -> int:
        """Gives a partition its number and a tail; the key before its first."""
        number = self._number(partition, position)
        if number is None:
            ((number,),) = self._db.execute(NEXT_NUMBER)
        if number >= MOST_PARTITIONS:
            raise LogUnavailable(f"the log holds {MOST_PARTITIONS} partitions already")
        self._db.execute(NEW_TAIL, (partition, number, position, entry_hash))
        return number * PLACES
