"""Logs of older formats are brought up to date; of formats not known nothing is read or changed.

No release had another format than this one's yet: the older one here is planted.
"""

from __future__ import annotations

import os
import signal
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
from routerd.log.base import Entry, LogUnavailable
from routerd.log.migrations import STEPS, Step, format_of
from routerd.log.sqlite import SqliteLog
from routerd.log.tables import BASE, FORMAT
from tests.log.disk import Event, watched_disk
from tests.log.entries import append, following, read_all

OLDER = FORMAT - 1
STEP = Step("room for bases", lambda db: db.execute(f"CREATE TABLE {BASE}"))
ROWS = "SELECT position, hash, payload FROM entry ORDER BY id"


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A format before this one's, which had no table of bases."""
    monkeypatch.setattr(migrations, "STEPS", {OLDER: STEP})


def older(directory: Path) -> list[Entry]:
    """A log of that format, with 50 entries."""
    with closing(SqliteLog.open(directory)) as log:
        entries = append(log, 50, at_once=10)
    with closing(apsw.Connection(str(directory / "log.db"))) as db:
        db.execute("DROP TABLE base")
    set_format(directory, OLDER)
    return entries


def set_format(directory: Path, number: int) -> None:
    with closing(apsw.Connection(str(directory / "log.db"))) as db:
        db.execute("UPDATE meta SET value = ? WHERE key = 'format'", (number,))


def old_rows(directory: Path) -> list[Entry]:
    """What a version of the older format would read."""
    with closing(apsw.Connection(str(directory / "log.db"))) as db:
        return [Entry(*row) for row in db.execute(ROWS)]


def require_whole(directory: Path) -> None:
    """That a log holds what the old file held, in this version's format, and goes on."""
    with closing(SqliteLog.open(directory)) as log:
        assert format_of(directory) == FORMAT
        assert list(log.read("p")) == following(0, GENESIS, 50)
        append(log, 5)
        assert log.forget("p", 20, most=500) == 20
    assert read_all(directory) == following(0, GENESIS, 55)[20:]


def test_steps_lead_without_a_gap_to_this_format() -> None:
    """So that the data of every released version opens."""
    assert sorted(STEPS) == list(range(FORMAT - len(STEPS), FORMAT))


@pytest.mark.usefixtures("planted")
def test_a_log_of_an_older_format_goes_on(tmp_path: Path) -> None:
    """Its entries are read as they were, more are appended, and it can be compacted."""
    older(tmp_path)
    with pytest.raises(LogUnavailable, match=f"its format is {OLDER}: `routerd migrate"):
        SqliteLog.open(tmp_path, read_only=True)
    require_whole(tmp_path)


@pytest.mark.usefixtures("planted")
def test_what_is_missing_is_told_before_it_is_done(tmp_path: Path) -> None:
    """`migrate --check` changes nothing, and exits with 1 until it is done."""
    older(tmp_path)
    before = (tmp_path / "log.db").read_bytes()
    told = CliRunner().invoke(command, [str(tmp_path), "--check"])
    assert told.exit_code == 1
    assert f"format {OLDER} lacks: room for bases" in told.output
    assert (tmp_path / "log.db").read_bytes() == before
    done = CliRunner().invoke(command, [str(tmp_path)])
    assert f"format {OLDER} became format {FORMAT}" in done.output
    assert CliRunner().invoke(command, [str(tmp_path), "--check"]).exit_code == 0
    require_whole(tmp_path)


@pytest.mark.parametrize(
    ("number", "said"),
    [(FORMAT + 96, "knows formats up to"), (OLDER, "of a version that was never released")],
)
def test_a_log_of_a_format_not_known_is_left_alone(tmp_path: Path, number: int, said: str) -> None:
    """It is not called damaged, and the way out is told."""
    with closing(SqliteLog.open(tmp_path)) as log:
        append(log, 5)
    set_format(tmp_path, number)
    before = (tmp_path / "log.db").read_bytes()
    for read_only in (False, True):
        with pytest.raises(LogUnavailable, match=f"format is {number}.*{said}"):
            SqliteLog.open(tmp_path, read_only)
    told = CliRunner().invoke(command, [str(tmp_path), "--check"])
    assert told.exit_code == 1
    assert said in told.output
    assert (tmp_path / "log.db").read_bytes() == before


def test_a_step_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step is done or not: the log is in the format before it, and can be tried again."""
    entries = older(tmp_path)

    def half(db: apsw.Connection) -> None:
        db.execute("DELETE FROM entry")
        raise apsw.FullError("database or disk is full")

    monkeypatch.setattr(migrations, "STEPS", {OLDER: Step("more", half)})
    with pytest.raises(LogUnavailable, match="disk is full"):
        SqliteLog.open(tmp_path)
    assert format_of(tmp_path) == OLDER
    assert old_rows(tmp_path) == entries
    monkeypatch.setattr(migrations, "STEPS", {OLDER: STEP})
    require_whole(tmp_path)


@pytest.mark.usefixtures("planted")
@pytest.mark.parametrize("lasting", [1, 1_000_000])
def test_no_request_to_the_disk_that_fails_costs_the_log(memory_path: Path, lasting: int) -> None:
    """Whichever fails: the file is of the old format or the new one, and the next start is fine."""
    formats = set()
    for first in count(1):
        directory = memory_path / str(first)
        older(directory)
        with watched_disk() as disk, suppress(LogUnavailable):
            disk.failing = range(first, first + lasting)
            SqliteLog.open(directory).close()
        formats.add(format_of(directory))
        require_whole(directory)
        if len(disk.history) < first:
            break
    assert first > 5
    assert formats == {OLDER, FORMAT}


@pytest.mark.usefixtures("planted")
def test_kill_9_at_any_moment_leaves_the_old_format_or_the_new_one(memory_path: Path) -> None:
    """A process that is killed before each of its requests to the disk."""
    formats = []
    for moment in count(1):
        directory = memory_path / str(moment)
        entries = older(directory)
        killed = killed_at(moment, lambda: SqliteLog.open(directory).close())  # noqa: B023
        formats.append(format_of(directory))
        assert old_rows(directory) == entries
        require_whole(directory)
        if not killed:
            break
    assert formats == sorted(formats)
    assert set(formats) == {OLDER, FORMAT}


def killed_at(moment: int, work: Callable[[], None]) -> bool:
    """Have another process do some work, and be killed before its n-th request to the disk; whether
    it came to that."""
    pid = os.fork()
    if not pid:
        try:
            moments = count(1)

            def ask(event: Event) -> None:
                if next(moments) == moment:
                    os.kill(os.getpid(), signal.SIGKILL)

            with watched_disk() as disk:
                disk.ask = ask  # type: ignore[method-assign]
                work()
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status)
