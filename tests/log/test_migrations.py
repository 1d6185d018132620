"""Logs of older formats are brought up to date; of newer ones nothing is read or changed."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from itertools import count
from pathlib import Path

import apsw
import pytest
from click.testing import CliRunner

from routerd.cli.migrate import migrate as command
from routerd.core.state import GENESIS
from routerd.log import migrations
from routerd.log.base import Entry, LogCorrupt, LogUnavailable
from routerd.log.migrations import STEPS, Step, format_of
from routerd.log.numbered import Told
from routerd.log.repair import repair
from routerd.log.sqlite import PAGE_BYTES, SqliteLog
from routerd.log.tables import FORMAT
from tests.log.disk import Event, watched_disk
from tests.log.entries import append, following, read_all

# A file that the last version of format 2 wrote: partitions with 5 entries, with 60 of which the
# first 12 were compacted away, and with 7 of which all were.
FORMAT_2 = Path(__file__).parent / "format_2" / "log.db"
HELD = {"a": (0, 5), "p": (12, 60), "z": (7, 7)}

FORMAT_1 = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID;
CREATE TABLE entry (partition TEXT, position INTEGER, hash BLOB, payload BLOB,
    PRIMARY KEY (partition, position)) WITHOUT ROWID;
CREATE TABLE tail (partition TEXT PRIMARY KEY, position INTEGER, hash BLOB) WITHOUT ROWID;
INSERT INTO meta VALUES ('format', 1), ('probes', 0);
"""
OLD_ROWS = "SELECT position, hash, payload FROM entry WHERE partition = 'p' ORDER BY position"


def format_1(directory: Path) -> list[Entry]:
    """A log as format 1 was, with 50 entries."""
    entries = following(0, GENESIS, 50)
    directory.mkdir()
    with closing(apsw.Connection(str(directory / "log.db"))) as db:
        db.pragma("journal_mode", "wal")
        db.execute(FORMAT_1)
        db.executemany("INSERT INTO entry VALUES ('p', ?, ?, ?)", entries)
        db.execute("INSERT INTO tail VALUES ('p', ?, ?)", entries[-1][:2])
    return entries


def format_2(directory: Path) -> Path:
    """A directory with a log that format 2's last version made."""
    directory.mkdir(exist_ok=True)
    shutil.copy(FORMAT_2, directory / "log.db")
    return directory


def old_rows(directory: Path) -> list[Entry]:
    """What a version of format 2 would read."""
    with closing(apsw.Connection(str(directory / "log.db"))) as db:
        return [Entry(*row) for row in db.execute(OLD_ROWS)]


def require_whole(directory: Path) -> None:
    """That a log holds what the old file held, in this version's format, and goes on."""
    with closing(SqliteLog.open(directory)) as log:
        assert log.format() == FORMAT
        assert {name: (log.base(name).position, log.last(name)[0]) for name in HELD} == HELD
        assert log.partitions() == list(HELD)
        for name, (begin, end) in HELD.items():
            assert list(log.read(name)) == following(0, GENESIS, end)[begin:]
        log.require_order()
        append(log, 5)
        assert log.forget("p", 20, most=500) == 8
    assert read_all(directory) == following(0, GENESIS, 65)[20:]
    assert not (directory / "log.db.new").exists()


def test_there_is_a_step_from_every_older_format() -> None:
    """So that the data of every released version opens."""
    assert sorted(STEPS) == list(range(1, FORMAT))


def test_a_log_of_an_older_format_goes_on(tmp_path: Path) -> None:
    """Its entries are read as they were, more are appended, and it can be compacted."""
    entries = format_1(tmp_path / "old")
    with pytest.raises(LogUnavailable, match="its format is 1: `routerd migrate"):
        SqliteLog.open(tmp_path / "old", read_only=True)
    with closing(SqliteLog.open(tmp_path / "old")) as log:
        assert list(log.read("p")) == entries
        append(log, 5)
        assert log.forget("p", 10, most=500) == 10
    assert len(read_all(tmp_path / "old")) == 45


