"""A log in memory: of a router without a directory, of replays and tests. It survives nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from routerd.log.base import WHOLE, Base, Conflict, Entry, LogCompacted, check_positions
from routerd.log.codec import base_behind, verified


class MemoryLog:
    """See routerd.log.base.Log; its disk never says no."""

    def __init__(self) -> None:
        self._entries: dict[str, list[Entry]] = {}
        self._bases: dict[str, Base] = {}

    def partitions(self) -> list[str]:
        return sorted(self._entries)

    def last(self, partition: str) -> tuple[int, bytes]:
        entries = self._entries.get(partition)
        return entries[-1][:2] if entries else self.base(partition)[:2]

    def base(self, partition: str) -> Base:
        return self._bases.get(partition, WHOLE)

    def read(self, partition: str, after: int | None = None) -> Iterator[Entry]:
        first = self.base(partition)
        after = first.position if after is None else after
        if after < first.position:
            raise LogCompacted(partition, first.position + 1)
        if after > self.last(partition)[0]:
            return iter(())
        previous_hash = first.hash
        if after > first.position:
            previous_hash = self._entries[partition][after - first.position - 1].hash
        return verified(partition, after, previous_hash, self._growing(partition, after))

    def get(self, partition: str, position: int) -> Entry | None:
        if not 1 <= position <= self.last(partition)[0]:
            return None
        return next(self.read(partition, position - 1))

    def require_order(self) -> None:
        pass

    def reader(self) -> MemoryLog:
        return self

    def append(self, partition: str, entries: Sequence[Entry], expect: int) -> None:
        check_positions(entries, expect)
        last, _ = self.last(partition)
        if last != expect:
            raise Conflict(partition, expect, last)
        if entries:
            self._entries.setdefault(partition, []).extend(entries)

    def forget(self, partition: str, through: int, most: int) -> int:
        entries, base = self._entries.get(partition, []), self.base(partition)
        count = max(0, min(most, through - base.position, len(entries)))
        if count:
            gone = entries[:count]
            del entries[:count]
            self._bases[partition] = base_behind(base, gone)
        return count

    def require_in_place(self) -> None:
        pass

    def sync(self) -> None:
        pass

    def probe(self) -> None:
        pass

    def close(self) -> None:
        pass

    def _growing(self, partition: str, after: int) -> Iterator[Entry]:
        """What stands behind a position, with what is appended or forgotten meanwhile."""
        while (base := self.base(partition)).position <= after < self.last(partition)[0]:
            yield self._entries[partition][after - base.position]
            after += 1
        if after < base.position:
            raise LogCompacted(partition, base.position + 1)
