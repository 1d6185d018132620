"""Reads the audit file for the event loop: in threads, within deadlines, as far as it reaches."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from routerd.audit.queries import Audit, Interrupted, NoAudit
from routerd.audit.schema import audit_path
from routerd.core.errors import ErrorReason, RouterError
from routerd.engine.committer import too_late
from routerd.server.projection import Projection

T = TypeVar("T")

THREADS = 2
LOOK_EVERY_S = 0.02
LOOK_S = 1.0


class AuditReader:
    """Asks the audit of one partition. projection: what keeps it up."""

    def __init__(self, projection: Projection, partition: str) -> None:
        self._projection = projection
        self._partition = partition
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="routerd-audit")
        self._waiters: dict[asyncio.Future[None], int] = {}
        self._looking: asyncio.Task[None] | None = None

    async def ask(
        self, question: Callable[[Audit], T], deadline_s: float, at_least: int = 0
    ) -> tuple[int, T]:
        """How far the audit was, `at_least` or further, and what it then answered.

        deadline_s: in the time of the loop. Raises AUDIT_UNAVAILABLE, DEADLINE_PASSED.
        """
        while True:
            reached, answers = await self._ask(question, deadline_s, at_least)
            if answers:
                return reached, answers[0]
            self._require_projector(reached)
            await self._grown(at_least)

    def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _ask(
        self, question: Callable[[Audit], T], deadline_s: float, at_least: int
    ) -> tuple[int, list[T]]:
        """How far the audit is, and its answer, if it is far enough to be asked.

        Whoever asks for a position also waits for a file that is still to be made.
        """
        path = audit_path(self._projection.directory, self._partition)
        loop, gone = asyncio.get_running_loop(), threading.Event()

        def given_up() -> bool:
            return gone.is_set() or loop.time() >= deadline_s

        def work() -> tuple[int, list[T]]:
            if given_up():
                raise Interrupted
            audit = Audit(path, given_up)
            try:
                reached = audit.projected_through
                return reached, [question(audit)] if reached >= at_least else []
            finally:
                audit.close()

        try:
            return await loop.run_in_executor(self._threads, work)
        except Interrupted:
            raise too_late() from None
        except NoAudit as error:
            refusal = self._unavailable(error)
            if at_least and self._projection.runs:
                return 0, []
            raise refusal from None
        finally:
            gone.set()

    async def _grown(self, position: int) -> None:
        """Return when the audit was seen to hold everything up to a position."""
        future = asyncio.get_running_loop().create_future()
        self._waiters[future] = position
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        try:
            await future
        finally:
            self._waiters.pop(future, None)

    async def _look(self) -> None:
        """Look how far the audit is, once for all who wait, until nobody does."""
        loop = asyncio.get_running_loop()
        try:
            while self._waiters:
                await asyncio.sleep(LOOK_EVERY_S)
                try:
                    reached, _ = await self._ask(lambda _: None, loop.time() + LOOK_S, 0)
                except RouterError:
                    continue  # it is being made anew: how long they wait, their deadlines say
                for future, position in [*self._waiters.items()]:
                    if position <= reached and not future.done():  # as when it was cancelled
                        del self._waiters[future]
                        future.set_result(None)
        except Exception as error:  # a fault of ours: whoever waits is told
            for future in self._waiters:
                if not future.done():
                    future.set_exception(error)
        finally:
            self._looking = None

    def _require_projector(self, reached: int) -> None:
        if not self._projection.runs:
            raise unavailable(
                f"the audit holds everything up to position {reached}, and nothing takes it "
                "further: `audit.enabled` is false"
            )

    def _unavailable(self, error: NoAudit) -> RouterError:
        if not self._projection.runs:
            how = " --rebuild` makes it anew" if error.damaged else "` makes it"
            way_out = f"`audit.enabled` is false; `routerd project{how}"
        elif error.damaged:
            self._projection.rebuild()
            way_out = "it is being made anew, try again later"
        else:
            way_out = "the projector will make it, try again later"
        return unavailable(f"{error}: {way_out}")


def unavailable(text: str) -> RouterError:
    return RouterError(ErrorReason.AUDIT_UNAVAILABLE, text)
