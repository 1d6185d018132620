"""A simulated disk under a log: what is on the platter is certain, the rest is up to chance.

An append is one transaction: whole or not there, as in SQLite. What was appended survives a kill;
the loss of power keeps what a sync covered, and of the later transactions the first few.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from routerd.log.base import Base, Entry, LogUnavailable
from routerd.log.memory import MemoryLog
from tests.faults.loop import Loop

PARTITION = "default"


class Crash(BaseException):
    """The process is gone: no code of it may catch this."""


class Weather:
    """How often things go wrong: the chance that an append, a sync, a probe meets each fault.

    A full disk stays full until `clears_s` later. torn: that a refused append is there all the
    same. slow_s: how long a sync may take, most of the time; stuck_s: and now and then.
    """

    def __init__(self, rng: random.Random) -> None:
        calm = rng.random() < 0.3
        self.crash = 0.0 if calm else rng.choice((0.0, 0.002, 0.01))
        self.refuse = 0.0 if calm else rng.choice((0.0, 0.01, 0.05))
        self.full = rng.choice((0.0, 0.5))
        self.torn = rng.choice((0.0, 0.5))
        self.clears_s = rng.choice((0.5, 5.0))
        self.slow_s = rng.choice((0.001, 0.02, 0.6))
        self.stuck_s = rng.choice((0.0, 0.0, 3.0, 15.0))
        self.power_loss = rng.choice((0.0, 0.5, 1.0))

    def clear(self) -> None:
        """Nothing goes wrong from now on."""
        self.crash = self.refuse = self.stuck_s = 0.0


class Platter(MemoryLog):
    """What outlives every process. certain: the position up to which no loss of power takes any.

    forgotten: the entries that the log let go of, for the test to look at.
    """

    def __init__(self, rng: random.Random, weather: Weather, loop: Loop) -> None:
        super().__init__()
        self.rng, self.weather, self.loop = rng, weather, loop
        self.certain = 0
        self.ends: list[int] = []
        self.forgotten: list[Entry] = []
        self.full_until_s = 0.0
        self.faults = self.losses = 0
        self.on_loss: Callable[[], None] = lambda: None

    @property
    def end(self) -> int:
        """The position of the last entry."""
        return self.last(PARTITION)[0]

    def entry(self, position: int) -> Entry | None:
        """What stands at a position, whether the log let go of it or not."""
        if position <= len(self.forgotten):
            return self.forgotten[position - 1]
        return self.get(PARTITION, position)

    def forget(self, partition: str, through: int, most: int) -> int:
        count = max(0, min(most, through - self.base(partition).position))
        self.forgotten += self._entries.get(partition, [])[:count]
        return super().forget(partition, through, most)

    def whole(self) -> MemoryLog:
        """The log as it would be had it never let go of anything."""
        log = MemoryLog()
        log.append(PARTITION, [*self.forgotten, *self._entries.get(PARTITION, [])], 0)
        return log

    def chance(self, of: float) -> bool:
        return self.rng.random() < of

    def lose_power(self) -> None:
        """Keep what is certain, and the first few transactions behind it."""
        behind = [end for end in self.ends if end > self.certain]
        kept = self.rng.choice([self.certain, *behind])
        if kept < self.end:
            self.losses += 1
            self.on_loss()
            del self._entries[PARTITION][kept - self.base(PARTITION).position :]
        self.ends = [end for end in self.ends if end <= kept]
        self.certain = kept


class Mounted:
    """A process's log on the platter (see routerd.log.base.Log). Dead, it does nothing more.

    on_crash: told when the process dies in the middle of a request to the disk.
    """

    def __init__(self, platter: Platter, on_crash: Callable[[], None]) -> None:
        self.platter = platter
        self.on_crash = on_crash
        self.alive = True
        self._failed = False

    def partitions(self) -> list[str]:
        return self.platter.partitions()

    def last(self, partition: str) -> tuple[int, bytes]:
        return self.platter.last(partition)

    def base(self, partition: str) -> Base:
        return self.platter.base(partition)

    def read(self, partition: str, after: int | None = None) -> Iterator[Entry]:
        return self.platter.read(partition, after)

    def get(self, partition: str, position: int) -> Entry | None:
        return self.platter.get(partition, position)

    def require_order(self) -> None:
        self.platter.require_order()

    def reader(self) -> Mounted:
        return self

    def append(self, partition: str, entries: Sequence[Entry], expect: int) -> None:
        self._perhaps_crash()
        try:
            self._perhaps_refuse()
        except LogUnavailable:
            if not self._was_failed and self.platter.chance(self.platter.weather.torn):
                self._write(partition, entries, expect)
            raise
        self._write(partition, entries, expect)
        self._perhaps_crash()

    def forget(self, partition: str, through: int, most: int) -> int:
        self._perhaps_crash()
        self._perhaps_refuse()
        count = self.platter.forget(partition, through, most)
        self._perhaps_crash()
        return count

    def require_in_place(self) -> None:
        self.platter.require_in_place()

    def sync(self) -> None:
        self._perhaps_refuse()
        self.platter.certain = self.platter.end

    def probe(self) -> None:
        self._live()
        if self.platter.full_until_s > self.platter.loop.time():
            raise LogUnavailable("no space left on device")
        if self._failed:
            self.platter.lose_power()
        self._failed = False
        self.platter.certain = self.platter.end

    def close(self) -> None:
        if not self._failed:
            self.sync()
        self.alive = False

    def in_background(self, work: Callable[[], Any], future: asyncio.Future[Any]) -> None:
        """A sync that takes its time: it covers what was there when it began, and no more."""
        assert work == self.sync, f"{work} is no sync"
        platter, weather, loop = self.platter, self.platter.weather, self.platter.loop
        self._live()
        covered = platter.end
        delay_s = platter.rng.random() * weather.slow_s
        if weather.stuck_s and platter.chance(0.05):
            delay_s = weather.stuck_s

        def done() -> None:
            if not self.alive or future.done():
                return
            if platter.chance(weather.crash):
                self.on_crash()
                return
            try:
                self._perhaps_refuse()
            except LogUnavailable as error:
                future.set_exception(error)
            else:
                platter.certain = max(platter.certain, covered)
                future.set_result(None)

        loop.call_later(delay_s, done)

    def _live(self) -> None:
        if not self.alive:
            raise Crash

    def _write(self, partition: str, entries: Sequence[Entry], expect: int) -> None:
        self.platter.append(partition, entries, expect)
        self.platter.ends.append(self.platter.end)

    def _perhaps_crash(self) -> None:
        self._live()
        if self.platter.chance(self.platter.weather.crash):
            self.on_crash()
            raise Crash

    def _perhaps_refuse(self) -> None:
        """Raises LogUnavailable, from then on until a probe succeeded."""
        self._live()
        platter, weather = self.platter, self.platter.weather
        self._was_failed = self._failed
        if not self._failed and platter.chance(weather.refuse):
            self._failed = True
            platter.faults += 1
            if platter.chance(weather.full):
                platter.full_until_s = platter.loop.time() + weather.clears_s
        if self._failed:
            raise LogUnavailable("input/output error")
