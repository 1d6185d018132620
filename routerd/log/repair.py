"""A new log out of what is whole in a damaged one. Nothing is made up, and nothing is thrown away.

What can be read of the file is gathered page by page, and the chain says what of it is true. Kept
is the longest stretch of entries up to the latest one that is reached without a gap: from the
log's start, or from a snapshot, which stands for all that was before it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import count, islice
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from routerd.core.events import ConfigApplied
from routerd.core.state import GENESIS, Marks
from routerd.log.base import WHOLE, Base, Entry, LogCorrupt, LogUnavailable
from routerd.log.check import look_through
from routerd.log.codec import HASH_BYTES, chain_hash, encode
from routerd.log.connections import PAGE_BYTES
from routerd.log.disk import power_held, sync_directory, take_lock, why
from routerd.log.opening import require_no_link
from routerd.log.reach import require_all_reached, snapshots_of
from routerd.log.salvage import Database, Wal, rows
from routerd.log.snapshot import Snapshots, start_of
from routerd.log.sqlite import SqliteLog
from routerd.log.tables import PLACES, base_of
from routerd.log.wal import require_whole

AT_ONCE = 1_000
BASE_COLUMNS = 7
Row = tuple[Any, ...]
SCRATCH = """
CREATE TABLE entry (partition TEXT, position INTEGER, hash BLOB, payload BLOB);
CREATE TABLE base (partition TEXT, position INTEGER, hash BLOB, config_position INTEGER,
    config_hash BLOB, config BLOB);
