"""Repair keeps every entry up to the first that is gone, whatever else of the file is broken."""

from __future__ import annotations

import random
import shutil
from contextlib import closing
from hashlib import shake_128
from itertools import count
from pathlib import Path

import apsw
import pytest

from routerd.core.state import State
from routerd.engine.fold import fold
from routerd.engine.verify import verify
from routerd.log.base import Entry, LogCorrupt, LogUnavailable
from routerd.log.codec import chain_hash
from routerd.log.connections import PAGE_BYTES, checkpoint
from routerd.log.repair import repair
from routerd.log.snapshot import Snapshots
from routerd.log.sqlite import SqliteLog
from tests.core.engine import Engine
from tests.log.disk import watched_disk
from tests.log.entries import append, read_all
from tests.log.test_reach import shortened


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Entry]]:
    """A closed log over a root, pages of it and overflow, and what it holds."""
    directory = tmp_path_factory.mktemp("whole")
    with closing(SqliteLog.open(directory)) as log:
        entries = append(log, 200, at_once=7)
    return directory, entries


def test_a_whole_log_is_left_alone(whole: tuple[Path, list[Entry]], tmp_path: Path) -> None:
    """Nothing is moved and nothing is written anew."""
    shutil.copytree(whole[0], tmp_path, dirs_exist_ok=True)
    before = (tmp_path / "log.db").read_bytes()
    assert repair(tmp_path) == ({"p": (1, 200, 200, False)}, None)
    assert (tmp_path / "log.db").read_bytes() == before
    assert not (tmp_path / "damaged-1").exists()


def test_without_its_indexes_a_log_is_made_anew_whole(
    whole: tuple[Path, list[Entry]], tmp_path: Path
) -> None:
    """Every entry, long ones included; the old file is kept aside."""
    shutil.copytree(whole[0], tmp_path, dirs_exist_ok=True)
    with (tmp_path / "log.db").open("r+b") as file:
        file.write(bytes(PAGE_BYTES))
    before = (tmp_path / "log.db").read_bytes()
    kept, aside = repair(tmp_path)
    assert kept == {"p": (1, 200, 200, False)}
    assert read_all(tmp_path) == whole[1]
    assert aside is not None
    assert (aside / "log.db").read_bytes() == before
    with closing(SqliteLog.open(tmp_path)) as log:
        append(log, 3)


@pytest.mark.parametrize("lasting", [1, 10_000])
def test_a_disk_that_fails_leaves_all_as_it_was(memory_path: Path, lasting: int) -> None:
    """Each request to it in turn: what was made anew is whole, or is not put in place."""
    with closing(SqliteLog.open(memory_path / "whole")) as log:
        entries = append(log, 30, at_once=10)
    broken = bytes(PAGE_BYTES) + (memory_path / "whole" / "log.db").read_bytes()[PAGE_BYTES:]
    refused = 0
    for first in count(1):
        data = memory_path / f"data-{first}"
        data.mkdir()
        (data / "log.db").write_bytes(broken)
        with watched_disk() as disk:
            disk.failing = range(first, first + lasting)
            try:
                repair(data)
                done = True
            except LogUnavailable:
                done = False
        if done:
            assert read_all(data) == entries
        else:
            refused += 1
            assert (data / "log.db").read_bytes() == broken
            assert sorted(path.name for path in data.iterdir()) == ["lock", "log.db"]
        if len(disk.history) < first:
            break
    assert refused > 10


def test_an_emptied_file_costs_nothing_that_its_wal_holds(tmp_path: Path) -> None:
    """Looking whether the log is whole leaves the WAL as it is."""
    with closing(SqliteLog.open(tmp_path / "data")) as log:
        entries = append(log, 20)
        shutil.copytree(tmp_path / "data", tmp_path / "killed")
    (tmp_path / "killed" / "log.db").write_bytes(b"")
    assert repair(tmp_path / "killed")[0] == {"p": (1, 20, 20, False)}
    assert read_all(tmp_path / "killed") == entries


