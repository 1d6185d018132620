"""The projector beside the daemon: a child process, started again when it dies."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from routerd.child import ROUTERD

logger = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
GRACE_S = 2.0


class Projection:
    """Keeps a projector of a data directory alive.

    The pipe to its stdin is its lifeline: it ends by itself when this process does, by kill -9 too.
    """

    def __init__(self, directory: Path, keep_events: int | None) -> None:
        self.directory = directory
        self._keep_events = keep_events
        self.process: asyncio.subprocess.Process | None = None
        self._rebuild = False
        self._rebuilt_s = -LONGEST_PAUSE_S
        self._keeping: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._keeping = asyncio.get_running_loop().create_task(self._keep())

    async def stop(self) -> None:
        """End the projector; it finishes the transaction that it is in."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait([self._keeping])
            self._keeping = None

    @property
    def runs(self) -> bool:
        """Whether there is a projector, or will be again."""
        return self._keeping is not None

    def rebuild(self) -> None:
        """End the projector, and have the next one make the audit anew; once a minute at most."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._rebuilt_s >= LONGEST_PAUSE_S:
            self._rebuilt_s = now_s
            self._rebuild = True
            if self.process is not None:
                cut(self.process)

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        pause_s = FIRST_PAUSE_S
        while True:
            since_s = loop.time()
            try:
                code = await self._run()
            except OSError as error:
                logger.warning("the projector cannot be started: %s", error)
            except Exception:  # a fault of ours: nobody waits for this task, and would hear of it
                logger.exception("the projector cannot be started")
            else:
                if self._rebuild:
                    continue
                logger.warning("the projector ended with code %s", code)
            if loop.time() - since_s > LONGEST_PAUSE_S:
                pause_s = FIRST_PAUSE_S
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _run(self) -> int:
        """One life of the projector; its exit code."""
        how = ["--follow", "--lifeline", *(["--rebuild"] if self._rebuild else [])]
        if self._keep_events is not None:
            how += ["--keep", str(self._keep_events)]
        self._rebuild = False
        process = await asyncio.create_subprocess_exec(
            *(*ROUTERD, "project", str(self.directory), *how),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C at the daemon's terminal is for the daemon
        )
        self.process = process
        try:
            return await process.wait()
        finally:
            self.process = None
            if process.returncode is None:  # stop() cancelled the wait
                await ended(process)


def cut(process: asyncio.subprocess.Process) -> None:
    """Close the lifeline of a projector."""
    assert process.stdin is not None
    process.stdin.close()


async def ended(process: asyncio.subprocess.Process) -> None:
    """End a projector: asked first, killed when it does not listen."""
    cut(process)
    try:
        async with asyncio.timeout(GRACE_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
