"""What the log on disk promises when the disk, the process or somebody else does harm."""

from __future__ import annotations

import contextlib
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from hashlib import shake_128
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
        if position > 80 and "payload" not in harm:
            with pytest.raises(LogCorrupt):
                log.last("p")
        if "DROP" not in harm:
            assert "p" in log.partitions()


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
    """Whichever I/O fails, once or from then on: what append or sync returned for is there."""
    for lasting in (1, 1_000_000):
        first = 1
        while faults.count >= first - 1:
            directory = tmp_path / f"{first}-{lasting}"
            faults.count, faults.fail_from, faults.fail_to = 0, first, first + lasting
            confirmed = confirmed_by_script(directory)
            faults.fail_to = 0
            with closing(SqliteLog.open(directory)) as log:
                found = list(log.read("p"))
                assert found[: len(confirmed)] == confirmed, f"I/O {first} failed"
                assert found == following(0, GENESIS, len(found))
            first += 1
        assert first > 50
        assert found == confirmed, "the last run met no fault"


def confirmed_by_script(directory: Path) -> list[Entry]:
    """Appends, syncs, probes and closes; goes on after failures. Returns what was confirmed."""
    confirmed: list[Entry] = []
    try:
        log = SqliteLog.open(directory)
    except LogUnavailable:
        return []
    for at_once in (1, 20, 1):
        try:
            confirmed += append(log, at_once, at_once)
            log.sync()
        except LogUnavailable:
            with pytest.raises(LogUnavailable):
                log.append("p", following(*log_end(confirmed), 1), len(confirmed))
            with contextlib.suppress(LogUnavailable):
                log.probe()
                confirmed = list(log.read("p"))
    with contextlib.suppress(LogUnavailable):
        log.probe()
    with contextlib.suppress(LogUnavailable):
        log.close()
    return confirmed


def log_end(entries: list[Entry]) -> tuple[int, bytes]:
    return entries[-1][:2] if entries else (0, GENESIS)


def test_a_failed_checkpoint_stops_the_log_until_it_is_probed(
    faults: Faults, tmp_path: Path
) -> None:
    """A sync that could not copy the WAL raises, then append does, until probe copied it all."""
    with closing(SqliteLog.open(tmp_path)) as log:
        entries = append_large(log, sqlite.CHECKPOINT_PAGES * sqlite.PAGE_BYTES)
        faults.fail_from, faults.fail_to = faults.count + 1, faults.count + 2
        with pytest.raises(LogUnavailable, match="cannot sync"):
            log.sync()
        with pytest.raises(LogUnavailable, match="failed before"):
            log.append("p", following(*log_end(entries), 1), len(entries))
        assert list(log.read("p")) == entries
        log.probe()
        assert wal_bytes(tmp_path) < 10 * sqlite.PAGE_BYTES
        entries += append(log, 1)
        assert list(log.read("p")) == entries


def test_a_failed_fsync_stops_the_log_until_it_is_probed(tmp_path: Path) -> None:
    """When the WAL cannot be fsynced, nothing is accepted until it was opened anew."""
    with closing(SqliteLog.open(tmp_path)) as log:
        entries = append(log, 10)
        # The WAL's descriptors of this process now lead into a pipe, which cannot be fsynced.
        pipe = os.pipe()
        for fd in os.listdir("/proc/self/fd"):
            with contextlib.suppress(FileNotFoundError):
                if os.readlink(f"/proc/self/fd/{fd}") == str(tmp_path / "log.db-wal"):
                    os.dup2(pipe[0], int(fd), inheritable=False)
        for end in pipe:
            os.close(end)
        with pytest.raises(LogUnavailable, match="cannot sync"):
            log.sync()
        with pytest.raises(LogUnavailable, match="failed before"):
            log.append("p", following(*log_end(entries), 1), len(entries))
        log.probe()
        entries += append(log, 10)
        log.sync()
        assert list(log.read("p")) == entries
    assert read_all(tmp_path) == entries


def test_a_deleted_wal_is_noticed(tmp_path: Path) -> None:
    """Sync does not claim that a WAL which somebody deleted survives power loss."""
    with closing(SqliteLog.open(tmp_path)) as log:
        entries = append(log, 5)
    log = SqliteLog.open(tmp_path)
    append(log, 5)
    (tmp_path / "log.db-wal").unlink()
    with pytest.raises(LogUnavailable, match=r"deleted log\.db-wal"):
        log.sync()
    log.probe()
    assert list(log.read("p")) == entries
    log.close()


