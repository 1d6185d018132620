"""A log in memory whose disk misbehaves in the ways that routerd.log.base.Log allows."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

from routerd.log.base import Entry, LogUnavailable
from routerd.log.memory import MemoryLog

PATIENCE_S = 20.0


class FaultyLog(MemoryLog):
    """A MemoryLog with switches; what it counts and holds is for the test to look at.

    full: appends and probes fail. unsyncable: syncs and probes fail. dark: reads fail.
    late: a refused append is written all the same. forgetful: a probe loses what was not synced.
    """

    def __init__(self) -> None:
        super().__init__()
        self.full = self.unsyncable = self.dark = self.late = self.forgetful = False
        self.appends: list[int] = []
        self.syncs = self.probes = 0
        self.synced: dict[str, int] = {}
        self.flowing = threading.Event()
        self.flowing.set()
        self._failed = False

    def append(self, partition: str, entries: Sequence[Entry], expect: int) -> None:
        self.appends.append(len(entries))
        if self.full and self.late:
            super().append(partition, entries, expect)
        self._refuse(self.full or self._failed)
        super().append(partition, entries, expect)

    def sync(self) -> None:
        covered = {name: len(entries) for name, entries in self._entries.items()}
        assert self.flowing.wait(PATIENCE_S), "the test forgot to let the disk go on"
        self._refuse(self.unsyncable or self._failed)
        self.syncs += 1
        self.synced |= covered

    def probe(self) -> None:
        self.probes += 1
        self._refuse(self.full or self.unsyncable)
        if self.forgetful:
            for name, entries in self._entries.items():
                del entries[self.synced.get(name, 0) :]
        self._failed = False
        self.synced = {name: len(entries) for name, entries in self._entries.items()}

    def read(self, partition: str, after: int | None = None) -> Iterator[Entry]:
        if self.dark:
            raise LogUnavailable("the disk cannot be read")
        return super().read(partition, after)

    def heal(self) -> None:
        """Let the disk work again."""
        self.full = self.unsyncable = self.dark = False
        self.flowing.set()

    def _refuse(self, failing: bool) -> None:
        if failing:
            self._failed = True
            raise LogUnavailable("no space left on device")
