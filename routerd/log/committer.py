"""Durability for an event loop: commits at once, one fsync at a time in a thread.

A commit survives kill -9; what must survive power loss waits for the fsync after it as well. Each
waiter has its own future, so a cancelled call neither stops the fsync nor wakes the others.

A commit takes all that is queued, and waits for no company: gRPC hands over one call in a turn of
the loop, nine times out of ten, and another turn costs more than the company saves. Who queues
many events before waiting shares one commit.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from routerd.core.errors import ErrorReason, RouterError
from routerd.log.base import LogCorrupt
from routerd.log.sequencer import Sequencer

RETRY_S = 1.0
SYNC_EVERY = 4096

logger = logging.getLogger(__name__)

Waiter = tuple[int, asyncio.Future[None]]


class Committer:
    """Makes positions durable and tells who waits for them."""

    def __init__(self, sequencer: Sequencer, on_health: Callable[[bool], None]) -> None:
        self.sequencer = sequencer
        self.on_health = on_health
        self.synced = sequencer.durable
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="routerd-fsync")
        self._sync_waiters: list[Waiter] = []
        self._sync_task: asyncio.Task[None] | None = None
        self._recovery: asyncio.Task[None] | None = None

    async def durable(self, position: int, *, platter: bool) -> None:
        """Return once `position` is committed, with `platter` fsynced. Raises READ_ONLY."""
        if position > self.sequencer.durable:
            self._commit()
            if position > self.sequencer.durable:
                raise lost()
        if platter and position > self.synced:
            future = self._loop.create_future()
            self._sync_waiters.append((position, future))
            self._start_sync()
            await future

    async def close(self) -> None:
        """Commit and fsync what is left. Raises LogUnavailable."""
        await self._sync_ended()
        self._commit()
        try:
            if not self.sequencer.read_only:
                await self._loop.run_in_executor(self._thread, self.sequencer.log.sync)
        finally:
            if self._recovery is not None:
                self._recovery.cancel()
            self._thread.shutdown()

    def _commit(self) -> None:
        """Commit all that is queued, unless the disk fails."""
        try:
            durable = self.sequencer.commit()
        except Exception as error:  # whatever it was, nobody may be left to wait
            self._fail(error)
            return
        if durable - self.synced >= SYNC_EVERY:
            self._start_sync()

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
                for position, future in waiting:
                    if position > self.synced:
                        self._sync_waiters.append((position, future))
                    elif not future.done():
                        future.set_result(None)
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

    def _fail(self, error: Exception) -> None:
        """Refuse everybody who waits, and try the disk again until it works."""
        logger.error("the log cannot be written, serving read-only: %s", error)
        waiters, self._sync_waiters = self._sync_waiters, []
        for _, future in waiters:
            if not future.done():
                future.set_exception(lost())
        if self._recovery is None:
            self._recovery = self._loop.create_task(self._recover())
            self.on_health(False)

    async def _recover(self) -> None:
        while True:
            await asyncio.sleep(RETRY_S)
            await self._sync_ended()  # what it covered may be gone after the probe
            try:
                recovered = self.sequencer.recover()
            except LogCorrupt as error:
                logger.critical("serving read-only until a restart: %s", error)
                return
            if recovered:
                self.synced = self.sequencer.durable
                self._recovery = None
                logger.info("the log can be written again")
                self.on_health(True)
                return


def lost() -> RouterError:
    text = "the log could not be written; the call may be repeated with the same id"
    return RouterError(ErrorReason.READ_ONLY, text)