@contextlib.contextmanager
def file_size_limit(limit_bytes: int) -> Iterator[None]:
    """No file of this process may grow beyond the limit, until the end of the block."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextlib.contextmanager
def ballast(directory: Path, size_bytes: int) -> Iterator[None]:
    """Space that is taken until the end of the block."""
    path = directory / "ballast"
    path.write_bytes(bytes(size_bytes))
    try:
        yield
    finally:
        path.unlink()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    directory = tmp_path / "small"
    directory.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(directory)]
    mounted = subprocess.run(command, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield directory
    subprocess.run(["umount", str(directory)], check=True)


def test_a_full_disk_is_survived(small_disk: Path) -> None:
    """Without space append and probe say so, reading goes on, and with space the log does."""
    fill_up(small_disk, ballast(small_disk, 500_000))


def test_a_limit_on_the_size_of_files_is_survived(tmp_path: Path) -> None:
    """The same where a file must not grow."""
    fill_up(tmp_path, file_size_limit(200_000))


def fill_up(directory: Path, trouble: contextlib.AbstractContextManager[None]) -> None:
    log = SqliteLog.open(directory)
    entries = append(log, 10)
    with trouble:
        with contextlib.suppress(LogUnavailable):
            while True:
                entries += append(log, 1)
        for refused in (log.sync, log.probe, log.sync):
            with pytest.raises(LogUnavailable, match="cannot (sync|probe)"):
                refused()
        assert list(log.read("p")) == entries
    with pytest.raises(LogUnavailable, match="failed before"):
        append(log, 1)
    log.probe()
    entries += append(log, 20)
    assert list(log.read("p")) == entries
    log.close()
    assert read_all(directory) == entries


# --- The size of the WAL


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


@pytest.mark.parametrize(
    ("sync", "pages"), [(True, sqlite.CHECKPOINT_PAGES), (False, sqlite.LIMIT_PAGES)]
)
def test_the_wal_does_not_grow_beyond_its_bound(tmp_path: Path, sync: bool, pages: int) -> None:
    """Twice the bound is appended; syncs keep the WAL small, and appends do if nobody syncs."""
    bound_bytes = pages * sqlite.PAGE_BYTES
    with closing(SqliteLog.open(tmp_path)) as log:
        append_large(log, 2 * bound_bytes, sync=sync)
        assert wal_bytes(tmp_path) < bound_bytes + 1_000_000


def test_a_wal_that_a_foreign_reader_made_grow_shrinks_again(tmp_path: Path) -> None:
    """Only a transaction that somebody holds open exceeds the bound, and not for good."""
    bound_bytes = sqlite.LIMIT_PAGES * sqlite.PAGE_BYTES
    with closing(SqliteLog.open(tmp_path)) as log:
        append(log, 1)
        with closing(apsw.Connection(str(tmp_path / "log.db"))) as foreign:
            foreign.execute("BEGIN; SELECT count(*) FROM entry").fetchall()
            append_large(log, bound_bytes + 5_000_000)
            assert wal_bytes(tmp_path) > bound_bytes + 5_000_000
        append_large(log, 1)
        append_large(log, 1)
        assert wal_bytes(tmp_path) <= bound_bytes


# --- Opening


def test_a_closed_log_is_one_file(tmp_path: Path) -> None:
    """A clean close leaves the whole log in log.db, which can be copied as it is."""
    directory = tmp_path / "made" / "with parents"
    with closing(SqliteLog.open(directory)) as log:
        entries = append(log, 3)
    assert sorted(os.listdir(directory)) == ["lock", "log.db"]
    (tmp_path / "copy").mkdir()
    shutil.copy(directory / "log.db", tmp_path / "copy")
    assert read_all(tmp_path / "copy") == entries


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    """A log that was opened to be read refuses to append, sync and probe."""
    SqliteLog.open(tmp_path).close()
    with closing(SqliteLog.open(tmp_path, read_only=True)) as log:
        for refused in (lambda: log.append("p", [], 0), log.sync, log.probe):
            with pytest.raises(LogUnavailable, match="not open for writing"):
                refused()


def test_there_is_nothing_to_read_where_no_log_is(tmp_path: Path) -> None:
    """Reading an absent log is refused with the way out, and makes no file."""
    with pytest.raises(LogUnavailable, match="routerd serve"):
        SqliteLog.open(tmp_path, read_only=True)
    assert os.listdir(tmp_path) == []


READER = """
import os, sys
from pathlib import Path
from test_sqlite import read_all
if os.getuid() == 0:
    os.setuid(65534)
print(len(read_all(Path(sys.argv[1]))), os.access(sys.argv[1], os.W_OK))
"""


@pytest.mark.parametrize("killed", [False, True])
def test_a_log_is_read_without_permission_to_write(killed: bool) -> None:
    """The log of a daemon that ended, or was killed, is read by a user who may only read it."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        if killed:
            last_told(child(WRITER, directory), for_s=0)
        else:
            with closing(SqliteLog.open(directory)) as log:
                append(log, 300)
        files = sorted(os.listdir(directory))
        directory.chmod(0o555)
        reader = child(READER, directory)
        told, _ = reader.communicate()
        assert sorted(os.listdir(directory)) == files
        directory.chmod(0o755)
        assert told.split() == [str(len(read_all(directory))), "False"]


@pytest.mark.parametrize("version", ["3.7.17", "3.50.4", "3.51.2"])
def test_an_old_sqlite_is_refused(version: str) -> None:
    """The error names the bug and what to install."""
    with pytest.raises(LogUnavailable, match=rf"{version} .* WAL-reset .* 3\.51\.3"):
        sqlite.require_sqlite(version)


@pytest.mark.parametrize("version", ["3.51.3", "3.52.0", "4.0.0", apsw.sqlite_lib_version()])
def test_a_sound_sqlite_is_accepted(version: str) -> None:
    """Versions are compared as numbers."""
    sqlite.require_sqlite(version)
