"""Snapshots: a start from one gives the state that the whole log gives, or it is passed over."""

from __future__ import annotations

import gc
import logging
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from routerd.cli.main import main
from routerd.core.state import State
from routerd.engine.fold import fold
from routerd.log import snapshot
from routerd.log.base import LogCorrupt
from routerd.log.memory import MemoryLog
from routerd.log.snapshot import Snapshots, Unusable, check, load
from routerd.router import Router
from tests.core.engine import Engine

DAY_MS = 86_400_000


def busy(engine: Engine, count: int, name: str) -> None:
    """Traffic of every kind: decisions, outcomes, a group, agents that come and go, days."""
    for i in range(count):
        told = engine.route(
            request_id=f"{name}-{i}", work_type=f"w{i % 4}", group_id="g" if i % 7 == 0 else ""
        )
        if i % 3:
            engine.report(told.decision_id, quality=i % 2, cost_usd=0.01 * i, latency_ms=10.0)
        if i % 11 == 0:
            engine.wall.now_ms += DAY_MS // 3
    engine.register(f"guest-{name}")
    engine.beat(f"guest-{name}", "BUSY")


@pytest.fixture
def lived() -> Engine:
    engine = Engine(outcomes={"missing_quality": 0.2})
    busy(engine, 40, "first")
    return engine


@pytest.mark.parametrize("kind", ["pooled", "linear", "logistic", "beta"])
def test_from_any_snapshot_the_state_is_that_of_the_whole_log(kind: str, tmp_path: Path) -> None:
    """Snapshots at many positions, each with its tail: one hash, that of the fold from 1."""
    engine = Engine(policy={"kind": "value", "learner": {"kind": kind}})
    snapshots, kept = Snapshots(tmp_path), []
    for turn in range(5):
        busy(engine, 12, f"turn{turn}")
        path = snapshots.write(engine.state, keep=1)
        kept.append(Path(shutil.copy(path, tmp_path)))
        assert snapshots.paths("default") == [path]
    busy(engine, 12, "tail")
    whole = fold(engine.log, "default").hash()
    assert whole == engine.state.hash()
    for path in kept:
        snapshots.paths("default")[0].unlink()
        shutil.copy(path, snapshots.directory)
        assert load(path)[1].position < engine.state.position
        assert fold(engine.log, "default", snapshots).hash() == whole


def test_the_old_ones_go_once_the_name_of_the_new_one_survives_power_loss(
    lived: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory's entries may reach the platter in any order, until it is synced."""
    snapshots = Snapshots(tmp_path)
    old = snapshots.write(lived.state, keep=1)
    busy(lived, 3, "more")
    synced = []
    monkeypatch.setattr(snapshot, "sync_directory", lambda d: synced.append(sorted(d.iterdir())))
    new = snapshots.write(lived.state, keep=1)
    assert synced == [[old, new]]
    assert snapshots.paths("default") == [new]


def test_what_many_have_in_common_is_held_once(lived: Engine, tmp_path: Path) -> None:
    """A restored state takes little more memory than one that lived; gc has nothing to walk."""
    _, state = load(Snapshots(tmp_path).write(lived.state, keep=1))
    once: dict[str, str] = {}
    heard = [entry for entry in state.decisions.values() if entry.reports]
    assert len(heard) > 5
    for entry in heard:
        decision = entry.decision
        common = (*decision.agents, *decision.alternatives, decision.query.work_type)
        assert all(text is once.setdefault(text, text) for text in common)
    gc.collect()
    for held in (state, lived.state):
        tracked = [
            e for e in held.decisions.values() if gc.is_tracked(e) or gc.is_tracked(e.reports)
        ]
        assert not tracked


def test_only_what_came_after_is_folded(lived: Engine, tmp_path: Path) -> None:
    """The state stands where the snapshot was made, before any event of the tail is applied."""
    snapshots = Snapshots(tmp_path)
    snapshots.write(lived.state, keep=2)
    held = lived.state.hash()
    busy(lived, 5, "later")
    head, state = load(snapshots.paths("default")[0])
    assert state.hash() == held
    assert head.position == state.position < lived.state.position
    assert head.is_ours


Harm = Callable[[Path], object]

HARM: dict[str, Harm] = {
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-20]),
    "empty": lambda path: path.write_bytes(b""),
    "no snapshot": lambda path: path.write_bytes(b"something else entirely" * 99),
    "too long": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "a directory": lambda path: [path.unlink(), path.mkdir()],  # type: ignore[func-returns-value]
}


