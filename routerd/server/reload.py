"""A changed configuration takes over while calls go on: as a whole, or not at all.

A file is read and checked in a thread, then one event puts it in force between two calls. A file
with errors changes nothing: the last good configuration stays. What belongs to the process, and not
to the engine or the classifier, is taken from the file at the next start.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from routerd.config import ConfigErrors
from routerd.core.errors import RouterError
from routerd.core.settings import EngineConfig
from routerd.settings import Config
from routerd.signals.hybrid import SignalsUnavailable

logger = logging.getLogger(__name__)

Signature = tuple[int, int, int]


class Source(NamedTuple):
    """Where a configuration comes from. load: reads it anew; raises ConfigErrors.

    first: the signature of the file before it was read for the first time.
    """

    file: Path
    load: Callable[[], Config]
    first: Signature | None


def signature(file: Path) -> Signature | None:
    """What tells one version of a file from another; None while there is no file."""
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


class Reload:
    """Puts a file in force whenever it is asked to.

    apply: puts in force what can be and returns the last position. told: what is said of it.
    """

    def __init__(
        self,
        source: Source,
        running: Config,
        apply: Callable[[Config], Awaitable[int]],
        told: Callable[[str], None],
    ) -> None:
        self._source = source
        self._running = running
        self._apply = apply
        self._told = told
        self._one_at_a_time = asyncio.Lock()

    async def now(self) -> bool:
        """Read the file and put it in force; False when it was not, and the old one stays."""
        async with self._one_at_a_time:
            try:
                config = await asyncio.to_thread(self._source.load)
                position = await self._apply(config)
            except ConfigErrors as errors:
                head = f"{self._source.file} was not applied, the last configuration stays"
                logger.error("%s", "\n  ".join([head, *errors.lines()]))
                return False
            except (RouterError, SignalsUnavailable) as error:
                logger.error("%s was not applied: %s", self._source.file, error)
                return False
            except Exception:
                logger.exception("%s was not applied", self._source.file)
                return False
        kept = [key for key in PROCESS_KEYS if getattr(config, key) != getattr(self._running, key)]
        later = f"; from the next start on: {', '.join(kept)}" if kept else ""
        with suppress(OSError):  # nobody reads what is said
            self._told(f"configuration in force at position {position}{later}")
        return True

    async def watch(self, every_s: float) -> None:
        """Put the file in force when it changed and then stood still; look so often."""
        seen = tried = self._source.first
        while True:
            await asyncio.sleep(every_s)
            before, seen = seen, signature(self._source.file)
            # Somebody may still be writing to a file that has just changed.
            if seen is not None and seen == before and seen != tried:
                tried = seen
                await self.now()


TAKEN_OVER = {*EngineConfig.__struct_fields__, "signals", "texts"}
PROCESS_KEYS = tuple(name for name in Config.__struct_fields__ if name not in TAKEN_OVER)