def test_a_file_of_the_format_before_goes_on(tmp_path: Path) -> None:
    """Every partition, compacted or not; how far it is is told, and the file's mode is kept."""
    format_2(tmp_path)
    (tmp_path / "log.db").chmod(0o640)
    told: list[tuple[int, int, str]] = []
    SqliteLog.open(tmp_path, told=lambda *how_far: told.append(how_far)).close()
    assert told == [(5, 53, "copying"), (53, 53, "copying")]
    assert (tmp_path / "log.db").stat().st_mode & 0o777 == 0o640
    require_whole(tmp_path)


def test_what_is_missing_is_told_before_it_is_done(tmp_path: Path) -> None:
    """`migrate --check` changes nothing, and exits with 1 until it is done."""
    format_2(tmp_path)
    before = (tmp_path / "log.db").read_bytes()
    told = CliRunner().invoke(command, [str(tmp_path), "--check"])
    assert (told.exit_code, told.exception and "format 2 lacks: numbers" in told.output) == (
        1,
        True,
    )
    assert (tmp_path / "log.db").read_bytes() == before
    assert "format 2 became format 3" in CliRunner().invoke(command, [str(tmp_path)]).output
    assert CliRunner().invoke(command, [str(tmp_path), "--check"]).exit_code == 0
    require_whole(tmp_path)


def test_a_log_of_a_newer_format_is_left_alone(tmp_path: Path) -> None:
    """It is not called damaged, and the way out is told."""
    with closing(SqliteLog.open(tmp_path)) as log:
        append(log, 5)
    with closing(apsw.Connection(str(tmp_path / "log.db"))) as db:
        db.execute("UPDATE meta SET value = 99 WHERE key = 'format'")
    before = (tmp_path / "log.db").read_bytes()
    for read_only in (False, True):
        with pytest.raises(LogUnavailable, match=r"format is 99.*knows formats up to"):
            SqliteLog.open(tmp_path, read_only)
    assert (tmp_path / "log.db").read_bytes() == before


@pytest.mark.parametrize("anew", [False, True])
def test_a_step_that_fails_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, anew: bool
) -> None:
    """Each step is done or not: the log is in the format before it, and can be tried again."""
    entries = format_1(tmp_path / "old")

    def half(db: apsw.Connection, told: Told) -> None:
        db.execute("DELETE FROM main.entry")
        raise apsw.FullError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(migrations, "STEPS", {1: STEPS[1], 2: Step("more", half, anew)})
        with pytest.raises(LogUnavailable, match=r"disk is full|there is no room"):
            SqliteLog.open(tmp_path / "old")
    assert format_of(tmp_path / "old") == 2
    assert old_rows(tmp_path / "old") == entries
    with closing(SqliteLog.open(tmp_path / "old")) as log:
        assert list(log.read("p")) == entries


@pytest.mark.parametrize("lasting", [1, 1_000_000])
def test_no_request_to_the_disk_that_fails_costs_the_log(memory_path: Path, lasting: int) -> None:
    """Whichever fails: the file is the old one or the new one, whole; the next start is fine."""
    formats = set()
    for first in count(1):
        directory = format_2(memory_path / str(first))
        with watched_disk() as disk, suppress(LogUnavailable):
            disk.failing = range(first, first + lasting)
            SqliteLog.open(directory).close()
        formats.add(format_of(directory))
        require_whole(directory)
        if len(disk.history) < first:
            break
    assert first > 20
    assert formats == {2, 3}


def test_kill_9_at_any_moment_leaves_the_old_file_or_the_new_one(memory_path: Path) -> None:
    """A process that is killed before each of its requests to the disk, SQLite's and its own."""
    formats = []
    for moment in count(1):
        directory = format_2(memory_path / str(moment))
        killed = killed_at(moment, lambda: SqliteLog.open(directory).close())  # noqa: B023
        formats.append(format_of(directory))
        if formats[-1] == 2:
            assert old_rows(directory) == following(0, GENESIS, 60)[12:]
        require_whole(directory)
        if not killed:
            break
    assert formats == sorted(formats)
    assert min(formats.count(2), formats.count(3)) > 5


def killed_at(moment: int, work: Callable[[], None]) -> bool:
    """Have another process do some work, and be killed before its n-th request to the disk; whether
    it came to that."""
    pid = os.fork()
    if not pid:
        try:
            moments = count(1)

            def ask() -> None:
                if next(moments) == moment:
                    os.kill(os.getpid(), signal.SIGKILL)

            def own(event: str, _: object) -> None:
                if event in ("os.rename", "os.remove", "open", "os.chmod"):
                    ask()

            with watched_disk() as disk:
                disk.ask = lambda event: ask()  # type: ignore[method-assign]
                sys.addaudithook(own)
                work()
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status)


