"""The tables of a log in SQLite, and how they are read so that damage is never taken for data.

`entry` holds the entries. Its key is one integer, so an append goes to the last page of the table:
the number of the partition, times 2 ** 40, and the position. That is as many positions as an id of
a decision can tell apart. The first partition has the number 0: there the key is the position. With
the name of its partition beside it, each entry says where it belongs, whatever became of `tail`.

`tail` numbers the partitions, and says where each must end, because entries that vanish at the end
break no chain. `base` says behind what the entries of a partition start that was compacted; its
`proof` is a hash over the rest of the row.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import apsw

from routerd.log.base import WHOLE, Base, Entry, LogCompacted, LogCorrupt, LogUnavailable
from routerd.log.codec import HASH_BYTES, verified
from routerd.log.disk import why

BATCH = 256

FORMAT = 3
"""Of these tables; how those of older ones become them: routerd.log.migrations."""

PLACES = 2**40
MOST_PARTITIONS = 2**23

# position is not stored: it is for who reads the table by hand.
ENTRY = f"""entry (id INTEGER PRIMARY KEY, partition TEXT, hash BLOB, payload BLOB,
    position INTEGER AS (id % {PLACES}))"""
TAIL = """tail (partition TEXT PRIMARY KEY, number INTEGER, position INTEGER, hash BLOB)
    WITHOUT ROWID"""
BASE = """base (partition TEXT PRIMARY KEY, position INTEGER, hash BLOB,
    config_position INTEGER, config_hash BLOB, config BLOB, proof BLOB) WITHOUT ROWID"""
SCHEMA = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID;
CREATE TABLE {ENTRY};
CREATE TABLE {TAIL};
CREATE TABLE {BASE};
INSERT INTO meta VALUES ('format', {FORMAT}), ('probes', 0);
"""
FORMAT_OF_FILE = "SELECT value FROM meta WHERE key = 'format'"
END = "SELECT position, hash FROM tail WHERE partition = ?"
NUMBER = "SELECT number FROM tail WHERE partition = ?"
BASE_OF = """
SELECT position, hash, config_position, config_hash, config, proof FROM base WHERE partition = ?
"""
# That the name fits is asked of each: an entry that moved to another partition is missed.
BEHIND = """
SELECT position, hash, payload FROM entry WHERE id > ? AND id < ? AND partition = ?
ORDER BY id LIMIT ?
"""
NEWEST = """
SELECT position, hash FROM entry WHERE id > ? AND id < ? AND partition = ? ORDER BY id DESC LIMIT 1
"""
HASH = "SELECT hash FROM entry WHERE id = ? AND partition = ?"
# The first entry of each number. UNION, not UNION ALL: in a damaged table the next number can be an
# earlier one again.
FIRSTS = f"""
WITH RECURSIVE first(id) AS (
    SELECT min(id) FROM entry
    UNION SELECT (SELECT min(id) FROM entry WHERE id >= (first.id / {PLACES} + 1) * {PLACES})
        FROM first WHERE id IS NOT NULL)
SELECT partition, id / {PLACES} AS number FROM first JOIN entry USING (id)
"""
# A partition that lost its tail is still listed, so that reading it tells.
PARTITIONS = f"SELECT partition FROM ({FIRSTS}) UNION SELECT partition FROM tail ORDER BY 1"
LOST_NUMBER = f"SELECT number FROM ({FIRSTS}) WHERE partition = ?"
ORDER = "PRAGMA quick_check(entry)"
ALL = "PRAGMA quick_check"

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
    """The tables of the log in a directory, read by a connection."""

    def __init__(self, db: apsw.Connection, directory: Path) -> None:
        self.db = db
        self._directory = directory
        # The keys before the first ones of partitions that were read or appended to.
        self._firsts: dict[str, int] = {}

    def partitions(self) -> list[str]:
        names = [name for (name,) in self._select(PARTITIONS)]
        if not all(isinstance(name, str) for name in names):
            raise LogCorrupt("", 1, "the name of a partition is no text")
        return names

    def last(self, partition: str) -> tuple[int, bytes]:
        position, entry_hash, _ = self.base(partition)
        with contextlib.suppress(LogCorrupt):
            tail = self._tail(partition, 1)
            newest = self._select(NEWEST, (*self.keys(partition, 1), partition))
            if tail == (newest[0] if newest else (position, entry_hash)):
                position, entry_hash = tail
                return position, entry_hash
        for entry in self.read(partition):  # finds the first bad position and raises
            position, entry_hash = entry.position, entry.hash
        return position, entry_hash

    def require_order(self) -> None:
        self._require_ok(ORDER, "entries cannot be found by their position")

    def require_sound(self) -> None:
        """LogCorrupt when SQLite finds anything wrong with the file, whatever it keeps there."""
        self._require_ok(ALL, "its file is broken")

    def _require_ok(self, check: str, what: str) -> None:
        for (told,) in self._select(check):
            if told != "ok":
                raise LogCorrupt("", 1, f"{what} ({told})")

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
        first, end = self.keys(partition, after + 1)
        try:
            previous_hash = self._hash(partition, after)
            while previous_hash is not None:
                # First the tail: the entries that it promises must then be there.
                tail = self._tail(partition, after + 1)
                rows = self._behind(partition, after, (first + after, end, partition, batch))
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
        first, _ = self.keys(partition, position)
        rows = self._select(HASH, (first + position, partition), partition, position)
        if rows and isinstance(rows[0][0], bytes):
            return rows[0][0]
        if position > self.last(partition)[0]:
            return None
        raise LogCorrupt(partition, position, "it is missing")

    def _tail(self, partition: str, position: int) -> Row:
        rows = self._select(END, (partition,), partition, position)
        return rows[0] if rows else WHOLE[:2]

    def keys(self, partition: str, position: int) -> tuple[int, int]:
        """The keys of a partition's entries are greater than the first of these, and less than the
        other. Raises LogCorrupt, at a position."""
        first = self._firsts.get(partition)
        if first is None:
            number = self.number(partition, position)
            if number is None:
                return -PLACES, -PLACES  # there are none
            first = self._firsts[partition] = number * PLACES
        return first, first + PLACES

    def number(self, partition: str, position: int) -> int | None:
        """The number of a partition, even if it lost its tail; None of one that does not exist."""
        bindings = (partition,)
        rows = self._select(NUMBER, bindings, partition, position)
        rows = rows or self._select(LOST_NUMBER, bindings, partition, position)
        number = rows[0][0] if rows else None
        if rows and not (isinstance(number, int) and 0 <= number < MOST_PARTITIONS):
            raise LogCorrupt(partition, position, f"the number of its partition is {number!r}")
        return number

    def _behind(self, partition: str, after: int, bindings: Row) -> list[Row]:
        """The next rows, fetched at once: a transaction left open would keep the WAL growing.

        Those before a damaged one come first; the next call then raises.
        """
        rows: list[Row] = []
        with reading(self._directory, partition, after + 1):
            try:
                for row in self.db.execute(BEHIND, bindings):
                    rows.append(row)
            except DAMAGE:
                if not rows:
                    raise
        return rows

    def is_blank(self) -> bool:
        """Whether it was only just made: a whole log has a schema and more than one page."""
        ((pages,),) = self._select("PRAGMA page_count")
        return pages <= 1 and not self._select("SELECT 1 FROM sqlite_schema")

    def format(self) -> int:
        """The number of their format. Raises LogCorrupt, LogUnavailable."""
        found = self._select(FORMAT_OF_FILE)
        if len(found) != 1 or not isinstance(found[0][0], int) or found[0][0] < 1:
            told = found[0][0] if found else "missing"
            raise LogCorrupt("", 1, f"its format is {told}")
        number: int = found[0][0]
        return number

    def _select(
        self, sql: str, bindings: tuple[object, ...] = (), partition: str = "", position: int = 1
    ) -> list[Row]:
        with reading(self._directory, partition, position):
            return self.db.execute(sql, bindings).fetchall()


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
def reading(directory: Path, partition: str = "", position: int = 1) -> Iterator[None]:
    """Turns what SQLite says of a damaged file into LogCorrupt, the rest into LogUnavailable."""
    try:
        yield
    except DAMAGE as error:
        raise LogCorrupt(partition, position, f"SQLite cannot read it ({error})") from error
    except apsw.Error as error:
        raise LogUnavailable(f"cannot read the log: {why(error, directory)}") from error
