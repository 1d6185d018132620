"""Entries that tests append, and what they do with a log on disk again and again."""

from __future__ import annotations

from contextlib import closing
from hashlib import shake_128
from pathlib import Path

from routerd.core.state import GENESIS
from routerd.log.base import Entry
from routerd.log.codec import chain_hash
from routerd.log.sqlite import SqliteLog


def payload_of(position: int) -> bytes:
    """What every test writes at a position: up to 700 bytes, and sometimes 9,000."""
    length = 9_000 if position % 40 == 0 else 20 + 37 * position % 680
    return shake_128(b"%d" % position).digest(length)


def following(after: int, previous_hash: bytes, count: int) -> list[Entry]:
    """The next entries behind a position."""
    entries = []
    for position in range(after + 1, after + count + 1):
        payload = payload_of(position)
        previous_hash = chain_hash(previous_hash, position, payload)
        entries.append(Entry(position, previous_hash, payload))
    return entries


def append(log: SqliteLog, count: int, at_once: int = 1) -> list[Entry]:
    """`count` entries appended to partition p, `at_once` in a commit."""
    entries: list[Entry] = []
    while len(entries) < count:
        after, previous_hash = log.last("p")
        batch = following(after, previous_hash, min(at_once, count - len(entries)))
        log.append("p", batch, after)
        entries += batch
    return entries


def read_all(directory: Path) -> list[Entry]:
    """All entries of partition p, read without writing."""
    with closing(SqliteLog.open(directory, read_only=True)) as log:
        return list(log.read("p"))


def wal_bytes(directory: Path) -> int:
    return (directory / "log.db-wal").stat().st_size


def append_large(log: SqliteLog, size_bytes: int, *, sync: bool = False) -> list[Entry]:
    """Entries of 400 kB, until they are as large as asked."""
    payload = bytes(400_000)
    entries = []
    position, entry_hash = log.last("p")
    for _ in range(size_bytes // len(payload) + 1):
        entry_hash = chain_hash(entry_hash, position + 1, payload)
        entries.append(Entry(position + 1, entry_hash, payload))
        log.append("p", entries[-1:], position)
        position += 1
        if sync:
            log.sync()
    return entries


def log_end(entries: list[Entry]) -> tuple[int, bytes]:
    return entries[-1][:2] if entries else (0, GENESIS)
