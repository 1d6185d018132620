"""A log that lost its end is a whole one, only shorter: what was made of it tells."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from routerd.audit.backup import back_up
from routerd.core.state import State
from routerd.engine.fold import fold
from routerd.engine.verify import verify
from routerd.log.base import LogCorrupt
from routerd.log.snapshot import Snapshots
from routerd.log.sqlite import SqliteLog
from tests.core.engine import Engine

LEFT = 40


def shortened(directory: Path, left: int = LEFT) -> State:
    """A log that ends before its snapshot; the state that this holds."""
    engine = Engine()
    for i in range(30):
        engine.report(engine.route(request_id=f"r{i}").decision_id, quality=i % 2)
    with closing(SqliteLog.open(directory)) as log:
        log.append("default", list(engine.log.read("default"))[:left], 0)
    Snapshots(directory).write(engine.state, keep=2)
    return engine.state


def folded(log: SqliteLog, directory: Path) -> None:
    fold(log, "default", Snapshots(directory))


def verified(log: SqliteLog, directory: Path) -> None:
    verify(log, Snapshots(directory))


def backed_up(log: SqliteLog, directory: Path) -> None:
    back_up(directory, directory / "copy", lambda *_: None)


@pytest.mark.parametrize("left", [LEFT, 0])
@pytest.mark.parametrize("use", [folded, verified, backed_up])
def test_a_log_that_ends_before_its_snapshot_is_refused(
    use: Callable[[SqliteLog, Path], Any], left: int, tmp_path: Path
) -> None:
    """By who starts on it, verifies it or copies it; what is missing is named, and the way out."""
    state = shortened(tmp_path, left)
    missing = f"positions {left + 1} to {state.position} are missing"
    said = f"{missing}.*older log on purpose.*routerd repair"
    with (
        closing(SqliteLog.open(tmp_path, read_only=True)) as log,
        pytest.raises(LogCorrupt, match=said) as told,
    ):
        use(log, tmp_path)
    assert (told.value.partition, told.value.position) == ("default", left + 1)


def test_a_snapshot_that_cannot_be_read_proves_nothing(tmp_path: Path) -> None:
    """It is passed over, as where it is behind."""
    state = shortened(tmp_path)
    (path,) = Snapshots(tmp_path).paths("default")
    path.write_bytes(path.read_bytes()[:-1])
    with closing(SqliteLog.open(tmp_path)) as log:
        assert fold(log, "default", Snapshots(tmp_path)).position == LEFT < state.position


def test_a_snapshot_of_a_log_that_began_otherwise_proves_nothing(tmp_path: Path) -> None:
    """Also where every decision in it is behind this log's end."""
    engine, other = Engine(), Engine(seed=7, limits={"open_decisions": 10})
    for i in range(100):
        other.route(request_id=f"r{i}")
    with closing(SqliteLog.open(tmp_path)) as log:
        log.append("default", list(engine.log.read("default")), 0)
        Snapshots(tmp_path).write(other.state, keep=2)
        assert fold(log, "default", Snapshots(tmp_path)).hash() == engine.state.hash()


def test_who_went_on_otherwise_is_not_held_to_the_past(tmp_path: Path) -> None:
    """Where the log was gone on with from an earlier position, the snapshot is of another one."""
    shortened(tmp_path)
    engine = Engine()
    for i in range(25):
        engine.report(engine.route(request_id=f"r{i}").decision_id, quality=i % 2 / 2)
    entries = list(engine.log.read("default"))
    with closing(SqliteLog.open(tmp_path / "other")) as log:
        log.append("default", entries, 0)
        found = fold(log, "default", Snapshots(tmp_path))
    assert found.hash() == engine.state.hash()
