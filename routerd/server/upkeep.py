"""What keeps a start short and the log bounded: snapshots and compaction, beside the serving.

It also warns of a disk that is nearly full: when it is full, nothing but reading is served. And it
sees when somebody deletes or replaces the log's files, to which the kernel lets us write on.

A snapshot is made by a process of its own: it folds the durable log from the snapshot before, so
nobody waits for it here, and it never holds what a failing disk could take back. Compaction is
work for the log's one writer: a few entries at a time.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from pathlib import Path

from routerd.audit.queries import forgettable
from routerd.child import ROUTERD
from routerd.engine.committer import Committer
from routerd.log.base import LogCorrupt, LogUnavailable
from routerd.log.retention import FORGET_AT_ONCE, due, last_words
from routerd.log.snapshot import Snapshots
from routerd.settings import Config

LOOK_EVERY_S = 1.0
# What the log may need before it is short again: log.db-wal, its copy, and a large snapshot.
LOW_BYTES = 256 * 10**6
LONGEST_PAUSE_S = 600.0
BREATH_S = 0.005

logger = logging.getLogger(__name__)


class Upkeep:
    """Keeps the snapshots of one partition recent and its log short."""

    def __init__(self, config: Config, committer: Committer) -> None:
        self._directory = Path(config.data_dir)
        self._rules = config.log
        self._audited = config.audit.enabled
        self._committer = committer
        self._sequencer = committer.sequencer
        self._partition = self._sequencer.state.partition
        self._snapshots = Snapshots(self._directory)
        self._keeping: asyncio.Task[None] | None = None
        self._low = False

    def start(self) -> None:
        self._keeping = asyncio.get_running_loop().create_task(self._keep())

    async def stop(self) -> None:
        """End what is going on; a snapshot that is half made is left out."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait([self._keeping])

    def finish(self) -> None:
        """Once all is durable and nobody is served: a snapshot of how things stand."""
        if not self._sequencer.read_only:
            try:
                last_words(self._snapshots, self._sequencer.state, self._rules)
            except OSError as error:
                logger.warning("no snapshot was written: %s", error)

    async def _keep(self) -> None:
        async with asyncio.TaskGroup() as both:
            both.create_task(self._look_at_the_files())
            both.create_task(self._keep_short())

    async def _look_at_the_files(self) -> None:
        while True:
            self._committer.look()
            await asyncio.sleep(LOOK_EVERY_S)

    async def _keep_short(self) -> None:
        pause_s = LOOK_EVERY_S
        while True:
            position = self._sequencer.durable
            try:
                self._look_at_the_disk()
                every = None if self._sequencer.read_only else self._rules.snapshot_events
                if due(self._snapshots, self._partition, position, every):
                    await self._snapshot()
                await self._compact(self._partition)
                pause_s = LOOK_EVERY_S
            except (LogUnavailable, LogCorrupt, OSError) as error:
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                logger.warning("snapshots and compaction pause for %.0f s: %s", pause_s, error)
            except Exception:  # a fault of ours: nobody waits for this task, and would hear of it
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                logger.exception("snapshots and compaction pause for %.0f s", pause_s)
            await asyncio.sleep(pause_s)

    def _look_at_the_disk(self) -> None:
        """Warn before it is full, once until there is room again. Raises OSError."""
        free = shutil.disk_usage(self._directory).free
        if free < LOW_BYTES and not self._low:
            logger.warning(
                "%d MB are free where %s is: make room, a full disk refuses calls that write",
                free // 10**6,
                self._directory,
            )
        self._low = free < (2 * LOW_BYTES if self._low else LOW_BYTES)

    async def _snapshot(self) -> None:
        """Have a snapshot made. Raises OSError."""
        how = ["snapshot", str(self._directory), "--keep", str(self._rules.snapshots), "--nice"]
        process = await asyncio.create_subprocess_exec(
            *(*ROUTERD, *how),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C at the daemon's terminal is for the daemon
        )
        try:
            _, told = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            raise OSError(told.decode(errors="replace").strip()[-500:])

    async def _compact(self, partition: str) -> None:
        """Let the log go of what it may. Raises LogUnavailable, LogCorrupt."""
        if self._sequencer.read_only:
            return
        log = self._sequencer.log
        base = log.base(partition).position
        keep = self._rules.keep_events
        if keep is None or self._sequencer.durable - keep <= base:
            return
        through = await asyncio.to_thread(self._forgettable, partition)
        # What is forgotten must be in snapshots that no loss of power can put beyond the log's end.
        through = min(through, self._committer.synced)
        while not self._sequencer.read_only and log.forget(partition, through, FORGET_AT_ONCE):
            await asyncio.sleep(BREATH_S)

    def _forgettable(self, partition: str) -> int:
        """In a thread."""
        log = self._sequencer.log.reader()
        try:
            return forgettable(log, self._snapshots, partition, self._rules, audited=self._audited)
        finally:
            log.close()
