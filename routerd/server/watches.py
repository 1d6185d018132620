"""Follows the log for whoever watches it: one thread reads for all, and each has a bounded buffer.

A watcher's next events are read when the ones before have been taken: who takes them slowly is
behind, and costs nobody anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from routerd.core.errors import ErrorReason, RouterError, compacted
from routerd.core.events import Record
from routerd.log.base import Entry, Log, LogCompacted, LogCorrupt, LogUnavailable
from routerd.log.codec import record_of
from routerd.server.interceptors import Partition

BUFFER = 256
# So many are looked at in one turn of the event loop, by one watcher: calls go in between.
AT_ONCE = 16
# Who has caught up waits so long for more: events that come thick and fast are read together.
PAUSE_S = 0.01


class Follower:
    """Somebody who watches. position: of the next event to send."""

    def __init__(self, position: int) -> None:
        self.position = position


class Watches:
    """Those who watch a log. most: so many there may be."""

    def __init__(self, log: Log, most: int) -> None:
        self.followers: set[Follower] = set()
        self._most = most
        self._log = log
        self._reader: Log | None = None
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="routerd-watch")

    async def follow(self, partition: Partition, position: int) -> AsyncGenerator[Record, None]:
        """Every event from a position on, as it becomes durable.

        Raises OVERLOADED, READ_ONLY, POSITION_COMPACTED.
        """
        if len(self.followers) >= self._most:
            text = (
                f"{self._most} watchers are here already; raise `audit.max_watchers`, or come later"
            )
            raise RouterError(ErrorReason.OVERLOADED, text)
        follower = Follower(position)
        self.followers.add(follower)
        try:
            last: Entry | None = None
            while True:
                await partition.committer.grown(follower.position - 1)
                name = partition.sequencer.state.partition
                found = await self._behind(name, follower.position, last)
                for index, entry in enumerate(found):
                    if index % AT_ONCE == 0:
                        async with self._turn:
                            await asyncio.sleep(0)
                    yield record_of(name, entry)
                    last, follower.position = entry, entry.position + 1
                if len(found) < BUFFER:
                    await asyncio.sleep(PAUSE_S)
        finally:
            self.followers.discard(follower)

    def close(self) -> None:
        self._thread.submit(self._let_go)
        self._thread.shutdown()

    async def _behind(self, partition: str, position: int, last: Entry | None) -> list[Entry]:
        """The next entries from a position on; `last` is the one before it, if it was sent."""
        work = asyncio.get_running_loop().run_in_executor(
            self._thread, self._read, partition, position - 1 - (last is not None)
        )
        try:
            found = await work
        except LogCompacted as error:
            raise compacted(error.first) from error
        except (LogUnavailable, LogCorrupt) as error:
            text = f"the log cannot be read: {error}; watch again from position {position}"
            raise RouterError(ErrorReason.READ_ONLY, text) from error
        if last is None:
            return found[:BUFFER]
        if not found or found[0].hash != last.hash:
            text = (
                f"the log lost its end with a failing disk, position {last.position} with it: "
                "watch again from an earlier one, and let the new events replace the old"
            )
            raise RouterError(ErrorReason.READ_ONLY, text)
        return found[1:]

    def _read(self, partition: str, after: int) -> list[Entry]:
        """In the thread: what stands behind a position, a buffer full and one more."""
        try:
            if self._reader is None:
                self._reader = self._log.reader()
            self._reader.require_in_place()
            return list(islice(self._reader.read(partition, after), BUFFER + 1))
        except (LogUnavailable, LogCorrupt):
            self._let_go()
            raise

    def _let_go(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()
