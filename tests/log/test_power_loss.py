"""Losing power: a model disk that keeps what was synced, and of the rest what chance will."""

from __future__ import annotations

import random
from collections import defaultdict
from contextlib import closing
from pathlib import Path

import apsw

from routerd.core.state import GENESIS
from routerd.log.sqlite import SqliteLog
from tests.log.disk import Disk, Event, watched_disk
from tests.log.entries import append, following, read_all

SECTOR_BYTES = 512

Promises = list[tuple[int, int, int]]
"""(requests to the disk so far, entries that a sync covered, entries appended or begun)"""


def test_power_loss_keeps_every_synced_entry(memory_path: Path) -> None:
    """Wherever power is lost: the log is whole and reaches at least as far as the last sync."""
    with watched_disk() as disk:
        promises = script(disk, memory_path / "alive")
    rng = random.Random(1)
    files = Platter()
    lengths = set()
    for count, event in enumerate(disk.history, 1):
        files.take(event)
        now = max((p for p in promises if p[0] <= count), default=None)
        if now is None:
            continue  # the log is still being made
        directory = memory_path / "lost"
        files.lose_power(directory, chance=(0.0, 0.5, 0.9)[count % 3], rng=rng)
        found = read_all(directory)
        assert found == following(0, GENESIS, len(found))
        assert now[1] <= len(found) <= now[2], f"after request {count}, {event[:2]}"
        lengths.add(len(found))
    assert len(lengths) > 15


def script(disk: Disk, directory: Path) -> Promises:
    """Appends, syncs, checkpoints and a probe, with what they promised on the way."""
    promises: Promises = []
    total = 0
    with closing(SqliteLog.open(directory)) as log:
        other = apsw.Connection(str(directory / "log.db"))
        other.wal_autocheckpoint(0)
        for step in range(30):
            size = 1 + step * 7 % 12
            if promises:
                promises.append((len(disk.history), promises[-1][1], total + size))
            append(log, size, at_once=4)
            total += size
            if step % 3 == 0:
                log.sync()
                # The descriptor that sync uses is not SQLite's.
                disk.ask(Event("sync", str(directory / "log.db-wal")))
                promises.append((len(disk.history), total, total))
            if step % 5 == 4:
                other.execute("SELECT 1 FROM meta").fetchall()
                other.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            if step == 20:
                log.probe()
        other.close()
    return [p for p in promises if p[0] < len(disk.history)]


class Platter:
    """What is on the disk for certain, and what was written to its files since."""

    def __init__(self) -> None:
        self.certain: dict[str, bytearray] = defaultdict(bytearray)
        self.pending: dict[str, list[Event]] = defaultdict(list)

    def take(self, event: Event) -> None:
        if event.kind != "sync":
            self.pending[event.path].append(event)
            return
        for pending in self.pending.pop(event.path, []):
            change(self.certain[event.path], pending, pending.data)

    def lose_power(self, directory: Path, chance: float, rng: random.Random) -> None:
        """Makes the files as they are found afterwards. chance: of each unsynced request."""
        directory.mkdir(exist_ok=True)
        for old in directory.iterdir():
            old.unlink()
        for path in self.certain.keys() | self.pending.keys():
            if path.endswith("-journal"):
                continue
            content = bytearray(self.certain[path])
            for event in self.pending.get(path, []):
                if rng.random() < chance:
                    torn = rng.randrange(0, len(event.data) + 1, SECTOR_BYTES)
                    data = event.data[:torn] if rng.random() < 0.2 else event.data
                    change(content, event, data)
            (directory / Path(path).name).write_bytes(content)


def change(content: bytearray, event: Event, data: bytes) -> None:
    """Does to a file's content what was asked."""
    if event.kind == "truncate":
        del content[event.at :]
        return
    if len(content) < event.at:
        content.extend(bytes(event.at - len(content)))
    content[event.at : event.at + len(data)] = data
