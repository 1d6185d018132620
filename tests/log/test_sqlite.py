"""What the log on disk promises when the disk, the process or somebody else does harm."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from routerd.core.state import GENESIS
from routerd.log import sqlite
from routerd.log.base import Entry, LogCorrupt, LogUnavailable
from routerd.log.codec import chain_hash
from routerd.log.sqlite import SqliteLog

ROOT = Path(__file__).resolve().parents[2]


def payload_of(position: int) -> bytes:
    """What every test writes at a position: up to 700 bytes, and sometimes 9,000."""
    rng = random.Random(position)
    return rng.randbytes(9_000 if position % 40 == 0 else rng.randrange(20, 700))


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


def child(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Another Python that runs `code` with the arguments in sys.argv[1:]."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{Path(__file__).parent}"},
        stdout=subprocess.PIPE,
        text=True,
    )


# --- Damage


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
        payload, middle = entry.payload, len(entry.payload) // 2
        for part, shift in [
            (entry.hash, 7),
            (payload[:20], 0),
            (payload[middle : middle + 20], 0),
            (payload[-20:], 19),
        ]:
            offset = stored.index(part) + shift
            with flipped(directory / "log.db", offset, 1 << entry.position % 8):
                found, error = read_damaged(directory)
            assert error is not None, f"byte {offset}, position {entry.position}"
            assert (error.partition, error.position) == ("p", entry.position)
            assert found == entries[: entry.position - 1]


def test_a_changed_byte_anywhere_never_gives_other_entries(
    whole: tuple[Path, list[Entry]],
) -> None:
    """A byte of any page either matters to nothing, or is told with the first bad position."""
    directory, entries = whole
    rng = random.Random(1)
    told = 0
    for page in range(0, (directory / "log.db").stat().st_size, sqlite.PAGE_BYTES):
        header = range(page, page + 16)
        inside = (page + rng.randrange(16, sqlite.PAGE_BYTES) for _ in range(32))
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
        ("UPDATE entry SET position = 900 WHERE position = 85", 85),
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
        found = []
        with pytest.raises(LogCorrupt) as caught:
            found.extend(log.read("p"))
        assert (caught.value.partition, caught.value.position) == ("p", position)
        with pytest.raises(LogCorrupt):
            log.last("p")
        if "DROP" not in harm:
            assert "p" in log.partitions()


@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_that_is_no_log_is_refused(tmp_path: Path, read_only: bool) -> None:
    """Neither foreign bytes nor a log of an unknown format are opened, and both stay as they are."""
    path = tmp_path / "log.db"
    path.write_bytes(b"no database" * 1_000)
    with pytest.raises(LogCorrupt, match="its start"):
        SqliteLog.open(tmp_path, read_only)
    assert path.read_bytes() == b"no database" * 1_000
    path.unlink()
    SqliteLog.open(tmp_path).close()
    with closing(apsw.Connection(str(path))) as db:
        db.execute("UPDATE meta SET value = 7 WHERE key = 'format'")
    with pytest.raises(LogCorrupt, match="format is 7"):
        SqliteLog.open(tmp_path, read_only)


# --- Killed processes

WRITER = """
import sys, threading
from pathlib import Path
from test_sqlite import SqliteLog, following
log = SqliteLog.open(Path(sys.argv[1]))
def sync_all_the_time():
    while True:
        log.sync()
threading.Thread(target=sync_all_the_time, daemon=True).start()
after, previous_hash = log.last("p")
while True:
    batch = following(after, previous_hash, 1 + after % 3)
    log.append("p", batch, after)
    after, previous_hash = batch[-1][:2]
    print(after, flush=True)
