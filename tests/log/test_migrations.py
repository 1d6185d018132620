"""Logs of older formats are brought up to date; of newer ones nothing is read or changed."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import apsw
import pytest

from routerd.log import migrations
from routerd.log.base import LogUnavailable
from routerd.log.migrations import FORMAT, STEPS, Step
from routerd.log.sqlite import SqliteLog
from routerd.log.tables import BEHIND
from tests.log.entries import append, read_all

FORMAT_1 = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID;
CREATE TABLE entry (partition TEXT, position INTEGER, hash BLOB, payload BLOB,
    PRIMARY KEY (partition, position)) WITHOUT ROWID;
CREATE TABLE tail (partition TEXT PRIMARY KEY, position INTEGER, hash BLOB) WITHOUT ROWID;
INSERT INTO meta VALUES ('format', 1), ('probes', 0);
"""


def old_log(directory: Path, made_in: Path) -> None:
    """A log as format 1 was, with the entries of a new one."""
    with closing(SqliteLog.open(made_in)) as log:
        entries = append(log, 50)
    directory.mkdir()
    with closing(apsw.Connection(str(directory / "log.db"))) as db:
        db.execute(FORMAT_1)
        db.executemany("INSERT INTO entry VALUES ('p', ?, ?, ?)", entries)
        db.execute("INSERT INTO tail VALUES ('p', ?, ?)", entries[-1][:2])


def test_there_is_a_step_from_every_older_format() -> None:
    """So that the data of every released version opens."""
    assert sorted(STEPS) == list(range(1, FORMAT))


def test_a_log_of_an_older_format_goes_on(tmp_path: Path) -> None:
    """Its entries are read as they were, more are appended, and it can be compacted."""
    old_log(tmp_path / "old", tmp_path / "new")
    with pytest.raises(LogUnavailable, match="its format is 1: `routerd migrate"):
        SqliteLog.open(tmp_path / "old", read_only=True)
    with closing(SqliteLog.open(tmp_path / "old")) as log:
        assert list(log.read("p")) == read_all(tmp_path / "new")
        append(log, 5)
        assert log.forget("p", 10, most=500) == 10
    assert len(read_all(tmp_path / "old")) == 45


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


def test_a_step_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step is one transaction: the log is in the format before it, and can be tried again."""
    old_log(tmp_path / "old", tmp_path / "new")

    def half(db: apsw.Connection) -> None:
        db.execute("DELETE FROM entry")
        raise apsw.FullError("database or disk is full")

    monkeypatch.setattr(migrations, "STEPS", {1: STEPS[1], 2: Step("more", half)})
    monkeypatch.setattr(migrations, "FORMAT", 3)
    with closing(apsw.Connection(str(tmp_path / "old" / "log.db"))) as db:
        with pytest.raises(apsw.FullError):
            migrations.migrate(db, 1)
        assert db.execute("SELECT value FROM meta WHERE key = 'format'").fetchall() == [(2,)]
        assert len(db.execute(BEHIND, ("p", 0, 500)).fetchall()) == 50
    with closing(SqliteLog.open(tmp_path / "old")) as log:
        assert list(log.read("p")) == read_all(tmp_path / "new")
