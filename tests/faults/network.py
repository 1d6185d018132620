"""The network between a caller and the daemon: it loses, repeats, delays and overtakes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any

from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from routerd.core.errors import ErrorReason, RouterError
from tests.faults.disk import Crash
from tests.faults.model import Violation

if TYPE_CHECKING:
    from tests.faults.world import World

PATIENCE_S = 3.0
LONG_S = 3_600.0

# What a call may be answered with for the world's sake. The same call may be sent again.
PASSING = {ErrorReason.READ_ONLY, ErrorReason.DEADLINE_PASSED}


class Caller:
    """Sends calls, and again if need be."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.rng = random.Random(world.rng.random())

    async def call(
        self, method: str, wire: Message, attempts: int = 2
    ) -> Message | RouterError | None:
        """The answer, or the refusal; None when nobody can tell what became of the call."""
        world = self.world
        for _ in range(attempts):
            await world.up.wait()
            timeout_s = self.rng.choice((0.05, PATIENCE_S, LONG_S)) if attempts == 2 else LONG_S
            try:
                answer = await self._send(method, wire, timeout_s)
            except RouterError as error:
                if error.reason not in PASSING:
                    world.note(f"{self.name} {method}: {error.message}")
                    return error
                world.note(f"{self.name} {method}: {error.reason}")
                await asyncio.sleep(self.rng.random())
            except TimeoutError:
                world.note(f"{self.name} {method}: no answer")
            else:
                world.note(f"{self.name} {method}: {' '.join(str(answer).split())[:150]}")
                return answer
        if attempts > 2:
            raise Violation(f"{method} is not answered, though nothing goes wrong any more")
        return None

    async def stream(
        self, method: str, wires: Sequence[Message], heard: Callable[[Any], None]
    ) -> None:
        """Send messages one by one; `heard` is told each answer as it arrives, in their order."""
        world = self.world
        await world.up.wait()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self.travel()
                process = world.process
                if process is None or not process.takes_calls:
                    raise TimeoutError
                answers, serving = process.stream(method, self._spaced(wires))
                try:
                    while (sent := await answers.get()) is not None:
                        answer, losses = sent
                        await asyncio.sleep(self.rng.random() * 0.002)
                        if process.died or losses != world.platter.losses:
                            raise TimeoutError  # the connection broke
                        world.note(f"{self.name} {method}: {' '.join(str(answer).split())[:150]}")
                        heard(answer)
                finally:
                    serving.cancel()
        except TimeoutError:
            world.note(f"{self.name} {method}: the stream breaks")

    async def _spaced(self, wires: Sequence[Message]) -> AsyncIterator[Message]:
        """Messages as they arrive; what a draining daemon has not read by then, it never does."""
        process = self.world.process
        for wire in wires:
            await asyncio.sleep(self.rng.choice((0.0, 0.0, 0.001, 0.3)) * self.rng.random())
            if process is None or not process.takes_calls:
                return
            yield wire

    async def _send(self, method: str, wire: Message, timeout_s: float) -> Message:
        """One message, perhaps repeated by the network; the first answer that arrives."""
        world = self.world
        copies = 1 + (self.rng.random() < world.network)
        ways = [world.loop.create_task(self._way(method, wire, timeout_s)) for _ in range(copies)]
        try:
            async with asyncio.timeout(min(timeout_s, PATIENCE_S) + 1.0):
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                return next(way for way in ways if way.done()).result()
        finally:
            for way in ways:
                if way.done() and not way.cancelled():
                    way.exception()

    async def _way(self, method: str, wire: Message, timeout_s: float) -> Message:
        """There and back; either way may be in vain, or take long."""
        world = self.world
        await self.travel()
        process = world.process
        if process is None or not process.takes_calls:
            raise TimeoutError
        try:
            answer = await process.call(method, wire, timeout_s)
        except (asyncio.CancelledError, Crash):
            raise TimeoutError from None
        losses = world.platter.losses
        if not process.died:
            await self.travel()
        if process.died or losses != world.platter.losses:
            raise TimeoutError  # the connection broke while the answer was on its way
        return answer

    async def travel(self) -> None:
        if self.rng.random() < self.world.network:
            await self.world.loop.create_future()  # lost: nobody ever hears of it
        late = self.rng.random() < self.world.network
        await asyncio.sleep(self.rng.random() * (4.0 if late else 0.002))


def refusal_in(status: status_pb2.Status) -> RouterError:
    """The refusal that a message among several was answered with."""
    info = error_details_pb2.ErrorInfo()
    if not status.details or not status.details[0].Unpack(info):
        raise Violation(f"a message ended in a bug: {status.message}")
    return RouterError(ErrorReason(info.reason), status.message)
