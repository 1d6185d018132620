"""A log that lets go of its oldest entries: the rest stays chained, and damage is still found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

import apsw
import pytest

from routerd.core.events import ConfigApplied, DecisionsClosed
from routerd.core.state import GENESIS
from routerd.log.base import WHOLE, Entry, Log, LogCompacted, LogCorrupt
from routerd.log.codec import chain_hash, encode, records
from routerd.log.memory import MemoryLog
from routerd.log.sqlite import SqliteLog
from tests.log.entries import append, following

CONFIG = ConfigApplied(5, "p", b"{}", "1.0", "f")


@pytest.fixture(params=["memory", "sqlite"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Log]:
    made: Log = MemoryLog() if request.param == "memory" else SqliteLog.open(tmp_path / "data")
    with closing(made):
        yield made


def filled(log: Log, count: int) -> list[Entry]:
    entries = following(0, GENESIS, count)
    log.append("p", entries, 0)
    return entries


def test_the_first_entries_go_and_the_rest_stays(log: Log) -> None:
    """What is left is read as before, from its own first entry on; so is what comes after."""
    entries = filled(log, 30)
    assert log.base("p") == WHOLE
    assert log.forget("p", 12, most=5) == 5
    assert log.forget("p", 12, most=500) == 7
    assert log.forget("p", 12, most=500) == 0
    assert log.base("p") == (12, entries[11].hash, None)
    assert list(log.read("p")) == entries[12:]
    assert list(log.read("p", 12)) == entries[12:]
    assert log.get("p", 13) == entries[12]
    more = following(*entries[-1][:2], 3)
    log.append("p", more, 30)
    assert list(log.read("p", 29)) == [entries[29], *more]


def test_what_is_gone_is_told_to_be_gone(log: Log) -> None:
    """Whoever asks for an entry before the start is told where the log starts."""
    filled(log, 30)
    log.forget("p", 12, most=500)
    for ask in (lambda: list(log.read("p", 11)), lambda: log.get("p", 12)):
        with pytest.raises(LogCompacted) as caught:
            ask()
        assert (caught.value.partition, caught.value.first) == ("p", 13)
    assert log.get("p", 31) is None


def test_a_log_that_let_go_of_everything_goes_on(log: Log) -> None:
    """The place and the hash of the last entry are kept: the next one is chained to it."""
    entries = filled(log, 9)
    assert log.forget("p", 500, most=500) == 9
    assert log.last("p") == entries[-1][:2]
    assert list(log.read("p")) == []
    more = following(*entries[-1][:2], 2)
    log.append("p", more, 9)
    assert list(log.read("p")) == more
    assert log.partitions() == ["p"]


def test_a_reader_that_is_overtaken_is_told_so(log: Log) -> None:
    """No entry is skipped in silence when the writer lets go of what was to be read next."""
    entries = filled(log, 600)
    reading = log.read("p")
    found = list(islice(reading, 10))
    log.forget("p", 550, most=600)
    with pytest.raises(LogCompacted):
        found.extend(reading)
    assert found == entries[: len(found)]


def test_the_configuration_in_force_is_kept(log: Log) -> None:
    """Of all that goes, the latest configuration stays readable: what follows is made under it."""
    chained, stored = GENESIS, []
    for position in range(1, 9):
        payload = encode(CONFIG if position in (1, 4) else DecisionsClosed(5, ("ConfigApplied",)))
        chained = chain_hash(chained, position, payload)
        stored.append(Entry(position, chained, payload))
    log.append("p", stored[:4], 0)
    log.forget("p", 2, most=1)
    assert log.base("p").config == stored[0]
    log.forget("p", 4, most=500)
    assert log.base("p").config == stored[3]
    (record,) = records(log, "p")
    assert (record.position, record.event) == (4, CONFIG)
    assert list(records(log, "p", 4)) == []


def test_partitions_are_compacted_each_for_itself(log: Log) -> None:
    """One that lets go of its entries leaves those of the other alone."""
    filled(log, 10)
    log.append("q", following(0, GENESIS, 10), 0)
    log.forget("p", 5, most=500)
    assert len(list(log.read("p"))) == 5
    assert len(list(log.read("q"))) == 10


HARM = {
    "a position": "UPDATE base SET position = position + 1",
    "a hash": "UPDATE base SET hash = zeroblob(16)",
    "a configuration": "UPDATE base SET config = x'00'",
    "the row": "DELETE FROM base",
    "an entry after it": "DELETE FROM entry WHERE position = 13",
    "all entries": "DELETE FROM entry",
}


@pytest.mark.parametrize("harm", HARM)
def test_damage_to_where_it_starts_is_found(tmp_path: Path, harm: str) -> None:
    """The start is as much a part of the chain as any entry."""
    with closing(SqliteLog.open(tmp_path)) as log:
        append(log, 30)
        log.forget("p", 12, most=500)
    with closing(apsw.Connection(str(tmp_path / "log.db"))) as db:
        db.execute(HARM[harm])
        db.pragma("wal_checkpoint", "TRUNCATE")
    with closing(SqliteLog.open(tmp_path)) as log, pytest.raises(LogCorrupt):
        list(log.read("p"))


def test_the_room_is_used_again(tmp_path: Path) -> None:
    """A log that is compacted as fast as it grows does not grow on disk."""
    sizes = []
    with closing(SqliteLog.open(tmp_path)) as log:
        for _ in range(8):
            append(log, 400, at_once=100)
            while log.forget("p", log.last("p")[0] - 100, most=100):
                pass
            log.probe()
            sizes.append((tmp_path / "log.db").stat().st_size)
    assert sizes[-1] <= 1.1 * sizes[1]
