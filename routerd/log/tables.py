"""The tables of a log in SQLite, and how they are read so that damage is never taken for data.

`entry` holds the entries. `tail` says where each partition must end, because entries that vanish
at the end break no chain. `base` says behind what the entries of a partition start that was
compacted; its `proof` is a hash over the rest of the row.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

import apsw

from routerd.log.base import WHOLE, Base, Entry, LogCompacted, LogCorrupt, LogUnavailable
from routerd.log.codec import HASH_BYTES, verified
from routerd.log.migrations import BASE, FORMAT

BATCH = 256

SCHEMA = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID;
CREATE TABLE entry (partition TEXT, position INTEGER, hash BLOB, payload BLOB,
    PRIMARY KEY (partition, position)) WITHOUT ROWID;
CREATE TABLE tail (partition TEXT PRIMARY KEY, position INTEGER, hash BLOB) WITHOUT ROWID;
{BASE};
INSERT INTO meta VALUES ('format', {FORMAT}), ('probes', 0);
"""
FORMAT_OF_FILE = "SELECT value FROM meta WHERE key = 'format'"
INSERT = "INSERT INTO entry VALUES (?, ?, ?, ?)"
TAIL = "SELECT position, hash FROM tail WHERE partition = ?"
NEW_TAIL = "INSERT INTO tail VALUES (?, ?, ?)"
MOVE_TAIL = "UPDATE tail SET position = ?, hash = ? WHERE partition = ? AND position = ?"
BASE_OF = """
SELECT position, hash, config_position, config_hash, config, proof FROM base WHERE partition = ?
"""
NEW_BASE = "INSERT OR REPLACE INTO base VALUES (?, ?, ?, ?, ?, ?, ?)"
FORGET = "DELETE FROM entry WHERE partition = ? AND position <= ?"
BEHIND = """
SELECT position, hash, payload FROM entry WHERE partition = ? AND position > ?
ORDER BY position LIMIT ?
"""
NEWEST = "SELECT position, hash FROM entry WHERE partition = ? ORDER BY position DESC LIMIT 1"
HASH = "SELECT hash FROM entry WHERE partition = ? AND position = ?"
# A partition that lost its tail is still listed, so that reading it tells. UNION, not UNION ALL:
# in a damaged table the next name can be an earlier one again.
PARTITIONS = """
WITH RECURSIVE seen(name) AS (
    SELECT min(partition) FROM entry
    UNION SELECT (SELECT min(partition) FROM entry WHERE partition > name) FROM seen
        WHERE name IS NOT NULL)
SELECT name FROM seen WHERE name IS NOT NULL UNION SELECT partition FROM tail ORDER BY 1
"""

# What SQLite and the decoder of texts say of a file whose bytes were changed.
DAMAGE = (
    apsw.CorruptError,
    apsw.NotADBError,
    apsw.SQLError,
    apsw.FormatError,
    apsw.MismatchError,
    apsw.TooBigError,
    UnicodeDecodeError,
)

Row = tuple[Any, ...]


