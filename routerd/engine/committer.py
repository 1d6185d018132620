"""Durability for an event loop: commits at once, one fsync at a time in a thread.

A commit survives kill -9; what must survive power loss waits for the fsync after it as well. Each
waiter has its own future, so a cancelled call neither stops the fsync nor wakes the others.

A call that comes alone is worked off and committed at once; a crowd of them (see
routerd.engine.crowd) is gathered, worked off in order of arrival, and shares one commit.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Any, Protocol, TypeVar

from routerd.core.errors import ErrorReason, RouterError
from routerd.engine.crowd import PATIENCE_S, Crowd
from routerd.engine.sequencer import Sequencer
from routerd.log.base import Conflict, LogCorrupt, LogStuck, LogUnavailable

RETRY_S = 1.0
LONGEST_PAUSE_S = 60.0
SYNC_EVERY = 4096

# What a disk, and who else is at the log, may do.
FORESEEN = (LogUnavailable, LogCorrupt, Conflict, OSError)

logger = logging.getLogger(__name__)

Waiter = tuple[int, asyncio.Future[Any], Any]
Gathered = tuple[Callable[[], Any], float, bool, asyncio.Future[Any]]


class Placed(Protocol):
    """What has a place in the log."""

    @property
    def position(self) -> int: ...


P = TypeVar("P", bound=Placed)
T = TypeVar("T")


class Committer:
    """Makes positions durable and tells who waits for them.

    most: messages of streams may wait, for company or for the disk; room: how many more may.
    """

    def __init__(self, sequencer: Sequencer, on_health: Callable[[bool], None], most: int) -> None:
        self.sequencer = sequencer
        sequencer.on_fault = self._fail
        self._on_health = on_health
        self.most = self.room = most
        self.synced = sequencer.durable
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="routerd-fsync")
        self._crowd = Crowd()
        self._gathered: list[Gathered] = []
        self._gathering_since_s = 0.0
        self._patience: asyncio.TimerHandle | None = None
        self._sync_waiters: list[Waiter] = []
        self._followers: set[asyncio.Future[None]] = set()
        self._sync_task: asyncio.Task[None] | None = None
        self._recovery: asyncio.Task[None] | None = None

    async def settle(self, work: Callable[[], P], deadline_s: float, *, platter: bool) -> P:
        """Do work on the sequencer, alone or with others, and return when what it did is durable.

        The work is done in one piece, in order of arrival; not at all when the call is cancelled
        or its deadline, in the time of the loop, passes before. If it has a method `together`,
        neighbours of its class are done by that, which returns a result or an error for each.
        Raises what the work raises, DEADLINE_PASSED and READ_ONLY.
        """
        if self._crowded:
            return await self._gather(work, deadline_s, platter)
        done = self._work_alone(work)
        if platter and done.position > self.synced:
            return await self._after_sync(done.position, self._loop.create_future(), done)
        return done

    def begin(
        self, work: Callable[[], P], deadline_s: float, *, platter: bool, size: int
    ) -> asyncio.Future[P]:
        """As settle, for who has more to do meanwhile: what settle would return or raise.

        size: so much room the work takes until then.
        """
        self.room -= size
        if self._crowded:
            future = self._gather(work, deadline_s, platter)
        else:
            future = self._loop.create_future()
            try:
                self._promise(self._work_alone(work), platter, future)
            except Exception as error:
                future.set_exception(error)
        future.add_done_callback(lambda _: self._leave(size))
        return future

    async def durable(self, position: int, *, platter: bool) -> None:
        """Return once `position` is committed, with `platter` fsynced. Raises READ_ONLY."""
        if position > self.sequencer.durable:
            self._commit()
            if position > self.sequencer.durable:
                raise lost()
        if platter and position > self.synced:
            await self._after_sync(position, self._loop.create_future(), None)

    def look(self) -> None:
        """Turn read-only when what is committed would not be found again, though no write fails."""
        if not self.sequencer.read_only:
            try:
                self.sequencer.log.require_in_place()
            except Exception as error:
                self.sequencer.fail()
                self._fail(error)

    async def grown(self, position: int) -> None:
        """Return once something behind a position is committed."""
        while self.sequencer.durable <= position:
            future = self._loop.create_future()
            self._followers.add(future)
            try:
                await future
            finally:
                self._followers.discard(future)

    async def close(self, within_s: float | None = None) -> None:
        """Commit and fsync what is left. Raises LogUnavailable, and LogStuck after within_s."""
        try:
            async with asyncio.timeout(within_s):
                await self._sync_ended()
                self._work_off()
                if not self.sequencer.read_only:
                    await self._loop.run_in_executor(self._thread, self.sequencer.log.sync)
        except TimeoutError:
            raise LogStuck(
                f"the disk has not answered for {within_s:g} s: what was acknowledged is safe, "
                "but the last decisions may not survive the loss of power"
            ) from None
        finally:
            if self._recovery is not None:
                self._recovery.cancel()
            self._thread.shutdown(wait=False)

    def _leave(self, size: int) -> None:
        self.room += size

    @property
    def _crowded(self) -> bool:
        return self._crowd.aim > 1 or bool(self._gathered)

    def _work_alone(self, work: Callable[[], P]) -> P:
        """Do the work and commit it. Raises what the work raises, and READ_ONLY."""
        done = work()
        try:
            durable = self.sequencer.write()
        except Exception as error:  # whatever it was, nobody may be left to wait
            self._fail(error)
            durable = self.sequencer.durable
        self._crowd.served(1)
        # The state follows, and what it calls for is committed, with the answer on its way.
        self._loop.call_soon(self._commit)
        if done.position > durable:
            raise lost()
        return done

    def _gather(self, work: Callable[[], P], deadline_s: float, platter: bool) -> asyncio.Future[P]:
        future: asyncio.Future[P] = self._loop.create_future()
        self._gathered.append((work, deadline_s, platter, future))
        if len(self._gathered) >= self._crowd.aim:
            self._work_off()
        elif self._patience is None:
            self._gathering_since_s = self._loop.time()
            self._patience = self._loop.call_later(PATIENCE_S, self._work_off)
        return future

    def _work_off(self) -> None:
        """Do the work of all who have gathered, and commit it."""
        waited_s = self._loop.time() - self._gathering_since_s
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        gathered, self._gathered = self._gathered, []
        here = [entry for entry in gathered if not entry[-1].done()]  # others were cancelled
        now_s = self._loop.time()
        on_time = [entry for entry in here if entry[1] > now_s]
        done = list(worked_off([work for work, *_ in on_time]))
        self._commit()
        for (_, _, platter, future), result in zip(on_time, done, strict=True):
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                self._promise(result, platter, future)
        for _, deadline_s, _, future in here:
            if deadline_s <= now_s:
                future.set_exception(too_late())
        self._crowd.served(len(gathered), waited_s)

    def _promise(self, done: P, platter: bool, future: asyncio.Future[P]) -> None:
        """Answer what was worked off and committed once it is durable, or say that it is lost."""
        if done.position > self.sequencer.durable:
            future.set_exception(lost())
        elif platter and done.position > self.synced:
            self._after_sync(done.position, future, done)
        else:
            future.set_result(done)

    def _commit(self) -> None:
        """Commit all that is queued, unless the disk fails."""
        try:
            durable = self.sequencer.commit()
        except Exception as error:  # whatever it was, nobody may be left to wait
            self._fail(error)
            return
        if durable - self.synced >= SYNC_EVERY:
            self._start_sync()
        if self._followers:
            followers, self._followers = self._followers, set()
            for future in followers:
                if not future.done():
                    future.set_result(None)

    def _after_sync(self, position: int, future: asyncio.Future[T], done: T) -> asyncio.Future[T]:
        """The future, which will be `done` after the next fsync that covers the position."""
        self._sync_waiters.append((position, future, done))
        self._start_sync()
        return future

    def _start_sync(self) -> None:
        if self._sync_task is None:
            self._sync_task = self._loop.create_task(self._sync())

    async def _sync(self) -> None:
        """Fsync until nobody waits; later waiters share the next round."""
        try:
            while True:
                target = self.sequencer.durable
                await self._loop.run_in_executor(self._thread, self.sequencer.log.sync)
                self.synced = max(self.synced, target)
                waiting, self._sync_waiters = self._sync_waiters, []
                for position, future, done in waiting:
                    if position > self.synced:
                        self._sync_waiters.append((position, future, done))
                    elif not future.done():
                        future.set_result(done)
                if not self._sync_waiters:
                    return
        except Exception as error:
            self.sequencer.fail()
            self._fail(error)
        finally:
            self._sync_task = None

    async def _sync_ended(self) -> None:
        while self._sync_task is not None:
            await asyncio.wait([self._sync_task])

    def _fail(self, error: BaseException) -> None:
        """Refuse everybody who waits, and try the disk again until it works."""
        waiters, self._sync_waiters = self._sync_waiters, []
        for _, future, _ in waiters:
            if not future.done():
                future.set_exception(lost())
        if self._recovery is None:  # else whoever failed first has told
            if isinstance(error, FORESEEN):
                logger.error("the log cannot be written, serving read-only: %s", error)
            else:
                logger.error("a fault of routerd's own, serving read-only", exc_info=error)
            self._recovery = self._loop.create_task(self._recover())
            self._on_health(False)

    async def _recover(self) -> None:
        pause_s = RETRY_S
        while True:
            await asyncio.sleep(pause_s)
            await self._sync_ended()  # what it covered may be gone after the probe
            try:
                recovered = self.sequencer.recover()
            except LogCorrupt as error:
                logger.critical("read-only for good, and a start would refuse: %s", error)
                return
            except Exception:  # a fault of ours, or of this moment
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                logger.exception("serving read-only, and trying again in %.0f s", pause_s)
                continue
            if recovered:
                self.synced = self.sequencer.durable
                self._recovery = None
                logger.warning("the log can be written again")  # as loud as that it could not
                self._on_health(True)
                return


def worked_off(works: Sequence[Callable[[], P]]) -> Iterator[P | Exception]:
    """What becomes of each, in order; neighbours that can be done together are."""
    for together, run in groupby(works, key=lambda work: getattr(work, "together", one_by_one)):
        several = list(run)
        try:
            yield from together(several)
        except Exception as error:
            yield from [error] * len(several)


def one_by_one(works: Sequence[Callable[[], P]]) -> Iterator[P | Exception]:
    for work in works:
        try:
            yield work()
        except Exception as error:
            yield error


def lost() -> RouterError:
    text = "the log could not be written; the call may be repeated with the same id"
    return RouterError(ErrorReason.READ_ONLY, text)


def too_late() -> RouterError:
    text = "the deadline passed before the call was looked at: nothing has changed"
    return RouterError(ErrorReason.DEADLINE_PASSED, text)


def overloaded(most: int) -> RouterError:
    text = f"{most} messages wait for the disk already: come back later"
    return RouterError(ErrorReason.OVERLOADED, text)
