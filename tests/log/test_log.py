"""What every log promises, whatever it stores its entries in."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from routerd.core.state import GENESIS
from routerd.log.base import Conflict, Entry, Log, LogCorrupt
from routerd.log.codec import chain_hash
from routerd.log.memory import MemoryLog
from routerd.log.sqlite import SqliteLog


@pytest.fixture(params=["memory", "sqlite"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Log]:
    made: Log = MemoryLog() if request.param == "memory" else SqliteLog.open(tmp_path / "data")
    with closing(made):
        yield made


def following(log: Log, partition: str, *payloads: bytes) -> list[Entry]:
    """Payloads as the entries that come next in a partition."""
    position, entry_hash = log.last(partition)
    entries = []
    for payload in payloads:
        position += 1
        entry_hash = chain_hash(entry_hash, position, payload)
        entries.append(Entry(position, entry_hash, payload))
    return entries


def append(log: Log, partition: str, *payloads: bytes) -> list[Entry]:
    """Payloads appended to a partition, as entries."""
    entries = following(log, partition, *payloads)
    log.append(partition, entries, log.last(partition)[0])
    return entries


def test_an_empty_log_holds_nothing(log: Log) -> None:
    """Without entries there is no partition, the last position is 0 and its hash the genesis."""
    assert log.partitions() == []
    assert log.last("p") == (0, GENESIS)
    assert list(log.read("p")) == []
    assert log.get("p", 1) is None


def test_entries_come_back_as_they_were_appended(log: Log) -> None:
    """Reading gives all entries in order, equal in position, hash and payload."""
    entries = append(log, "p", b"a", b"", b"\x00\xff" * 3_000_000)
    entries += append(log, "p", b"d")
    assert list(log.read("p")) == entries
    assert log.last("p") == entries[-1][:2]
    assert [log.get("p", position) for position in (1, 2, 3, 4)] == entries


def test_reading_begins_behind_a_position(log: Log) -> None:
    """read(after) gives the entries from after + 1 on, none when there are none."""
    entries = append(log, "p", *[b"%d" % i for i in range(600)])
    for after in (0, 1, 255, 256, 257, 599, 600, 601, 10_000):
        assert list(log.read("p", after)) == entries[after:]


@pytest.mark.parametrize("position", [-1, 0, 4, 2**40])
def test_a_position_that_the_log_does_not_reach_has_no_entry(log: Log, position: int) -> None:
    """get answers None outside 1 .. last."""
    append(log, "p", b"a", b"b", b"c")
    assert log.get("p", position) is None


@pytest.mark.parametrize("expect", [0, 1, 3])
def test_an_append_that_expects_another_end_changes_nothing(log: Log, expect: int) -> None:
    """Conflict names both positions, and the log stays as it was."""
    entries = append(log, "p", b"a", b"b")
    late = [Entry(expect + 1, b"x" * 16, b"late")]
    with pytest.raises(Conflict, match=f"ends at position 2, not at {expect}"):
        log.append("p", late, expect)
    assert list(log.read("p")) == entries
    entries += append(log, "p", b"c")
    assert list(log.read("p")) == entries


@pytest.mark.parametrize("positions", [(2,), (1, 3), (1, 1), (0, 1)])
def test_an_append_with_a_gap_is_refused(log: Log, positions: tuple[int, ...]) -> None:
    """Positions that do not follow `expect` one by one are a ValueError and store nothing."""
    entries = [Entry(position, b"x" * 16, b"a") for position in positions]
    with pytest.raises(ValueError, match="is next"):
        log.append("p", entries, 0)
    assert log.partitions() == []


def test_an_append_of_nothing_changes_nothing(log: Log) -> None:
    """No entries, no partition; but the expectation is still held against the log."""
    log.append("p", [], 0)
    assert log.partitions() == []
    with pytest.raises(Conflict):
        log.append("p", [], 1)


def test_partitions_are_apart(log: Log) -> None:
    """Each partition has its own positions and entries, whatever its name."""
    names = ["", "Default", "default", "default2", "o'clock", "zürich", "日本"]
    entries = {name: append(log, name, name.encode(), b"2") for name in reversed(names)}
    for name in names:
        entries[name] += append(log, name, b"3")
    assert log.partitions() == sorted(names)
    assert {name: list(log.read(name)) for name in names} == entries


def test_a_broken_chain_is_found(log: Log) -> None:
    """Reading gives the entries before the first that does not fit, then LogCorrupt naming it."""
    entries = append(log, "p", *[b"%d" % i for i in range(300)])
    wrong = Entry(301, entries[0].hash, b"wrong")
    log.append("p", [wrong], 300)
    log.append("p", [Entry(302, chain_hash(wrong.hash, 302, b"right"), b"right")], 301)
    found = log.read("p")
    assert [next(found) for _ in entries] == entries
    with pytest.raises(LogCorrupt) as caught:
        next(found)
    assert (caught.value.partition, caught.value.position) == ("p", 301)
    with pytest.raises(LogCorrupt):
        log.get("p", 301)


def test_a_reader_sees_what_is_appended_meanwhile(log: Log) -> None:
    """A read that is under way keeps no append out, and goes on to what it added."""
    entries = append(log, "p", *[b"%d" % i for i in range(300)])
    reading = log.read("p")
    found = [next(reading)]
    entries += append(log, "p", b"meanwhile")
    found += reading
    assert found == entries


def test_sync_may_run_in_another_thread(log: Log) -> None:
    """Syncs in a thread and appends in another hinder each other in nothing."""
    stop = threading.Event()
    errors: list[Exception] = []

    def sync_all_the_time() -> None:
        try:
            while not stop.is_set():
                log.sync()
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=sync_all_the_time)
    thread.start()
    entries = []
    try:
        for i in range(500):
            entries += append(log, "p", b"%d" % i)
    finally:
        stop.set()
        thread.join()
    assert errors == []
    assert list(log.read("p")) == entries


def test_a_probe_of_a_working_log_changes_nothing(log: Log) -> None:
    """After a probe the log holds what it held, and goes on."""
    entries = append(log, "p", b"a", b"b")
    log.probe()
    entries += append(log, "p", b"c")
    log.sync()
    assert list(log.read("p")) == entries


def test_a_log_may_be_closed_twice(log: Log) -> None:
    """The second close does nothing."""
    append(log, "p", b"a")
    log.close()
    log.close()


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from("pq"), st.lists(st.binary(max_size=2_000), max_size=8))))
def test_any_history_is_kept(log: Log, history: list[tuple[str, list[bytes]]]) -> None:
    """After any sequence of appends each partition holds their entries, read from anywhere."""
    before = {name: list(log.read(name)) for name in "pq"}
    for name, payloads in history:
        before[name] += append(log, name, *payloads)
    for name, entries in before.items():
        assert list(log.read(name)) == entries
        half = len(entries) // 2
        assert list(log.read(name, half)) == entries[half:]
        assert log.last(name)[0] == len(entries)
