"""One simulated history: clients, a network, a disk and a clock that all misbehave, by a seed."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from routerd.core.state import State
from routerd.engine.fold import apply_stored, fold
from routerd.engine.verify import verify
from routerd.log.base import LogCorrupt, LogUnavailable
from routerd.log.codec import records
from routerd.log.retention import FORGET_AT_ONCE, dispensable
from routerd.log.snapshot import Snapshots
from routerd.settings import Retention
from tests.faults.client import Client
from tests.faults.configs import configuration
from tests.faults.disk import PARTITION, Crash, Platter, Weather
from tests.faults.loop import Loop, Stalled
from tests.faults.marks import Marks
from tests.faults.model import START_MS, Model, Violation, hold
from tests.faults.operators import Operator
from tests.faults.process import Process

CLIENTS = 3
RULES = Retention(keep_events=5, snapshots=2)
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None
LONG_S = 3_600.0


class Wall:
    """A wall clock over the loop's time. A daemon reads it once: it jumps only between two."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self.offset_ms = START_MS
        self.highest_ms = START_MS

    def __call__(self) -> int:
        now_ms = self.offset_ms + int(1000 * self._loop.time())
        self.highest_ms = max(self.highest_ms, now_ms)
        return now_ms


class World:
    """One history. trace: what happened, a line each."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.loop = Loop()
        self.weather = Weather(self.rng)
        self.platter = Platter(self.rng, self.weather, self.loop)
        self.model = Model()
        self.platter.on_loss = self.model.power_was_lost
        self.wall = Wall(self.loop)
        self.power = self.rng.random() < 0.5
        self.network = self.rng.choice((0.0, 0.02, 0.1))
        self.process: Process | None = None
        self.config = configuration(self.rng)
        self.up, self.down = asyncio.Event(), asyncio.Event()
        self.down.set()
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY)
        self.snapshots = Snapshots(Path(self.folder.name))
        self.reference = State(PARTITION)
        self.bugs: list[BaseException] = []
        self.starts = self.deaths = 0
        self.stops: list[asyncio.Task[None]] = []
        self.trace: list[str] = []

    def run(self) -> None:
        """Play the history. Raises Violation."""
        logging.disable(logging.CRITICAL)
        try:
            self.loop.run_until_complete(self._history())
        except Stalled:
            raise Violation("nothing more happens, and calls wait for their answers") from None
        finally:
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            self.loop.run_until_complete(asyncio.sleep(0))
            logging.disable(logging.NOTSET)
            self.loop.close()
            self.folder.cleanup()

    def note(self, what: str) -> None:
        self.trace.append(f"{self.loop.time():10.3f} s  {what}")

    async def _history(self) -> None:
        self.upkeep = self.loop.create_task(self._keep_up())
        fate = self.loop.create_task(self._strike())
        keeping = self.loop.create_task(self._keep_short())
        clients = [Client(self, f"c{i}") for i in range(CLIENTS)]
        operator = Operator(self, "op")
        await self._all([*(client.work() for client in clients), operator.work()])
        fate.cancel()
        keeping.cancel()
        self.note("the weather clears")
        self.weather.clear()
        self.network = 0.0
        await self._all(client.send_all_again() for client in clients)
        self.upkeep.cancel()
        if self.process is not None:
            await self.process.stop()
        self._hold()

    async def _all(self, works: Any) -> None:
        """Return when all is done. Raises what ends the daemon's upkeep."""
        done = asyncio.gather(*works)
        try:
            async with asyncio.timeout(LONG_S):
                await asyncio.wait((done, self.upkeep), return_when=asyncio.FIRST_COMPLETED)
            await (done if done.done() else self.upkeep)
        except TimeoutError:
            raise Violation("an hour has passed, and calls are still not answered") from None

    async def _keep_up(self) -> None:
        """Start the daemon whenever it is down, some time later."""
        while True:
            await self.down.wait()
            await asyncio.sleep(self.rng.random())
            self.down.clear()
            try:
                self._start()
            except (Crash, LogUnavailable) as error:
                self.note(f"the start fails: {type(error).__name__}")
                self.down.set()

    def _start(self) -> None:
        if self.starts and self.rng.random() < 0.2:
            hours = self.rng.choice((-72, -10, 10, 40, 72))
            self.wall.offset_ms += hours * 3_600_000
            self.note(f"the clock jumps by {hours} h")
        if self.rng.random() < 0.3:
            self.config = configuration(self.rng)
        try:
            started = Process(
                self.loop,
                self.platter,
                self.config,
                self.wall,
                self._died,
                self.bugs.append,
                self.power,
                self.snapshots,
            )
        except LogCorrupt as error:
            raise Violation(f"the log cannot be opened any more: {error}") from error
        live = started.sequencer.state.hash()
        for record in records(self.platter.whole(), PARTITION, self.reference.position):
            apply_stored(self.reference, record)  # what stood there at a start is never lost
        hold(live == self.reference.hash(), "the state after a start is not that of the log")
        self.starts += 1
        self.process = started
        self.note(f"start {self.starts} at position {started.sequencer.position}")
        self.up.set()

    def _died(self) -> None:
        self.deaths += 1
        self.up.clear()
        self.down.set()
        loses_power = self.rng.random() < self.weather.power_loss
        self.note("the power fails" if loses_power else "kill -9")
        if loses_power:
            self.platter.lose_power()

    async def _keep_short(self) -> None:
        """Now and then make a snapshot, as a process beside the daemon does; let old entries go."""
        torn: Path | None = None
        while True:
            await asyncio.sleep(self.rng.expovariate(0.5))
            process = self.process
            if not self.platter.end or (process and process.sequencer.read_only):
                continue
            state = fold(self.platter, PARTITION, self.snapshots)
            self.platter.certain = self.platter.end
            path = self.snapshots.write(state, RULES.snapshots)
            self.note(f"a snapshot at position {state.position}")
            if self.rng.random() < 0.1 and not (torn and torn.exists()):
                torn = path
                path.write_bytes(path.read_bytes()[: self.rng.randrange(path.stat().st_size)])
                self.note("the snapshot is torn")
            await asyncio.sleep(self.rng.expovariate(1.0))
            self._compact()

    def _compact(self) -> None:
        process = self.process
        if process is None or not process.takes_calls or process.sequencer.read_only:
            return
        through = dispensable(process.log, self.snapshots, PARTITION, RULES, None)
        through = min(through, process.partition.committer.synced)
        with suppress(LogUnavailable, Crash):
            if process.log.forget(PARTITION, through, FORGET_AT_ONCE):
                self.note(f"the log lets go of what stands up to position {through}")

    async def _strike(self) -> None:
        """Now and then: kill -9, the loss of power, or SIGTERM, whatever the daemon is at."""
        while True:
            await asyncio.sleep(self.rng.expovariate(0.4))
            process = self.process
            if process is None or not process.alive or self.rng.random() < 0.3:
                continue
            if self.rng.random() < 0.3:
                self.note("SIGTERM")
                self.up.clear()
                self.stops.append(self.loop.create_task(self._stop(process)))
            else:
                process.die()

    async def _stop(self, process: Process) -> None:
        await process.stop()
        self.down.set()

    def _hold(self) -> None:
        """What was told to clients is true of the log."""
        hold(not self.bugs, f"not a refusal, but a bug: {self.bugs[:3]!r}")
        log = self.platter.whole()
        found = list(records(log, PARTITION))
        self.model.hold_log(found)
        state = fold(log, PARTITION)
        marks = Marks(self.model)
        marks.read(found)
        self.model.hold_sums(marks.decisions, marks.values_of, state)
        marks.hold_answers()
        marks.hold_state(state)
        if self.process is not None:
            live = self.process.sequencer.state.hash()
            hold(live == state.hash(), "the live state is not that of the log")
        verified = verify(log)
        hold(not verified.mismatches, f"verify: {verified.mismatches[:3]}")
        hold(verified.laws_exact == verified.decisions, "not every law was derived again")


def play(seed: int) -> World:
    """The history of a seed. Raises Violation, which says how to see it again."""
    world = World(seed)
    try:
        world.run()
    except Exception as error:
        violation = error if isinstance(error, Violation) else Violation(repr(error))
        violation.add_note(f"python -m tests.faults.simulate --seed {seed}")
        violation.add_note("\n".join(world.trace))
        if violation is error:
            raise
        raise violation from error
    return world
