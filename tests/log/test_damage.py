"""A log whose file was changed: whatever is hit is told, and nothing else is read instead."""

from __future__ import annotations

import contextlib
import random
import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from routerd.core.state import GENESIS
from routerd.log.base import Entry, LogCorrupt, LogUnavailable
from routerd.log.connections import PAGE_BYTES
from routerd.log.sqlite import SqliteLog
from tests.log.entries import append, following


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Entry]]:
    """A closed log, and what it holds."""
    directory = tmp_path_factory.mktemp("whole")
    with closing(SqliteLog.open(directory)) as log:
        entries = append(log, 85)
    return directory, entries


@contextlib.contextmanager
def flipped(path: Path, offset: int, mask: int) -> Iterator[None]:
    """The file with one byte changed, until the end of the block."""

    def flip() -> None:
        with path.open("r+b") as file:
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([byte ^ mask]))

    flip()
    try:
        yield
    finally:
        flip()


def read_damaged(directory: Path) -> tuple[list[Entry], LogCorrupt | None]:
    """What a reader gets of a damaged log, and what it is told then."""
    found: list[Entry] = []
    try:
        with closing(SqliteLog.open(directory, read_only=True)) as log:
            found.extend(log.read("p"))
    except LogCorrupt as error:
        return found, error
    return found, None


def test_a_flipped_bit_in_any_hash_or_payload_is_found_there(
    whole: tuple[Path, list[Entry]],
) -> None:
    """Whatever entry is hit, those before it are read, and LogCorrupt names its position."""
    directory, entries = whole
    stored = (directory / "log.db").read_bytes()
    for entry in entries:
        middle = len(entry.payload) // 2
        parts = [entry.payload[at : at + 16] for at in (0, middle, len(entry.payload) - 16)]
        for part in [entry.hash, *parts]:
            named = []
            # SQLite leaves old copies of moved entries in the unused space of a page.
            for copy in re.finditer(re.escape(part), stored):
                with flipped(directory / "log.db", copy.start() + 7, 1 << entry.position % 8):
                    found, error = read_damaged(directory)
                if error is not None:
                    named.append(error.position)
                assert found == entries[: error.position - 1 if error else None]
            # The hash of the last entry stands in `tail` as well, where nothing follows.
            in_tail = [entry.position + 1] if part == entries[-1].hash else []
            assert sorted(named) == [entry.position, *in_tail]


def test_a_changed_byte_anywhere_never_gives_other_entries(
    whole: tuple[Path, list[Entry]],
) -> None:
    """A byte of any page either matters to nothing, or is told with the first bad position."""
    directory, entries = whole
    rng = random.Random(1)
    told = 0
    for page in range(0, (directory / "log.db").stat().st_size, PAGE_BYTES):
        header = range(page, page + 16)
        inside = (page + rng.randrange(16, PAGE_BYTES) for _ in range(32))
        for offset in [*header, *inside]:
            with flipped(directory / "log.db", offset, rng.randrange(1, 256)):
                found, error = read_damaged(directory)
            if error is None:
                assert found == entries, f"byte {offset}"
            else:
                told += 1
                assert found == entries[: len(found)], f"byte {offset}"
                assert error.position == len(found) + 1, f"byte {offset}"
    assert told > 100


