"""A backup is one moment of a log that goes on, whole and checked."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from routerd.audit.backup import back_up
from routerd.audit.process import catch_up
from routerd.audit.queries import Audit, Search
from routerd.audit.reach import open_audited
from routerd.audit.schema import audit_path
from routerd.engine.fold import fold
from routerd.log.base import Entry, LogUnavailable
from routerd.log.codec import chain_hash
from routerd.log.connections import PAGE_BYTES
from routerd.log.snapshot import Snapshots, position_of
from routerd.log.sqlite import COPIED_PAGES, SqliteLog
from tests.audit.test_reach import ALL, project, told, write
from tests.core.engine import Engine


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

        def heard(done: int, of: int, what: str) -> None:
            if what == "copying":
                steps.append(done)
                append(log, "default", 1, 60_000)

        assert back_up(tmp_path / "data", tmp_path / "copy", heard) == before
        assert log.last("default")[0] == before["default"] + len(steps)
    assert len(steps) >= 3
    assert steps == sorted(set(steps))
    with closing(SqliteLog.open(tmp_path / "copy")) as copy:
        append(copy, "default", 1, 10)
        assert copy.last("default")[0] == before["default"] + 1


class Working:
    """A daemon's log that is compacted behind its snapshots, and its audit if it has one."""

    def __init__(self, directory: Path, log: SqliteLog, *, audited: bool = True) -> None:
        self._audited = audited
        self._directory = directory
        self._snapshots = Snapshots(directory)
        self._log = log
        self._engine = Engine()
        self.turns = 0

    def go_on(self) -> None:
        """The log lets go of all that the snapshots of before need."""
        self.snapshot()
        self.compact()

    def snapshot(self) -> None:
        """Two snapshots take the place of those before."""
        for _ in range(2):
            self.turns += 1
            self._engine.route(request_id=f"r{self.turns}")
            end, _ = self._log.last("default")
            self._log.append("default", list(self._engine.log.read("default", end)), end)
            self._snapshots.write(self._engine.state, keep=2)

    def compact(self) -> None:
        """The audit catches up, and the log lets go of what is behind both."""
        if self._audited:
            project(self._engine, self._directory)
        older = position_of(self._snapshots.paths("default")[1])
        self._log.forget("default", older, most=500)


@pytest.mark.parametrize(("moment", "nth"), [("glob", 1), ("open", 1), ("open", 2)])
@pytest.mark.parametrize(
    ("does", "audited"), [("go_on", True), ("go_on", False), ("compact", True)]
)
def test_what_others_replace_meanwhile_is_looked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, nth: int, does: str, audited: bool
) -> None:
    """Behind the listing of snapshots, the opening of one, or of both: the copy is of one moment.

    Its audit tells of every decision, those that its log let go of too.
    """
    source, target = tmp_path / "data", tmp_path / "copy"
    with closing(SqliteLog.open(source)) as log:
        working = Working(source, log, audited=audited)
        working.go_on()
        working.snapshot()
        do, met = getattr(Path, moment), 0

        def meanwhile(path: Path, *given: Any, **named: Any) -> Any:
            nonlocal met
            found = do(path, *given, **named)
            if source / "snapshots" in (path, path.parent):
                found = list(found) if moment == "glob" else found
                met += 1
                if met == nth:
                    getattr(working, does)()
            return found

        with monkeypatch.context() as patched:
            patched.setattr(Path, moment, meanwhile)
            ends = back_up(source, target, lambda *_: None)
        assert met > nth
        assert ends == {"default": log.last("default")[0]}
        state = fold(log, "default", Snapshots(source))
    with closing(open_audited(target)) as copy:
        assert fold(copy, "default", Snapshots(target)).hash() == state.hash()
    if not audited:
        return
    with closing(Audit(audit_path(target))) as audit:
        assert audit.projected_through == state.position
        assert len(audit.decisions(Search(), 500).rows) == working.turns


def test_where_nothing_was_compacted_the_audit_is_made_from_the_copy(tmp_path: Path) -> None:
    """So nothing of it need be copied."""
    engine = told(20)
    write(engine, tmp_path / "data", ALL)
    project(engine, tmp_path / "data")
    back_up(tmp_path / "data", tmp_path / "copy", lambda *_: None)
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == ["log.db"]
    assert catch_up(tmp_path / "copy") == {"default": ALL}


@pytest.mark.parametrize(
    "left", ["log.db", "log.db-wal", "audit.db", "snapshots/default-000000000021.snapshot"]
)
def test_a_copy_takes_nothing_for_its_own_that_was_there_before(tmp_path: Path, left: str) -> None:
    """SQLite would take the WAL of another log for this one's."""
    write(told(20), tmp_path / "data", ALL)
    found = tmp_path / "copy" / left
    found.parent.mkdir(parents=True)
    found.write_bytes(b"of a log")
    with pytest.raises(LogUnavailable, match="holds a log already"):
        back_up(tmp_path / "data", tmp_path / "copy", lambda *_: None)
    assert [path for path in (tmp_path / "copy").rglob("*") if path.is_file()] == [found]


def test_an_audit_of_another_log_is_left_where_it_is(tmp_path: Path) -> None:
    """It would be made anew at once."""
    with closing(SqliteLog.open(tmp_path / "data")) as log:
        Working(tmp_path / "data", log).go_on()
    (tmp_path / "data" / "audit.db").unlink()
    project(told(1, "other"), tmp_path / "data")
    back_up(tmp_path / "data", tmp_path / "copy", lambda *_: None)
    assert not (tmp_path / "copy" / "audit.db").exists()
