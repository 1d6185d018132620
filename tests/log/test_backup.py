"""A backup is one moment of a log that goes on, whole and checked."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from routerd.log.backup import back_up
from routerd.log.base import Entry
from routerd.log.codec import chain_hash
from routerd.log.connections import PAGE_BYTES
from routerd.log.sqlite import COPIED_PAGES, SqliteLog


def append(log: SqliteLog, partition: str, count: int, size: int) -> None:
    """Entries of `size` bytes behind the last."""
    expect, link = log.last(partition)
    made = []
    for position in range(expect + 1, expect + 1 + count):
        link = chain_hash(link, position, bytes(size))
        made.append(Entry(position, link, bytes(size)))
    log.append(partition, made, expect)


def test_a_log_that_grows_meanwhile_is_copied_as_it_was(tmp_path: Path) -> None:
    """Appends go on between the pages, and are not in the copy; nothing makes it begin again."""
    steps: list[int] = []
    with closing(SqliteLog.open(tmp_path / "data")) as log:
        append(log, "default", 2 * COPIED_PAGES * PAGE_BYTES // 60_000, 60_000)
        append(log, "acme", 3, 10)
        before = {name: log.last(name)[0] for name in log.partitions()}

        def told(done: int, of: int, what: str) -> None:
            if what == "copying":
                steps.append(done)
                append(log, "default", 1, 60_000)

        assert back_up(tmp_path / "data", tmp_path / "copy", told) == before
        assert log.last("default")[0] == before["default"] + len(steps)
    assert len(steps) >= 3
    assert steps == sorted(set(steps))
    with closing(SqliteLog.open(tmp_path / "copy")) as copy:
        append(copy, "default", 1, 10)
        assert copy.last("default")[0] == before["default"] + 1