def test_a_broken_page_costs_what_stood_on_it_and_behind(
    whole: tuple[Path, list[Entry]], tmp_path: Path
) -> None:
    """Each page wiped in turn: the prefix that is kept holds all entries before the first gone.

    The file's first page and the inner ones of the tree hold no entries, or few: without them all
    the others are found all the same.
    """
    directory, entries = whole
    stored = (directory / "log.db").read_bytes()
    lengths = []
    for number in range(len(stored) // PAGE_BYTES):
        broken = bytearray(stored)
        broken[number * PAGE_BYTES : (number + 1) * PAGE_BYTES] = bytes(PAGE_BYTES)
        target = tmp_path / str(number)
        target.mkdir()
        (target / "log.db").write_bytes(broken)
        try:
            kept = repair(target)[0]["p"]
        except LogUnavailable:
            lengths.append(0)
            continue
        assert read_all(target) == entries[: kept.last]
        assert (kept.first, kept.end) in ((1, 200), (1, kept.last))
        lengths.append(kept.last)
        shutil.rmtree(target)
    assert lengths[0] == 200
    assert lengths.count(200) >= 2
    assert len(set(lengths)) > 20


def test_a_flipped_bit_never_makes_a_false_entry(
    whole: tuple[Path, list[Entry]], tmp_path: Path
) -> None:
    """Whatever is hit, what is kept is a prefix of what was there."""
    directory, entries = whole
    stored = (directory / "log.db").read_bytes()
    rng = random.Random(1)
    for turn in range(40):
        broken = bytearray(stored)
        for _ in range(3):
            broken[rng.randrange(len(stored))] ^= 1 << rng.randrange(8)
        target = tmp_path / str(turn)
        target.mkdir()
        (target / "log.db").write_bytes(broken)
        kept = repair(target)[0]["p"]
        assert read_all(target) == entries[: kept.last]


def test_what_only_the_wal_holds_is_kept(tmp_path: Path) -> None:
    """A killed process leaves its last entries there."""
    with closing(SqliteLog.open(tmp_path / "alive")) as log:
        entries = append(log, 60)
        shutil.copytree(tmp_path / "alive", tmp_path / "killed")
    assert repair(tmp_path / "killed") == ({"p": (1, 60, 60, False)}, None)
    with (tmp_path / "killed" / "log.db").open("r+b") as file:
        file.write(bytes(PAGE_BYTES))
    flip(tmp_path / "killed" / "log.db-wal", 28)  # the checksum of its header
    assert repair(tmp_path / "killed")[0] == {"p": (1, 60, 60, False)}
    assert read_all(tmp_path / "killed") == entries


@pytest.mark.parametrize("harm", ["the first entry", "where it starts"])
def test_a_snapshot_stands_for_what_is_broken_before_it(tmp_path: Path, harm: str) -> None:
    """Damage far back costs the past, and nothing of what was learnt."""
    state = lived(tmp_path, compacted=20 if harm == "where it starts" else 0)
    with closing(apsw.Connection(str(tmp_path / "log.db"))) as db:
        db.execute("DELETE FROM base")
        db.execute("UPDATE entry SET payload = x'00' WHERE position = 25")
    with closing(SqliteLog.open(tmp_path)) as log, pytest.raises(LogCorrupt):
        verify(log, Snapshots(tmp_path))
    (kept,) = repair(tmp_path)[0].values()
    assert (kept.last, kept.snapshot) == (state.position, True)
    with closing(SqliteLog.open(tmp_path)) as log:
        assert fold(log, "default", Snapshots(tmp_path)).hash() == state.hash()
        found = verify(log, Snapshots(tmp_path))
        assert found.mismatches == ()
        assert found.starts == {"default": kept.first}


def test_a_compacted_log_is_kept_with_its_start(tmp_path: Path) -> None:
    """From behind what was let go of, with all that it has."""
    state = lived(tmp_path, compacted=20)
    with (tmp_path / "log.db").open("r+b") as file:
        file.write(bytes(PAGE_BYTES))
    assert repair(tmp_path)[0] == {"default": (21, state.position, state.position, False)}
    with closing(SqliteLog.open(tmp_path)) as log:
        assert fold(log, "default", Snapshots(tmp_path)).hash() == state.hash()


def lived(directory: Path, compacted: int) -> State:
    """A log on disk with a snapshot in its middle; the state at its end."""
    engine = Engine()
    SqliteLog.open(directory).close()
    for i in range(40):
        engine.report(engine.route(request_id=f"r{i}").decision_id, quality=i % 2)
        if i == 25:
            Snapshots(directory).write(engine.state, keep=2)
    with closing(SqliteLog.open(directory)) as log:
        log.append("default", list(engine.log.read("default")), 0)
        log.forget("default", compacted, most=500)
    return engine.state


def test_a_snapshot_stands_for_an_end_that_is_missing(tmp_path: Path) -> None:
    """Nothing that was learnt is forgotten, although no entry is left behind it."""
    state = shortened(tmp_path)
    assert repair(tmp_path)[0] == {"default": (state.position + 1, *2 * (state.position,), True)}
    with closing(SqliteLog.open(tmp_path)) as log:
        assert fold(log, "default", Snapshots(tmp_path)).hash() == state.hash()
    assert repair(tmp_path)[1] is None


def test_a_snapshot_of_another_log_stands_for_nothing(tmp_path: Path) -> None:
    """However far it reaches, the entries of this one are kept."""
    lived(tmp_path, compacted=0)
    for path in Snapshots(tmp_path).paths("default"):
        path.unlink()
    other = Engine(seed=7)
    for i in range(100):
        other.route(request_id=f"other-{i}")
    Snapshots(tmp_path).write(other.state, keep=1)
    with closing(apsw.Connection(str(tmp_path / "log.db"))) as db:
        db.execute("UPDATE entry SET payload = x'00' WHERE position = 60")
    assert repair(tmp_path)[0] == {"default": (1, 59, 81, False)}


@pytest.mark.parametrize("compacted", [0, 20])
def test_a_snapshot_of_another_log_stands_for_nothing_though_they_share_no_decision(
    tmp_path: Path, compacted: int
) -> None:
    """Where its open decisions are all behind this log's end: it began otherwise."""
    lived(tmp_path, compacted)
    (own,) = Snapshots(tmp_path).paths("default")
    beyond(tmp_path)
    assert own.exists()
    with closing(apsw.Connection(str(tmp_path / "log.db"))) as db:
        db.execute("UPDATE entry SET payload = x'00' WHERE position = 60")
    assert repair(tmp_path)[0] == {"default": (compacted + 1, 59, 81, False)}


def beyond(directory: Path) -> None:
    """A snapshot of another log: further on, and with the latest decisions alone."""
    other = Engine(seed=7, limits={"open_decisions": 10})
    for i in range(100):
        other.route(request_id=f"other-{i}")
    Snapshots(directory).write(other.state, keep=2)


def flip(path: Path, offset: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[offset] ^= 4
    path.write_bytes(raw)


def test_a_log_in_use_is_left_alone(tmp_path: Path) -> None:
    """Who serves it is named."""
    with closing(SqliteLog.open(tmp_path)) as log:
        append(log, 5)
        with pytest.raises(LogUnavailable, match="is in use by the process"):
            repair(tmp_path)
    with pytest.raises(LogUnavailable, match="no log in"):
        repair(tmp_path / "elsewhere")


def test_a_file_without_any_entry_is_left_alone(tmp_path: Path) -> None:
    """There is nothing to make a log of, and nothing is moved."""
    (tmp_path / "log.db").write_bytes(b"no database" * 1_000)
    with pytest.raises(LogUnavailable, match="use a backup"):
        repair(tmp_path)
    assert (tmp_path / "log.db").exists()


def test_pages_that_the_wal_held_before_it_began_anew_stand_for_nothing(tmp_path: Path) -> None:
    """Long entries go on in pages that compaction freed, and old copies of those stand behind."""
    with closing(SqliteLog.open(tmp_path / "alive")) as log:
        append_long(log, "compacted", 200)
        checkpoint(log._files.second)
        log.forget("compacted", 190, 190)
        for count in (*[2] * 30, 10):
            checkpoint(log._files.second)
            append_long(log, "kept", count)
        entries = list(log.read("kept"))
        shutil.copytree(tmp_path / "alive", tmp_path / "killed")
    wal = tmp_path / "killed" / "log.db-wal"
    raw = bytearray(wal.read_bytes())
    raw[20_000] ^= 1
    wal.write_bytes(raw)
    kept = repair(tmp_path / "killed")[0]["kept"]
    assert (kept.first, kept.last) == (1, len(entries))
    with closing(SqliteLog.open(tmp_path / "killed", read_only=True)) as log:
        assert list(log.read("kept")) == entries


def append_long(log: SqliteLog, partition: str, count: int) -> None:
    for _ in range(count):
        position, entry_hash = log.last(partition)
        payload = shake_128(b"%d" % position).digest(9_000)
        entry_hash = chain_hash(entry_hash, position + 1, payload)
        log.append(partition, [Entry(position + 1, entry_hash, payload)], position)
