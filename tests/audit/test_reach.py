"""An audit that tells of more than its log proves a loss, as long as the machine ran on."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from routerd.audit.backup import back_up
from routerd.audit.process import catch_up
from routerd.audit.projector import Projector
from routerd.audit.queries import projected_through
from routerd.audit.reach import open_audited, set_aside
from routerd.audit.schema import VERSION, audit_path
from routerd.core.events import Decision
from routerd.log import disk
from routerd.log.base import LogCorrupt
from routerd.log.codec import records
from routerd.log.disk import boot_id
from routerd.log.snapshot import Snapshots
from routerd.log.sqlite import SqliteLog
from routerd.router import Router
from tests.audit.made import column
from tests.core.engine import START_MS, Clock, Engine

KEPT = 11
ALL = 21
FORGETFUL = {
    "agents": [{"id": "a"}, {"id": "b"}],
    "log": {"snapshot_events": 1_000, "snapshots": 2, "keep_events": 1_000},
}
COUNT = "SELECT count(*) FROM decisions"


@pytest.fixture
def shortened(tmp_path: Path) -> Path:
    """A log that ends before its audit, on a machine that ran on."""
    engine = told(20)
    write(engine, tmp_path, KEPT)
    project(engine, tmp_path)
    return tmp_path


def told(count: int, name: str = "r") -> Engine:
    engine = Engine()
    for i in range(count):
        engine.route(request_id=f"{name}{i}")
    return engine


def write(engine: Engine, directory: Path, through: int) -> None:
    with closing(SqliteLog.open(directory)) as log:
        log.append("default", list(engine.log.read("default"))[:through], 0)


def project(engine: Engine, directory: Path) -> None:
    with closing(Projector(engine.log, "default", directory)) as projector:
        while projector.advance():
            pass


def hold(directory: Path) -> None:
    open_audited(directory).close()


def test_what_the_audit_tells_of_must_be_in_the_log(shortened: Path) -> None:
    """Each start refuses, by name of what is missing; so do a projection by hand and a backup."""
    said = f"positions {KEPT + 1} to {ALL} are missing.*audit.db.*routerd repair"
    for _ in range(2):
        with pytest.raises(LogCorrupt, match=said):
            hold(shortened)
    with pytest.raises(LogCorrupt, match=said):
        catch_up(shortened)
    with pytest.raises(LogCorrupt, match=said):
        back_up(shortened, shortened / "copy", lambda *_: None)
    assert not (shortened / "copy").exists()
    assert projected_through(shortened, "default", wanted=True) == ALL
    assert catch_up(shortened, rebuild=True) == {"default": KEPT}
    hold(shortened)


def test_after_a_loss_of_power_it_is_told_and_gone_on_with(
    shortened: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The projector reads what was not on the platter yet, and nobody was promised that.

    However many starts it takes until the audit is made anew: there may be no projector at all.
    """
    lock = shortened / "lock"
    assert boot_id() in lock.read_text()
    lock.write_text(lock.read_text().replace(boot_id(), "another"))
    caplog.set_level(logging.WARNING)
    for _ in range(2):
        caplog.clear()
        hold(shortened)
        assert f"positions {KEPT + 1} to {ALL}" in caplog.text
        assert "went with the power" in caplog.text
    assert catch_up(shortened) == {"default": KEPT}
    assert not (shortened / "damaged-1").exists()  # a log that is whole needs no other witness


def test_a_start_that_is_killed_before_it_has_compared_vouches_for_nothing(shortened: Path) -> None:
    """Else the next one takes for damage what went with the power."""
    lock = shortened / "lock"
    lock.write_text(lock.read_text().replace(boot_id(), "another"))
    with closing(SqliteLog.open(shortened)):
        shutil.copytree(shortened, shortened / "killed")
    hold(shortened / "killed")
    assert catch_up(shortened / "killed") == {"default": KEPT}
    hold(shortened / "killed")
    assert boot_id() in (shortened / "killed" / "lock").read_text()


