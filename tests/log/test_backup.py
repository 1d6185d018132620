"""A backup is one moment of a log that goes on, whole and checked."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from routerd.log.backup import back_up
from routerd.log.base import Entry
from routerd.log.codec import chain_hash
from routerd.log.connections import PAGE_BYTES
from routerd.log.fold import fold
from routerd.log.snapshot import Snapshots
from routerd.log.sqlite import COPIED_PAGES, SqliteLog
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


class Working:
    """A daemon's log that is compacted behind the older of two snapshots, again and again."""

    def __init__(self, directory: Path, log: SqliteLog) -> None:
        self._snapshots = Snapshots(directory)
        self._log = log
        self._engine = Engine()
        self._turns = 0

    def go_on(self) -> None:
        """Two snapshots take the place of those before, and the log lets go of what these need."""
        for _ in range(2):
            self._turns += 1
            self._engine.route(request_id=f"r{self._turns}")
            end, _ = self._log.last("default")
            self._log.append("default", list(self._engine.log.read("default", end)), end)
            self._snapshots.write(self._engine.state, keep=2)
        self._log.forget("default", end, most=500)


@pytest.mark.parametrize(("moment", "nth"), [("glob", 1), ("open", 1), ("open", 2)])
def test_snapshots_that_others_replace_meanwhile_are_looked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, nth: int
) -> None:
    """Behind their listing, the opening of one, or of both: the copy has one that fits."""
    source, target = tmp_path / "data", tmp_path / "copy"
    with closing(SqliteLog.open(source)) as log:
        working = Working(source, log)
        working.go_on()
        do, met = getattr(Path, moment), 0

        def meanwhile(path: Path, *given: Any, **named: Any) -> Any:
            nonlocal met
            found = do(path, *given, **named)
            if source / "snapshots" in (path, path.parent):
                found = list(found) if moment == "glob" else found
                met += 1
                if met == nth:
                    working.go_on()
            return found

        with monkeypatch.context() as patched:
            patched.setattr(Path, moment, meanwhile)
            ends = back_up(source, target, lambda *_: None)
        assert met > nth
        assert ends == {"default": log.last("default")[0]}
        state = fold(log, "default", Snapshots(source))
    with closing(SqliteLog.open(target)) as copy:
        assert fold(copy, "default", Snapshots(target)).hash() == state.hash()
