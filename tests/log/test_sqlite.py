"""How the log on disk is opened and closed, and how large it gets."""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from functools import partial
from pathlib import Path

import apsw
import pytest

from routerd.log import disk, opening
from routerd.log.base import LogUnavailable
from routerd.log.connections import LIMIT_PAGES, PAGE_BYTES
from routerd.log.migrations import format_of
from routerd.log.repair import repair
from routerd.log.sqlite import CHECKPOINT_PAGES, SqliteLog
from tests.log.entries import append, append_large, read_all, wal_bytes


def test_a_closed_log_is_one_file(tmp_path: Path) -> None:
    """A clean close leaves the whole log in log.db, which can be copied as it is."""
    directory = tmp_path / "made" / "with parents"
    with closing(SqliteLog.open(directory)) as log:
        entries = append(log, 3)
    assert sorted(os.listdir(directory)) == ["lock", "log.db"]
    (tmp_path / "copy").mkdir()
    shutil.copy(directory / "log.db", tmp_path / "copy")
    assert read_all(tmp_path / "copy") == entries


def test_every_directory_that_is_made_survives_power_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name of a directory is on the platter once the one that it stands in is synced."""
    synced: list[Path] = []
    monkeypatch.setattr(disk, "sync_directory", synced.append)
    SqliteLog.open(tmp_path / "a" / "b" / "c").close()
    assert set(synced) == {tmp_path, tmp_path / "a", tmp_path / "a" / "b"}


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    """A log that was opened to be read refuses to append, sync and probe."""
    SqliteLog.open(tmp_path).close()
    with closing(SqliteLog.open(tmp_path, read_only=True)) as log:
        for refused in (partial(log.append, "p", [], 0), log.sync, log.probe):
            with pytest.raises(LogUnavailable, match="not open for writing"):
                refused()


def test_there_is_nothing_to_read_where_no_log_is(tmp_path: Path) -> None:
    """Reading an absent log is refused with the way out, and makes no file."""
    with pytest.raises(LogUnavailable, match="routerd serve"):
        SqliteLog.open(tmp_path, read_only=True)
    assert os.listdir(tmp_path) == []


def test_a_log_whose_file_is_a_link_is_left_alone(tmp_path: Path) -> None:
    """What was acknowledged last stands beside the file that the link leads to, and not here."""
    made, linked = tmp_path / "made", tmp_path / "linked"
    with closing(SqliteLog.open(made)) as log:
        append(log, 3)
        linked.mkdir()
        (linked / "log.db").symlink_to(made / "log.db")
        for read_only in (False, True):
            with pytest.raises(LogUnavailable, match=f"link to {made}.*: link its directory"):
                SqliteLog.open(linked, read_only=read_only)
        with pytest.raises(LogUnavailable, match="link its directory"):
            repair(linked)
    assert (linked / "log.db").is_symlink()
    (tmp_path / "whole").symlink_to(made)
    with closing(SqliteLog.open(tmp_path / "whole")) as log:
        assert log.last("p")[0] == 3


@pytest.mark.parametrize(
    "remains", ["snapshots/default-000000000012.snapshot", "audit.db", "damaged-1/log.db"]
)
@pytest.mark.parametrize("empty", [False, True])
def test_a_log_that_is_gone_is_not_begun_anew(tmp_path: Path, remains: str, empty: bool) -> None:
    """Where something of a log is left, opening it says so, and what is left stays as it is."""
    left = tmp_path / remains
    left.parent.mkdir(exist_ok=True)
    left.write_bytes(b"of a log")
    if empty:
        (tmp_path / "log.db").touch()
    for read_only in (False, True, False):
        with pytest.raises(
            LogUnavailable, match=r"is gone or empty, but .* of it is here"
        ) as caught:
            SqliteLog.open(tmp_path, read_only=read_only)
        assert str(left) in str(caught.value)
    assert left.read_bytes() == b"of a log"
    left.unlink()
    SqliteLog.open(tmp_path).close()


@pytest.mark.parametrize("empty", [False, True])
def test_a_wal_whose_log_is_gone_is_left_as_it_is(tmp_path: Path, empty: bool) -> None:
    """It may be all that is left of what was acknowledged: put back together, nothing is lost."""
    data, away = tmp_path / "data", tmp_path / "log.db"
    with closing(SqliteLog.open(data)) as log:
        entries = append(log, 20)
        shutil.copytree(data, tmp_path / "killed")
    data = tmp_path / "killed"
    wal = (data / "log.db-wal").read_bytes()
    (data / "log.db").rename(away)
    if empty:
        (data / "log.db").touch()
    for attempt in (
        lambda: SqliteLog.open(data),
        lambda: SqliteLog.open(data, read_only=True),
        lambda: format_of(data),
        lambda: SqliteLog.open(data),
    ):
        with pytest.raises(LogUnavailable, match=r"is gone or empty, but .*log\.db-wal of it is"):
            attempt()
        assert (data / "log.db-wal").read_bytes() == wal
    away.rename(data / "log.db")
    assert read_all(data) == entries


@pytest.mark.parametrize("version", ["3.7.17", "3.50.4", "3.51.2"])
def test_an_old_sqlite_is_refused(version: str) -> None:
    """The error names the bug and what to install."""
    with pytest.raises(LogUnavailable, match=rf"{version} .* WAL-reset .* 3\.51\.3"):
        opening.require_sqlite(version)


@pytest.mark.parametrize("version", ["3.51.3", "3.52.0", "4.0.0", apsw.sqlite_lib_version()])
def test_a_sound_sqlite_is_accepted(version: str) -> None:
    """Versions are compared as numbers."""
    opening.require_sqlite(version)


def test_a_log_of_which_only_the_beginning_was_made_is_made_anew(tmp_path: Path) -> None:
    """A process killed while it made the file leaves nothing that keeps the next from starting."""
    with closing(apsw.Connection(str(tmp_path / "log.db"))) as db:
        db.pragma("journal_mode", "wal")
    with pytest.raises(LogUnavailable, match="no log yet"):
        SqliteLog.open(tmp_path, read_only=True)
    with closing(SqliteLog.open(tmp_path)) as log:
        entries = append(log, 3)
    assert read_all(tmp_path) == entries


@pytest.mark.parametrize(("sync", "pages"), [(True, CHECKPOINT_PAGES), (False, LIMIT_PAGES)])
def test_the_wal_does_not_grow_beyond_its_bound(memory_path: Path, sync: bool, pages: int) -> None:
    """Twice the bound is appended; syncs keep the WAL small, and appends do if nobody syncs."""
    bound_bytes = pages * PAGE_BYTES
    with closing(SqliteLog.open(memory_path)) as log:
        append_large(log, 2 * bound_bytes, sync=sync)
        assert wal_bytes(memory_path) < bound_bytes + 1_000_000


def test_a_wal_that_a_foreign_reader_made_grow_shrinks_again(memory_path: Path) -> None:
    """Only a transaction that somebody holds open exceeds the bound, and not for good."""
    bound_bytes = LIMIT_PAGES * PAGE_BYTES
    with closing(SqliteLog.open(memory_path)) as log:
        append(log, 1)
        with closing(apsw.Connection(str(memory_path / "log.db"))) as foreign:
            foreign.execute("BEGIN; SELECT count(*) FROM entry").fetchall()
            append_large(log, bound_bytes + 5_000_000)
            assert wal_bytes(memory_path) > bound_bytes + 5_000_000
        append_large(log, 1)
        append_large(log, 1)
        assert wal_bytes(memory_path) <= bound_bytes