CREATE TABLE tail (partition TEXT, position INTEGER);
"""
INDEX = "CREATE INDEX place ON entry (partition, position)"
AT = "SELECT DISTINCT hash, payload FROM entry WHERE partition = ? AND position = ?"
NAMES = "SELECT partition FROM tail UNION SELECT partition FROM entry ORDER BY 1"
END = "SELECT ifnull(max(position), 0) FROM tail WHERE partition = ?"
BASES = "SELECT * FROM base WHERE partition = ? ORDER BY position"


class Kept(NamedTuple):
    """What a partition has after a repair: the entries from first to last, none if last is before
    first. end: the last that it had, as far as that can be told. snapshot: whether a snapshot
    stands for what is before first.
    """

    first: int
    last: int
    end: int
    snapshot: bool


class Stretch(NamedTuple):
    base: Base
    last: int
    snapshot: bool


class Repaired(NamedTuple):
    """What each partition has now, and where the old files are; None when nothing was broken, and
    all was left as it is."""

    kept: dict[str, Kept]
    aside: Path | None


def repair(directory: Path) -> Repaired:
    """Make a directory's log anew, unless it is whole.

    Raises LogUnavailable when a process has the log open, or when nothing of it is whole; OSError.
    """
    if not (directory / "log.db").is_file():
        raise LogUnavailable(f"no log in {directory}")
    require_no_link(directory / "log.db")
    lock = take_lock(directory)
    try:
        held = whole(directory)
        return Repaired(held, None) if held is not None else made_anew(directory)
    finally:
        os.close(lock)


def whole(directory: Path) -> dict[str, Kept] | None:
    """What each partition of a log has; None where anything is broken or missing."""
    snapshots, kept = Snapshots(directory), {}
    try:
        if power_held(directory):
            require_whole(directory / "log.db-wal", PAGE_BYTES)
        with closing(SqliteLog.open(directory, read_only=True)) as log:
            log.require_sound()
            require_all_reached(log, snapshots)
            for partition in log.partitions():
                base, (end, _) = log.base(partition).position, log.last(partition)
                look_through(log, partition, base, end)
                if base:
                    start_of(log, partition, snapshots.paths(partition))
                kept[partition] = Kept(base + 1, end, end, snapshot=False)
    except (LogCorrupt, LogUnavailable):
        return None
    return kept


def made_anew(directory: Path) -> Repaired:
    """Put a log of what is whole in the place of a broken one."""
    staging = directory / "repair"
    room = "which takes up to three times the room of the log"
    cannot = f"cannot write {staging}, {room}; nothing was changed"
    try:
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir()
        with closing(apsw.Connection(str(staging / "found.db"))) as found:
            gather(directory, found)
            kept = dict(rebuilt(found, staging, Snapshots(directory)))
        if not kept:
            raise LogUnavailable(f"nothing of {directory / 'log.db'} is whole: use a backup")
        if (staging / "log.db-wal").exists():  # SQLite says nothing of it where it closes a file
            raise LogUnavailable(f"{cannot}: its WAL could not be copied")
        aside = next_aside(directory)
        aside.mkdir()
        for name in ("log.db", "log.db-wal", "log.db-shm"):
            with suppress(FileNotFoundError):
                (directory / name).rename(aside / name)
        (staging / "log.db").rename(directory / "log.db")
        sync_directory(directory)
    except apsw.Error as error:
        raise LogUnavailable(f"{cannot}: {why(error, directory)}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Repaired(kept, aside)


def next_aside(directory: Path) -> Path:
    """Where broken files go that are found now; nothing is there yet."""
    return next(d for n in count(1) if not (d := directory / f"damaged-{n}").exists())


def gather(directory: Path, found: apsw.Connection) -> None:
    """Put every row that can be read, of entries, bases and tails, into tables of their own."""
    found.execute("PRAGMA synchronous = OFF")
    found.execute(SCRATCH)
    with closing(Database(directory / "log.db", PAGE_BYTES)) as database, found:
        for row in rows(database, PAGE_BYTES):
            sort_in(found, row)
        if (directory / "log.db-wal").exists():
            with closing(Wal(directory / "log.db-wal", PAGE_BYTES, database)) as wal:
                for row in rows(wal, PAGE_BYTES):
                    sort_in(found, row)
        found.execute(INDEX)


def sort_in(found: apsw.Connection, row: Row) -> None:
    """Tell by its columns which table a row is of."""
    match row:
        case (int(key), str(partition), bytes(entry_hash), bytes(payload)):
            entry = (partition, key % PLACES, entry_hash, payload)
            found.execute("INSERT INTO entry VALUES (?, ?, ?, ?)", entry)
        case (str(partition), _, int(position), bytes(entry_hash)) if len(entry_hash) == HASH_BYTES:
            found.execute("INSERT INTO tail VALUES (?, ?)", (partition, position))
        case (str(partition), int(), bytes(), *_, bytes()) if len(row) == BASE_COLUMNS:
            with suppress(LogCorrupt):
                base_of(partition, row[1:])
                found.execute("INSERT INTO base VALUES (?, ?, ?, ?, ?, ?)", row[:6])


def rebuilt(
    found: apsw.Connection, staging: Path, snapshots: Snapshots
) -> Iterator[tuple[str, Kept]]:
    """Write the best stretch of each partition to a new log, and tell what it is."""
    with closing(SqliteLog.open(staging)) as log:
        names = {name for (name,) in ask(found, NAMES)} | snapshots.partitions()
        for partition in sorted(names):
            best = stretch(found, partition, snapshots)
            if best is None:
                continue
            log.begin(partition, best.base)
            entries = chained(found, partition, best.base)
            after = best.base.position
            while some := list(islice(entries, AT_ONCE)):
                log.append(partition, some, after)
                after = some[-1].position
            ((end,),) = ask(found, END, partition)
            first = best.base.position + 1
            yield partition, Kept(first, best.last, max(end, best.last), best.snapshot)


def stretch(found: apsw.Connection, partition: str, snapshots: Snapshots) -> Stretch | None:
    """What reaches furthest without a gap; of several, the one with the longest past."""

    def hashes_at(position: int) -> list[bytes]:
        rows = ask(found, AT, partition, position)
        return [h for h, payload in rows if position > 1 or chain_hash(GENESIS, 1, payload) == h]

    paths = reversed(snapshots.paths(partition))
    snapped = [base_at(marks) for _, marks in snapshots_of(paths, hashes_at)]
    starts = [WHOLE, *(base_in(row) for row in ask(found, BASES, partition)), *snapped]
    best = None
    for base in starts:
        last = base.position
        for entry in chained(found, partition, base):
            last = entry.position
        # Of a log that was compacted, a stretch without a snapshot in it is worth nothing.
        usable = not base.position or any(base.position <= s.position <= last for s in snapped)
        if usable and last > (best.last if best else 0):
            best = Stretch(base, last, base in snapped)
    return best


def base_at(marks: Marks) -> Base:
    """A log's start behind a snapshot."""
    made_by = (marks.engine_version, marks.fingerprint)
    event = ConfigApplied(marks.time_ms, marks.partition, marks.config_bytes, *made_by)
    config = Entry(marks.position, marks.chain, encode(event))
    return Base(marks.position, marks.chain, config)


def base_in(row: Row) -> Base:
    _, position, entry_hash, *config = row
    return Base(position, entry_hash, Entry(*config) if config[0] else None)


def ask(found: apsw.Connection, sql: str, *bindings: object) -> list[tuple[Any, ...]]:
    return found.execute(sql, bindings).fetchall()


def chained(found: apsw.Connection, partition: str, base: Base) -> Iterator[Entry]:
    """The entries behind a base, as long as the chain goes on."""
    previous_hash = base.hash if base.position else GENESIS
    for position in count(base.position + 1):
        for entry_hash, payload in ask(found, AT, partition, position):
            if chain_hash(previous_hash, position, payload) == entry_hash:
                yield Entry(position, entry_hash, payload)
                previous_hash = entry_hash
                break
        else:
            return