"""


def last_told(writer: subprocess.Popen[str], for_s: float) -> int:
    """The position that a writer last confirmed before it was killed, some time after its first."""
    assert writer.stdout is not None
    last = int(writer.stdout.readline())
    time.sleep(for_s)
    writer.send_signal(signal.SIGKILL)
    for line in writer.stdout:
        if line.endswith("\n"):
            last = int(line)
    writer.wait()
    writer.stdout.close()
    return last


def test_kill_9_loses_nothing_that_was_confirmed(tmp_path: Path) -> None:
    """However often a writer is killed, all that append returned for is there, and fits."""
    for kill in range(5):
        last = last_told(child(WRITER, tmp_path), for_s=0.05 + 0.1 * kill)
        found = read_all(tmp_path)
        assert len(found) >= last
        assert found == following(0, GENESIS, len(found))
    assert len(found) > 1_000


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    """One process writes to a directory: the error names it, and its death frees the directory."""
    writer = child(WRITER, tmp_path)
    assert writer.stdout is not None
    writer.stdout.readline()
    with pytest.raises(LogUnavailable, match=rf"{tmp_path} is in use .* pid {writer.pid}: stop"):
        SqliteLog.open(tmp_path)
    last_told(writer, for_s=0)
    with closing(SqliteLog.open(tmp_path)) as log:
        assert append(log, 1)
        with pytest.raises(LogUnavailable, match=f"pid {os.getpid()}"):
            SqliteLog.open(tmp_path)
    SqliteLog.open(tmp_path).close()


def test_readers_follow_a_writer_in_another_process(tmp_path: Path) -> None:
    """Readers see whole, growing logs while a daemon appends and checkpoints."""
    writer = child(WRITER, tmp_path)
    assert writer.stdout is not None
    writer.stdout.readline()
    lengths = []
    with closing(SqliteLog.open(tmp_path, read_only=True)) as log:
        for _ in range(4):
            time.sleep(0.05)
            lengths.append(sum(1 for _ in log.read("p")))
    last = last_told(writer, for_s=0)
    assert lengths == sorted(set(lengths))
    assert lengths[-1] <= last + 3


def test_a_log_of_which_only_the_beginning_was_made_is_made_anew(tmp_path: Path) -> None:
    """A process killed while it made the file leaves nothing that keeps the next from starting."""
    with closing(apsw.Connection(str(tmp_path / "log.db"))) as db:
        db.pragma("journal_mode", "wal")
    with pytest.raises(LogUnavailable, match="no log yet"):
        SqliteLog.open(tmp_path, read_only=True)
    with closing(SqliteLog.open(tmp_path)) as log:
        entries = append(log, 3)
    assert read_all(tmp_path) == entries


# --- Failing disks


class Faults:
    """Counts the writes, syncs and truncations of SQLite, and fails some of them."""

    def __init__(self) -> None:
        self.count = 0
        self.fail_from = self.fail_to = 0

    def strike(self, kind: str) -> None:
        self.count += 1
        if self.fail_from <= self.count < self.fail_to:
            code = apsw.SQLITE_IOERR_FSYNC if kind == "sync" else apsw.SQLITE_FULL
            error = apsw.exception_for(code)
            error.extendedresult = code
            raise error


class FaultyFile(apsw.VFSFile):
    def __init__(self, faults: Faults, name: str | apsw.URIFilename | None, flags: list[int]):
        super().__init__("unix", name, flags)
        self.faults = faults

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self.faults.strike("write")
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self.faults.strike("sync")
        super().xSync(flags)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        self.faults.strike("truncate")
        super().xTruncate(newsize)


class FaultyDisk(apsw.VFS):
    def __init__(self, faults: Faults) -> None:
        super().__init__("faulty", "unix")
        self.faults = faults

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> FaultyFile:  # noqa: N802
        return FaultyFile(self.faults, name, flags)


@pytest.fixture
def faults() -> Iterator[Faults]:
    """SQLite's files on a disk that fails as told."""
    usual = apsw.vfs_names()[0]
    faults = Faults()
    disk = FaultyDisk(faults)
    apsw.set_default_vfs("faulty")
    yield faults
    apsw.set_default_vfs(usual)
    disk.unregister()


def test_no_failed_write_or_sync_loses_what_was_confirmed(faults: Faults, tmp_path: Path) -> None:
    """Whichever I/O fails, once or from then on, and whatever was tried afterwards: an append
    either raised LogUnavailable or is there when the log is opened on a working disk."""
    for lasting in (1, 1_000_000):
        first = 1
        while faults.count >= first - 1:
            directory = tmp_path / f"{first}-{lasting}"
            faults.count, faults.fail_from, faults.fail_to = 0, first, first + lasting
            confirmed = run_script(directory)
            faults.fail_to = 0
            with closing(SqliteLog.open(directory)) as log:
                found = list(log.read("p"))
                assert found[: len(confirmed)] == confirmed, f"I/O {first} failed"
                assert found + append(log, 2) == list(log.read("p"))
            first += 1
        assert confirmed == found, "the last run met no fault"


def run_script(directory: Path) -> list[Entry]:
    """Appends, syncs and checkpoints; after a failure goes on with what a probe brings back."""
    confirmed: list[Entry] = []
    try:
        log = SqliteLog.open(directory)
    except LogUnavailable:
        return []
    for step in range(6):
        try:
            confirmed += append(log, 12, at_once=1 + 5 * (step % 2))
            log.sync()
            if step == 3:
                log.probe()
        except LogUnavailable:
            assert_read_only(log, confirmed)
            try:
                log.probe()
            except LogUnavailable:
                assert_read_only(log, confirmed)
            else:
                confirmed = list(log.read("p"))
    with contextlib.suppress(LogUnavailable):
        log.close()
    return confirmed


def assert_read_only(log: SqliteLog, confirmed: list[Entry]) -> None:
    with pytest.raises(LogUnavailable):
        log.sync()
