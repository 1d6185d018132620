"""Disks that fail, fill up or lose power: what was confirmed is there, what was not is refused."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import apsw
import pytest

from routerd.core.state import GENESIS
from routerd.log.base import Entry, LogCorrupt, LogUnavailable
from routerd.log.connections import PAGE_BYTES, Connections
from routerd.log.repair import repair
from routerd.log.sqlite import CHECKPOINT_PAGES, SqliteLog
from tests.log.disk import Disk, watched_disk
from tests.log.entries import append, append_large, following, log_end, read_all, wal_bytes


@pytest.fixture
def disk() -> Iterator[Disk]:
    with watched_disk() as disk:
        yield disk


def test_no_failed_write_or_sync_loses_what_was_confirmed(disk: Disk, memory_path: Path) -> None:
    """Whichever I/O fails, once or from then on: what append or sync returned for is there."""
    for lasting in (1, 1_000_000):
        first = 1
        while len(disk.history) >= first - 1:
            directory = memory_path / f"{first}-{lasting}"
            disk.history.clear()
            disk.failing = range(first, first + lasting)
            confirmed = confirmed_by_script(directory)
            disk.failing = range(0)
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
                found = list(log.read("p"))
                assert found[: len(confirmed)] == confirmed
                confirmed = found
    with contextlib.suppress(LogUnavailable):
        log.probe()
    with contextlib.suppress(LogUnavailable):
        log.close()
    return confirmed


def test_a_failed_checkpoint_stops_the_log_until_it_is_probed(disk: Disk, tmp_path: Path) -> None:
    """A sync that could not copy the WAL raises, then append does, until probe copied it all."""
    with closing(SqliteLog.open(tmp_path)) as log:
        entries = append_large(log, CHECKPOINT_PAGES * PAGE_BYTES)
        disk.failing = range(len(disk.history) + 1, len(disk.history) + 2)
        with pytest.raises(LogUnavailable, match="cannot sync"):
            log.sync()
        with pytest.raises(LogUnavailable, match="failed before"):
            log.append("p", following(*log_end(entries), 1), len(entries))
        assert list(log.read("p")) == entries
        log.probe()
        assert wal_bytes(tmp_path) < 10 * PAGE_BYTES
        entries += append(log, 1)
        assert list(log.read("p")) == entries


def test_a_probe_that_finds_damage_leaves_the_log_unusable(tmp_path: Path) -> None:
    """What a probe finds damaged is told, and nothing is written behind it."""
    log = SqliteLog.open(tmp_path)
    append(log, 1)
    with closing(apsw.Connection(str(tmp_path / "log.db"))) as foreign:
        foreign.execute("DELETE FROM meta")
    with pytest.raises(LogCorrupt, match="format is missing"):
        log.probe()
    for refused in (log.sync, partial(append, log, 1)):
        with pytest.raises(LogUnavailable, match="failed before"):
            refused()
    log.close()


def break_wal(directory: Path) -> None:
    """This process's descriptors of the WAL now lead into a pipe, which cannot be fsynced."""
    pipe = os.pipe()
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            if os.readlink(f"/proc/self/fd/{fd}") == str(directory / "log.db-wal"):
                os.dup2(pipe[0], int(fd), inheritable=False)
    for end in pipe:
        os.close(end)


def test_a_failed_fsync_stops_the_log_until_it_is_probed(tmp_path: Path) -> None:
    """When the WAL cannot be fsynced, nothing is accepted until it was opened anew."""
    with closing(SqliteLog.open(tmp_path)) as log:
        entries = append(log, 10)
        break_wal(tmp_path)
        with pytest.raises(LogUnavailable, match="cannot sync"):
            log.sync()
        with pytest.raises(LogUnavailable, match="failed before"):
            log.append("p", following(*log_end(entries), 1), len(entries))
        log.probe()
        entries += append(log, 10)
        log.sync()
        assert list(log.read("p")) == entries
    assert read_all(tmp_path) == entries


def test_a_close_that_could_not_sync_says_so(tmp_path: Path) -> None:
    """Closing does not hide that the last entries may be lost with the power; the lock is freed."""
    log = SqliteLog.open(tmp_path)
    entries = append(log, 10)
    break_wal(tmp_path)
    with pytest.raises(LogUnavailable, match="cannot sync"):
        log.close()
    with closing(SqliteLog.open(tmp_path)) as log:
        assert list(log.read("p")) == entries


@pytest.mark.parametrize("write", ["sync", "append"])
def test_a_deleted_wal_is_noticed_and_rescued(tmp_path: Path, write: str) -> None:
    """Nothing is written to it any more; a probe copies what it holds, as long as it is open."""
    with closing(SqliteLog.open(tmp_path)) as log:
        entries = append(log, 10)
        (tmp_path / "log.db-wal").unlink()
        with pytest.raises(LogUnavailable, match=r"log\.db-wal was deleted"):
            log.sync() if write == "sync" else append(log, 1)
        log.probe()
        assert list(log.read("p")) == entries
        entries += append(log, 3)
    assert read_all(tmp_path) == entries