def test_a_full_disk_leaves_the_old_file_as_it_is(tmp_path: Path) -> None:
    """What to do is told, with how much room it takes; with room, it is done."""
    format_2(tmp_path)
    with watched_disk() as disk:

        def ask(event: Event) -> None:
            if event.path.endswith(".new"):
                raise apsw.FullError("database or disk is full")

        disk.ask = ask  # type: ignore[method-assign]
        with pytest.raises(LogUnavailable, match=r"takes up to 0 MB, .* Nothing has changed: make"):
            SqliteLog.open(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["lock", "log.db"]
    assert format_of(tmp_path) == 2
    assert old_rows(tmp_path) == following(0, GENESIS, 60)[12:]
    require_whole(tmp_path)


def test_a_disk_without_room_is_not_begun_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where less is free than the file takes, that is told at once."""
    format_2(tmp_path)
    usage = shutil.disk_usage(tmp_path)._replace(free=50_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(LogUnavailable, match="there is no room"):
        SqliteLog.open(tmp_path)
    assert format_of(tmp_path) == 2


def test_a_file_that_somebody_reads_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has it open would go on reading what is no log any more."""
    format_2(tmp_path)
    monkeypatch.setattr(migrations, "BUSY_TIMEOUT_MS", 0)
    with closing(apsw.Connection(str(tmp_path / "log.db"))) as reader:
        reader.execute("SELECT count(*) FROM entry").fetchall()
        with pytest.raises(LogUnavailable, match=r"another process has .* open"):
            SqliteLog.open(tmp_path)
        assert len(reader.execute(OLD_ROWS).fetchall()) == 48
    require_whole(tmp_path)


HARM = {
    "an entry": ("UPDATE entry SET payload = x'00' WHERE partition = 'p' AND position = 30", 30),
    "no entry": ("DELETE FROM entry WHERE partition = 'p' AND position = 30", 30),
    "no position": ("UPDATE entry SET position = 'x' WHERE partition = 'p' AND position = 60", 60),
    "the last": ("DELETE FROM entry WHERE partition = 'p' AND position = 60", 60),
    "a tail": ("DELETE FROM tail WHERE partition = 'p'", 1),
    "an end": ("UPDATE tail SET hash = NULL WHERE partition = 'p'", 61),
    "a base": ("UPDATE base SET hash = NULL WHERE partition = 'p'", 1),
}


@pytest.mark.parametrize("harm", HARM)
def test_a_damaged_log_is_not_made_anew(tmp_path: Path, harm: str) -> None:
    """Its first bad position is told; `repair` makes a log of this version of it."""
    format_2(tmp_path)
    sql, position = HARM[harm]
    with closing(apsw.Connection(str(tmp_path / "log.db"))) as db:
        db.execute(sql)
    with pytest.raises(LogCorrupt) as caught:
        SqliteLog.open(tmp_path)
    assert (caught.value.partition, caught.value.position) == ("p", position)
    assert format_of(tmp_path) == 2
    repair(tmp_path)
    assert format_of(tmp_path) == FORMAT


def test_a_damaged_log_of_an_older_format_is_repaired(tmp_path: Path) -> None:
    """Each page wiped in turn: what is kept of the rest is the start of what there was."""
    entries = format_1(tmp_path / "whole")
    stored = (tmp_path / "whole" / "log.db").read_bytes()
    lengths = []
    for page in range(0, len(stored), PAGE_BYTES):
        directory = tmp_path / str(page)
        directory.mkdir()
        broken = stored[:page] + bytes(PAGE_BYTES) + stored[page + PAGE_BYTES :]
        (directory / "log.db").write_bytes(broken)
        try:
            repair(directory)
        except LogUnavailable:  # the first entry is gone
            lengths.append(0)
            continue
        found = read_all(directory)
        assert found == entries[: len(found)]
        lengths.append(len(found))
    assert lengths[0] == 50
    assert len(set(lengths)) > 5