@pytest.mark.parametrize(
    ("harm", "position"),
    [
        ("DELETE FROM entry WHERE position > 80", 81),
        ("DELETE FROM entry WHERE position = 3", 3),
        ("DELETE FROM entry", 1),
        ("DELETE FROM tail", 86),
        ("UPDATE tail SET position = 99", 86),
        ("UPDATE tail SET hash = x'00'", 86),
        ("UPDATE entry SET payload = NULL WHERE position = 85", 85),
        ("UPDATE entry SET payload = CAST(x'ff' AS TEXT) WHERE position = 85", 85),
        ("UPDATE tail SET number = 1", 1),
        ("UPDATE tail SET number = -1", 1),
        ("UPDATE tail SET number = 'one'", 1),
        ("UPDATE entry SET id = 900 WHERE position = 85", 85),
        ("UPDATE entry SET partition = 'q' WHERE position = 85", 85),
        ("UPDATE entry SET partition = 'a' WHERE position = 1", 1),
        ("DROP TABLE tail", 1),
    ],
)
def test_what_vanished_or_moved_is_missed(
    whole: tuple[Path, list[Entry]], tmp_path: Path, harm: str, position: int
) -> None:
    """Entries that are gone, even the last ones, and a lost end of the log are told."""
    shutil.copy(whole[0] / "log.db", tmp_path)
    with closing(apsw.Connection(str(tmp_path / "log.db"))) as db:
        db.execute(harm)
    with closing(SqliteLog.open(tmp_path)) as log:
        found: list[Entry] = []
        with pytest.raises(LogCorrupt) as caught:
            found.extend(log.read("p"))
        assert (caught.value.partition, caught.value.position) == ("p", position)
        if position > 80 and "payload" not in harm:
            with pytest.raises(LogCorrupt):
                log.last("p")
        if "DROP" not in harm:
            assert "p" in log.partitions()


def test_a_partition_that_lost_its_end_keeps_its_place(tmp_path: Path) -> None:
    """A new partition takes neither its number nor its entries, and it is still found and told."""
    with closing(SqliteLog.open(tmp_path)) as log:
        append(log, 30)
        for name in ("q", "a"):
            log.append(name, following(0, GENESIS, 20), 0)
    with closing(apsw.Connection(str(tmp_path / "log.db"))) as db:
        numbers = db.execute("SELECT partition, number FROM tail").fetchall()
        assert sorted(numbers) == [("a", 2), ("p", 0), ("q", 1)]
        db.execute("DELETE FROM tail WHERE partition = 'a'")
    with closing(SqliteLog.open(tmp_path)) as log:
        log.append("r", following(0, GENESIS, 10), 0)
        assert log.partitions() == ["a", "p", "q", "r"]
        for name, count in (("p", 30), ("q", 20), ("r", 10)):
            assert list(log.read(name)) == following(0, GENESIS, count)
        found: list[Entry] = []
        with pytest.raises(LogCorrupt) as caught:
            found.extend(log.read("a"))
        assert (found, caught.value.position) == (following(0, GENESIS, 20), 21)


@pytest.mark.parametrize("read_only", [False, True])
def test_a_log_that_lost_its_schema_is_not_taken_for_a_new_one(
    whole: tuple[Path, list[Entry]], tmp_path: Path, read_only: bool
) -> None:
    """Where the file is too long to be new, an empty schema is damage, and nothing is written."""
    stored = bytearray((whole[0] / "log.db").read_bytes())
    stored[103:105] = b"\x00\x00"  # the number of tables and indexes on the first page
    (tmp_path / "log.db").write_bytes(stored)
    with pytest.raises(LogCorrupt, match="its start"):
        SqliteLog.open(tmp_path, read_only)
    assert (tmp_path / "log.db").read_bytes() == stored


@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_that_is_no_log_is_refused(tmp_path: Path, read_only: bool) -> None:
    """Neither foreign bytes nor a log of an unknown format are opened or changed."""
    path = tmp_path / "log.db"
    path.write_bytes(b"no database" * 1_000)
    with pytest.raises(LogCorrupt, match="its start"):
        SqliteLog.open(tmp_path, read_only)
    assert path.read_bytes() == b"no database" * 1_000
    path.unlink()
    SqliteLog.open(tmp_path).close()
    with closing(apsw.Connection(str(path))) as db:
        db.execute("UPDATE meta SET value = 7 WHERE key = 'format'")
    with pytest.raises(LogUnavailable, match="format is 7"):
        SqliteLog.open(tmp_path, read_only)