def test_what_a_log_lets_go_of_stays_in_its_audit_without_power(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite has not synced all that the projector wrote; the log forgets nothing before that."""
    alive, lost = tmp_path / "alive", tmp_path / "lost"
    lost.mkdir()

    def sync_file(fd: int) -> None:
        file = Path(os.readlink(f"/proc/self/fd/{fd}"))
        (lost / file.name).write_bytes(file.read_bytes())

    with Router.open(FORGETFUL, alive) as router:
        for _ in range(1_100):
            router.route()
    with closing(SqliteLog.open(alive, read_only=True)) as log:
        with closing(Projector(log, "default", alive)) as projector:
            while projector.advance():
                pass
            with Router.open(FORGETFUL, alive) as router:
                for _ in range(1_100):
                    router.route()
                monkeypatch.setattr(disk, "sync_file", sync_file)
            shutil.copy(alive / "audit.db", lost)
        assert log.base("default").position == projector.position
        with closing(Projector(log, "default", lost)) as projector:
            while projector.advance():
                pass
    assert column(lost / "audit.db", COUNT) == [2_200]


@pytest.fixture
def compacted(tmp_path: Path) -> Path:
    """A log that lets go of its first 1,103 events, and an audit of its 2,200 decisions."""
    for count in (1_100, 1_100, 0):
        with Router.open(FORGETFUL, tmp_path) as router:
            for _ in range(count):
                router.route()
        catch_up(tmp_path)
    with closing(SqliteLog.open(tmp_path, read_only=True)) as log:
        assert log.base("default").position > 1_000
    return tmp_path


def test_what_a_log_lost_without_power_costs_the_audit_nothing_of_what_it_had_let_go_of(
    compacted: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The audit is ahead of the log then: it is kept, and another one begins where the log does."""
    lost = compacted / "lost"
    with Router.open(FORGETFUL, compacted) as router:
        router.route()
        on_the_platter = (compacted / "log.db-wal").stat().st_size
        for _ in range(10):
            router.route()
        end = catch_up(compacted)["default"]
        shutil.copytree(compacted, lost)
    os.truncate(lost / "log.db-wal", on_the_platter)
    lock = lost / "lock"
    lock.write_text(lock.read_text().replace(boot_id(), "another"))
    hold(lost)
    for _ in range(2):
        assert catch_up(lost)["default"] < end
    assert f"{lost / 'audit.db'} is kept in {lost / 'damaged-1'}" in caplog.text
    assert column(lost / "damaged-1" / "audit.db", COUNT) == [2_211]
    with closing(SqliteLog.open(lost, read_only=True)) as log:
        held = sum(isinstance(r.event, Decision) for r in records(log, "default"))
    assert column(lost / "audit.db", COUNT) == [held]
    assert not (lost / "damaged-2").exists()


@pytest.mark.parametrize("rebuild", [True, False])
def test_beside_a_compacted_log_no_audit_is_thrown_away(compacted: Path, rebuild: bool) -> None:
    """Neither one of another version of routerd, nor at an operator's word."""
    if not rebuild:
        with closing(sqlite3.connect(compacted / "audit.db")) as db:
            db.execute(f"PRAGMA user_version = {VERSION - 1}")
    end = catch_up(compacted, rebuild=rebuild)["default"]
    assert projected_through(compacted, "default", wanted=True) == end
    assert column(compacted / "damaged-1" / "audit.db", COUNT) == [2_200]
    assert column(compacted / "audit.db", COUNT)[0] < 2_200


def test_a_damaged_audit_of_a_compacted_log_is_kept(compacted: Path) -> None:
    """Much of it can be read perhaps."""
    whole = (compacted / "audit.db").read_bytes()
    spoilt = b"no database" + whole[11:]
    (compacted / "audit.db").write_bytes(spoilt)
    catch_up(compacted)
    assert (compacted / "damaged-1" / "audit.db").read_bytes() == spoilt


def test_the_audit_of_another_log_proves_nothing(tmp_path: Path) -> None:
    """Its decisions are not this log's."""
    write(told(10), tmp_path, KEPT)
    project(told(20, "other"), tmp_path)
    hold(tmp_path)


def test_the_audit_of_another_log_proves_nothing_though_they_share_no_decision(
    tmp_path: Path,
) -> None:
    """It began otherwise, and holds no decision that this log could have had."""
    other = Engine(wall=Clock(START_MS + 1))
    for i in range(20):
        other.register(f"guest{i}")
    other.route()
    write(told(10), tmp_path, KEPT)
    project(other, tmp_path)
    hold(tmp_path)


def test_of_a_compacted_log_the_snapshots_tell_how_it_began(tmp_path: Path) -> None:
    """So another log's audit proves nothing to it either, and its own does."""
    other, engine = Engine(wall=Clock(START_MS + 1)), told(10)
    for i in range(20):
        other.register(f"guest{i}")
    other.route()
    write(engine, tmp_path, KEPT)
    Snapshots(tmp_path).write(engine.state, keep=2)
    with closing(SqliteLog.open(tmp_path)) as log:
        log.forget("default", KEPT - 1, KEPT)
    project(other, tmp_path)
    hold(tmp_path)
    audit_path(tmp_path).unlink()
    for i in range(10):
        engine.route(request_id=f"more{i}")
    project(engine, tmp_path)
    with pytest.raises(LogCorrupt, match=f"positions {KEPT + 1} to {ALL} are missing"):
        hold(tmp_path)


def test_an_audit_that_does_not_fit_is_set_aside_whole(shortened: Path) -> None:
    """What it tells of is all that is left of it; one that fits stays where it is."""
    moved = set_aside(shortened, shortened / "damaged-1")
    assert moved == {"default": (ALL, shortened / "damaged-1" / "audit.db")}
    assert projected_through(shortened / "damaged-1", "default", wanted=True) == ALL
    hold(shortened)
    assert catch_up(shortened) == {"default": KEPT}
    assert set_aside(shortened, shortened / "damaged-2") == {}
    assert not (shortened / "damaged-2").exists()