@pytest.mark.parametrize("harm", HARM)
def test_a_damaged_snapshot_is_passed_over(
    lived: Engine, tmp_path: Path, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The older one serves, or the whole log; a line of the daemon's log names the file."""
    snapshots = Snapshots(tmp_path)
    snapshots.write(lived.state, keep=2)
    busy(lived, 5, "later")
    path = snapshots.write(lived.state, keep=2)
    assert len(snapshots.paths("default")) == 2
    for spoilt in (path, snapshots.paths("default")[1]):
        HARM[harm](spoilt)
        assert fold(lived.log, "default", snapshots).hash() == lived.state.hash()
        assert str(spoilt) in caplog.text


def test_a_flipped_bit_in_any_part_of_a_snapshot_is_found(lived: Engine, tmp_path: Path) -> None:
    """Both by who loads it and by who only checks it, wherever it is."""
    path = Snapshots(tmp_path).write(lived.state, keep=1)
    whole = path.read_bytes()
    check(path)
    for at in range(0, len(whole), 97):
        spoilt = bytearray(whole)
        spoilt[at] ^= 1 << at % 8
        path.write_bytes(spoilt)
        with pytest.raises(Unusable, match=path.name):
            check(path)
        with pytest.raises(Unusable, match=path.name):
            load(path)


def test_a_snapshot_of_another_log_is_passed_over(lived: Engine, tmp_path: Path) -> None:
    """One whose position this log has otherwise, or not at all, is of another past."""
    snapshots = Snapshots(tmp_path)
    other = Engine()
    busy(other, 41, "elsewhere")
    snapshots.write(other.state, keep=2)
    assert fold(lived.log, "default", snapshots).hash() == lived.state.hash()
    busy(lived, 40, "more")
    assert fold(lived.log, "default", snapshots).hash() == lived.state.hash()


@pytest.mark.parametrize("what", ["engine_version", "fingerprint"])
def test_a_snapshot_made_elsewhere_serves_only_when_it_must(
    lived: Engine, tmp_path: Path, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Another version or machine may have learnt otherwise: the whole log is folded, if it is."""
    caplog.set_level(logging.INFO)
    snapshots = Snapshots(tmp_path)
    path = snapshots.write(lived.state, keep=1)
    made_by(path, **{what: "other"})
    busy(lived, 5, "later")
    assert fold(lived.log, "default", snapshots).hash() == lived.state.hash()
    assert "was made by" in caplog.text
    lived.log.forget("default", 30, most=500)
    assert fold(lived.log, "default", snapshots).hash() == lived.state.hash()


def made_by(path: Path, **changes: Any) -> None:
    """Rewrite a snapshot's head."""
    with path.open("rb") as file:
        head = snapshot.Reader(file).head()
    _, state = load(path)
    rest = list(snapshot.frames(state))[1:]
    changed = msgspec.structs.replace(head, **changes)
    with path.open("wb") as file:
        snapshot.write_frames(file, [msgspec.msgpack.encode(changed), *rest])


def test_a_snapshot_of_a_newer_schema_is_refused_in_words(lived: Engine, tmp_path: Path) -> None:
    """It is passed over, and the line says which versions there are."""
    path = Snapshots(tmp_path).write(lived.state, keep=1)
    made_by(path, schema=99)
    with pytest.raises(Unusable, match="schema 99, and this version of routerd knows up to 1"):
        load(path)


def test_a_compacted_log_needs_a_snapshot(lived: Engine, tmp_path: Path) -> None:
    """With one it starts as before; without one it is refused, and nothing is made up."""
    snapshots = Snapshots(tmp_path)
    path = snapshots.write(lived.state, keep=1)
    busy(lived, 5, "later")
    lived.log.forget("default", load(path)[0].position, most=500)
    assert fold(lived.log, "default", snapshots).hash() == lived.state.hash()
    path.unlink()
    with pytest.raises(LogCorrupt, match="compacted"):
        fold(lived.log, "default", snapshots)


def test_the_newest_are_kept_and_no_other_file_is_touched(tmp_path: Path) -> None:
    """Each partition keeps its own; what a killed process left half written is no snapshot."""
    snapshots = Snapshots(tmp_path)
    other = State("default-x")
    engine = Engine()
    for name in "abcd":
        busy(engine, 3, name)
        snapshots.write(engine.state, keep=2)
    other_path = snapshots.directory / f"{snapshot.prefix(other.partition)}{7:015d}.snapshot"
    other_path.write_bytes(b"")
    (snapshots.directory / "default-000000000000009.77.partial").write_bytes(b"")
    found = snapshots.paths("default")
    assert len(found) == 2
    assert load(found[0])[0].position == engine.state.position
    assert snapshots.paths("default-x") == [other_path]
    snapshots.write(engine.state, keep=1)
    assert len(snapshots.paths("default")) == 1
    assert other_path.exists()


def test_snapshots_of_a_future_that_is_lost_go(lived: Engine, tmp_path: Path) -> None:
    """After a log lost its end, a snapshot from behind the new end must not displace a good one."""
    snapshots = Snapshots(tmp_path)
    other = Engine()
    busy(other, 90, "lost")
    snapshots.write(other.state, keep=2)
    path = snapshots.write(lived.state, keep=2)
    assert snapshots.paths("default") == [path]


def test_a_daemon_that_went_on_keeps_the_snapshots_that_it_made_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`routerd snapshot` takes no lock, and may be slow: its log may start behind its state."""
    with Router.open({"agents": [{"id": "small"}], "clock": "logical"}, tmp_path) as router:
        router.route()
        later: list[Path] = []

        def slow(*given: Any) -> State:
            state = fold(*given)
            router.route()
            later.append(Snapshots(tmp_path).write(router._sequencer.state, keep=1))
            return state

        monkeypatch.setattr("routerd.engine.fold.fold", slow)
        told = CliRunner().invoke(main, ["snapshot", str(tmp_path), "--keep", "1"])
        assert told.exit_code == 0, told.output
        assert Snapshots(tmp_path).paths("default") == later


def test_a_snapshot_that_cannot_be_written_is_called_that(tmp_path: Path) -> None:
    """Where its directory is a file, as where the disk may not be written to."""
    with Router.open({"agents": [{"id": "small"}], "clock": "logical"}, tmp_path) as router:
        router.route()
        (tmp_path / "snapshots").touch()
        told = CliRunner().invoke(main, ["snapshot", str(tmp_path)])
        (tmp_path / "snapshots").unlink()
    assert told.exit_code == 1
    assert f"cannot write a snapshot of {tmp_path}: " in told.stderr


def test_a_snapshot_appears_whole_or_not_at_all(
    lived: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the disk fails in the middle, the older ones are still there and nothing else is."""
    snapshots = Snapshots(tmp_path)
    path = snapshots.write(lived.state, keep=1)
    before = path.read_bytes()
    busy(lived, 3, "later")

    def failing(fd: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(snapshot, "sync_file", failing)
    with pytest.raises(OSError, match="no space"):
        snapshots.write(lived.state, keep=1)
    assert list(snapshots.directory.iterdir()) == [path]
    assert path.read_bytes() == before


def test_a_restart_from_a_snapshot_repeats_nothing(tmp_path: Path) -> None:
    """Requests and outcomes from before it are still known, and answered as they were."""
    log, snapshots = MemoryLog(), Snapshots(tmp_path)
    engine = Engine(log)
    first = engine.route(request_id="r", work_type="code")
    engine.report(first.decision_id, outcome_id="o", quality=1.0)
    snapshots.write(engine.state, keep=1)
    log.forget("default", engine.state.position, most=500)
    engine.sequencer.state = fold(log, "default", snapshots)
    again = engine.route(request_id="r", work_type="code")
    assert again.decision == first.decision
    assert engine.report(first.decision_id, outcome_id="o", quality=1.0).duplicate
    with closing(log):
        assert engine.state.position == log.last("default")[0]