class Tables:
    """The reading half of a log; `_db` is the connection to read by."""

    _db: apsw.Connection

    def partitions(self) -> list[str]:
        names = [name for (name,) in self._select(PARTITIONS)]
        if not all(isinstance(name, str) for name in names):
            raise LogCorrupt("", 1, "the name of a partition is no text")
        return names

    def last(self, partition: str) -> tuple[int, bytes]:
        position, entry_hash, _ = self.base(partition)
        with contextlib.suppress(LogCorrupt):
            tail = self._tail(partition, 1)
            newest = self._select(NEWEST, (partition,))
            if tail == (newest[0] if newest else (position, entry_hash)):
                position, entry_hash = tail
                return position, entry_hash
        for entry in self.read(partition):  # finds the first bad position and raises
            position, entry_hash = entry.position, entry.hash
        return position, entry_hash

    def base(self, partition: str) -> Base:
        rows = self._select(BASE_OF, (partition,))
        return base_of(partition, rows[0]) if rows else WHOLE

    def read(self, partition: str, after: int | None = None) -> Iterator[Entry]:
        base = self.base(partition)
        if after is None:
            after = base.position
        elif after < base.position:
            raise LogCompacted(partition, base.position + 1)
        return self._read(partition, after, BATCH)

    def get(self, partition: str, position: int) -> Entry | None:
        if not 1 <= position <= self.last(partition)[0]:
            return None
        first = self.base(partition).position + 1
        if position < first:
            raise LogCompacted(partition, first)
        return next(self._read(partition, position - 1, 1))

    def _read(self, partition: str, after: int, batch: int) -> Iterator[Entry]:
        try:
            previous_hash = self._hash(partition, after)
            while previous_hash is not None:
                # First the tail: the entries that it promises must then be there.
                tail = self._tail(partition, after + 1)
                rows = self._behind(partition, after, batch)
                if not rows:
                    if tail != (after, previous_hash):
                        what = f"the log should end at position {tail[0]}"
                        raise LogCorrupt(partition, after + 1, what)
                    return
                for entry in verified(partition, after, previous_hash, rows):
                    yield entry
                    after, previous_hash = entry.position, entry.hash
        except LogCorrupt:
            first = self.base(partition).position + 1
            if after + 1 < first:  # the writer compacted them away while they were read
                raise LogCompacted(partition, first) from None
            raise

    def _hash(self, partition: str, position: int) -> bytes | None:
        """The hash to go on from behind a position; None when the log does not reach it."""
        base = self.base(partition)
        if position == base.position:
            return base.hash
        rows = self._select(HASH, (partition, position), partition, position)
        if rows and isinstance(rows[0][0], bytes):
            return rows[0][0]
        if position > self.last(partition)[0]:
            return None
        raise LogCorrupt(partition, position, "it is missing")

    def _tail(self, partition: str, position: int) -> Row:
        rows = self._select(TAIL, (partition,), partition, position)
        return rows[0] if rows else WHOLE[:2]

    def _behind(self, partition: str, after: int, batch: int) -> list[Row]:
        """The next rows, fetched at once: a transaction left open would keep the WAL growing.

        Those before a damaged one come first; the next call then raises.
        """
        rows: list[Row] = []
        with reading(partition, after + 1):
            try:
                for row in self._db.execute(BEHIND, (partition, after, batch)):
                    rows.append(row)
            except DAMAGE:
                if not rows:
                    raise
        return rows

    def _is_blank(self) -> bool:
        """Whether it was only just made: a whole log has a schema and more than one page."""
        ((pages,),) = self._select("PRAGMA page_count")
        return pages <= 1 and not self._select("SELECT 1 FROM sqlite_schema")

    def format(self) -> int:
        """The number of the tables' format. Raises LogCorrupt."""
        found = self._select(FORMAT_OF_FILE)
        if len(found) != 1 or not isinstance(found[0][0], int) or found[0][0] < 1:
            told = found[0][0] if found else "missing"
            raise LogCorrupt("", 1, f"its format is {told}")
        number: int = found[0][0]
        return number

    def _select(
        self, sql: str, bindings: tuple[object, ...] = (), partition: str = "", position: int = 1
    ) -> list[Row]:
        with reading(partition, position):
            return self._db.execute(sql, bindings).fetchall()


def base_row(base: Base) -> Row:
    """A base as it is stored, without the name of its partition."""
    config = base.config or Entry(0, b"", b"")
    row = (base.position, base.hash, *config)
    return (*row, proof_of(row))


def base_of(partition: str, row: Row) -> Base:
    """A stored base. Raises LogCorrupt."""
    position, entry_hash, *config, proof = row
    if proof != proof_of(row[:-1]):
        raise LogCorrupt(partition, 1, "where it was compacted to cannot be read")
    return Base(position, entry_hash, Entry(*config) if config[0] else None)


def proof_of(row: Row) -> bytes:
    return blake2b(repr(row).encode(), digest_size=HASH_BYTES).digest()


@contextlib.contextmanager
def reading(partition: str = "", position: int = 1) -> Iterator[None]:
    """Turns what SQLite says of a damaged file into LogCorrupt, the rest into LogUnavailable."""
    try:
        yield
    except DAMAGE as error:
        raise LogCorrupt(partition, position, f"SQLite cannot read it ({error})") from error
    except apsw.Error as error:
        raise LogUnavailable(f"cannot read the log: {error}") from error