def test_a_rescue_that_fails_half_way_is_ended_by_the_next_probe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the deleted file held is in the database: nobody waits for it to come back."""

    def fail(self: Connections) -> None:
        raise OSError("no space")

    with closing(SqliteLog.open(tmp_path)) as log:
        entries = append(log, 10)
        (tmp_path / "log.db-wal").unlink()
        with monkeypatch.context() as patched:
            patched.setattr(Connections, "write", fail)
            with pytest.raises(LogUnavailable, match="no space"):
                log.probe()
        log.probe()
        entries += append(log, 3)
    assert read_all(tmp_path) == entries


def test_who_reads_a_rescued_log_is_told_to_open_it_anew(tmp_path: Path) -> None:
    """What it has open is no damaged log, but no log at all any more."""
    with closing(SqliteLog.open(tmp_path)) as log, closing(log.reader()) as reader:
        entries = append(log, 20)
        assert list(reader.read("p")) == entries
        reader.require_in_place()
        (tmp_path / "log.db-wal").unlink()
        with pytest.raises(LogUnavailable):
            append(log, 1)
        with pytest.raises(LogUnavailable, match=r"log\.db-wal was deleted.*open it anew"):
            reader.require_in_place()
        log.probe()
        entries += append(log, 60)
        with pytest.raises(LogUnavailable, match="open it anew"):
            reader.require_in_place()
        with closing(log.reader()) as another:
            another.require_in_place()
            assert list(another.read("p")) == entries


def delete_all(directory: Path) -> None:
    for path in directory.glob("log.db*"):
        path.unlink()


def delete_directory(directory: Path) -> None:
    shutil.rmtree(directory)


def delete_database(directory: Path) -> None:
    (directory / "log.db").unlink()


def replace_database(directory: Path) -> None:
    shutil.copy(directory / "log.db", directory / "copy")
    (directory / "copy").replace(directory / "log.db")


@pytest.mark.parametrize("harm", [delete_all, delete_directory, delete_database, replace_database])
def test_files_that_are_gone_are_not_written_to(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    """However often the disk is tried, no other log is begun; what is open can still be read."""
    directory = tmp_path / "data"
    log = SqliteLog.open(directory)
    entries = append(log, 10)
    log.require_in_place()
    harm(directory)
    for refused in (log.require_in_place, log.probe, log.probe, partial(append, log, 1), log.sync):
        with pytest.raises(LogUnavailable, match=r"deleted, moved or replaced|No such file"):
            refused()
    assert list(log.read("p")) == entries
    log.close()
    with contextlib.suppress(LogUnavailable):
        assert len(read_all(directory)) <= len(entries)


def test_an_emptied_file_is_not_begun_anew_by_a_probe(tmp_path: Path) -> None:
    """Its WAL is all that is left, and a repair makes the log of it again."""
    log = SqliteLog.open(tmp_path)
    entries = append(log, 20)
    os.truncate(tmp_path / "log.db", 0)
    wal = (tmp_path / "log.db-wal").read_bytes()
    for refused in (log.probe, log.probe, partial(append, log, 1), log.sync):
        with pytest.raises(LogUnavailable, match="is gone or empty"):
            refused()
        assert list(log.read("p")) == entries
        assert (tmp_path / "log.db-wal").read_bytes() == wal
    log.close()
    repair(tmp_path)
    assert read_all(tmp_path) == entries


def test_files_that_come_back_are_written_to_again(tmp_path: Path) -> None:
    """A directory that was moved, and moved back."""
    with closing(SqliteLog.open(tmp_path / "data")) as log:
        entries = append(log, 10)
        (tmp_path / "data").rename(tmp_path / "elsewhere")
        with pytest.raises(LogUnavailable, match="deleted, moved or replaced"):
            log.sync()
        (tmp_path / "elsewhere").rename(tmp_path / "data")
        log.probe()
        entries += append(log, 1)
    assert read_all(tmp_path / "data") == entries


@pytest.mark.parametrize("limit_bytes", [2_048, 20_480])
def test_files_that_may_not_grow_are_called_that(limit_bytes: int, tmp_path: Path) -> None:
    """Where SQLite calls it an I/O error, by its index of the WAL too: the place and the limit."""
    told = f"a file in {tmp_path} may not grow beyond {limit_bytes:,} bytes, see `ulimit -f`"
    with file_size_limit(limit_bytes), pytest.raises(LogUnavailable, match=re.escape(told)):
        SqliteLog.open(tmp_path)
    SqliteLog.open(tmp_path).close()


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
            with pytest.raises(LogUnavailable, match=r"cannot (sync|probe)"):
                refused()
        assert list(log.read("p")) == entries
    with pytest.raises(LogUnavailable, match="failed before"):
        append(log, 1)
    log.probe()
    entries += append(log, 20)
    assert list(log.read("p")) == entries
    log.close()
    assert read_all(directory) == entries
