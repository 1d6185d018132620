"""A log in memory: for tests, replays and benchmarks. It survives nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from routerd.core.state import GENESIS
from routerd.log.base import Conflict, Entry, check_positions
from routerd.log.codec import verified


class MemoryLog:
    """See routerd.log.base.Log; its disk never says no."""

    def __init__(self) -> None:
        self._entries: dict[str, list[Entry]] = {}

    def partitions(self) -> list[str]:
        return sorted(self._entries)

    def last(self, partition: str) -> tuple[int, bytes]:
        entries = self._entries.get(partition)
        return entries[-1][:2] if entries else (0, GENESIS)

    def read(self, partition: str, after: int = 0) -> Iterator[Entry]:
        entries = self._entries.get(partition, [])
        if after > len(entries):
            return iter(())
        previous_hash = entries[after - 1].hash if after else GENESIS
        behind = (entries[i] for i in _growing_range(after, entries))
        return verified(partition, after, previous_hash, behind)

    def get(self, partition: str, position: int) -> Entry | None:
        if not 1 <= position <= self.last(partition)[0]:
            return None
        return next(self.read(partition, position - 1))

    def reader(self) -> MemoryLog:
        return self

    def append(self, partition: str, entries: Sequence[Entry], expect: int) -> None:
        check_positions(entries, expect)
        last, _ = self.last(partition)
        if last != expect:
            raise Conflict(partition, expect, last)
        if entries:
            self._entries.setdefault(partition, []).extend(entries)

    def sync(self) -> None:
        pass

    def probe(self) -> None:
        pass

    def close(self) -> None:
        pass


def _growing_range(start: int, entries: list[Entry]) -> Iterator[int]:
    while start < len(entries):
        yield start
        start += 1
