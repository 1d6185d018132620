"""One life of a daemon in the simulation: all of it but gRPC, on a simulated disk."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

import msgspec
from google.protobuf.message import Message

from routerd.core.errors import RouterError
from routerd.core.settings import EngineConfig
from routerd.engine.committer import Committer
from routerd.engine.sequencer import Sequencer
from routerd.log.base import LogUnavailable
from routerd.log.snapshot import Snapshots
from routerd.server.agent_service import AgentService
from routerd.server.interceptors import Partition
from routerd.server.policy_service import PolicyService
from routerd.server.router_service import RouterService
from routerd.settings import Server
from tests.faults.disk import Crash, Mounted, Platter
from tests.faults.loop import Loop

T = TypeVar("T")
Answers = asyncio.Queue[tuple[Message, int] | None]
Serving = asyncio.Task[None]


class Process:
    """Serves calls until it dies. Raises LogUnavailable when it cannot start.

    power: whether decisions are answered only when they survive the loss of power.
    """

    def __init__(
        self,
        loop: Loop,
        platter: Platter,
        config: dict[str, Any],
        clock: Callable[[], int],
        on_death: Callable[[], None],
        on_bug: Callable[[BaseException], None],
        power: bool,
        snapshots: Snapshots,
    ) -> None:
        self._loop = loop
        self._platter = platter
        self._on_death, self._on_bug = on_death, on_bug
        self._calls: dict[asyncio.Task[Any], None] = {}  # in order, which a set has not
        self.started = self.died = self.draining = False
        self.log = Mounted(platter, self.die)
        loop.background = self.log.in_background
        typed = msgspec.convert(config, EngineConfig)
        self.sequencer = Sequencer.open(self.log, typed, clock, snapshots=snapshots)
        self.serving = True
        self.changes_of_health = 0
        committer = Committer(self.sequencer, self._on_health, most=256)
        self.partition = Partition.of(self.sequencer, committer)
        self.partition.leases.restart()
        self._services = (RouterService(power, Server(), None), AgentService(), PolicyService())
        self.started = True

    @property
    def takes_calls(self) -> bool:
        return self.alive and not self.draining

    @property
    def alive(self) -> bool:
        return self.log.alive

    def call(self, method: str, wire: Message, timeout_s: float) -> asyncio.Task[Message]:
        """Take a message from the network; the answer or the error is the task's."""
        return self._begin(self._answer(method, wire, timeout_s))

    def stream(self, method: str, wires: AsyncIterator[Message]) -> tuple[Answers, Serving]:
        """Take a stream: its answers as they are sent, each with how often power was lost before,
        then None; and what to cancel when nobody reads them any more."""
        answers: Answers = asyncio.Queue()
        return answers, self._begin(self._stream(method, wires, answers))

    def reload(self, config: dict[str, Any]) -> asyncio.Task[int]:
        """Put a configuration in force, as the server does; the position where it is."""
        return self._begin(self._configure(msgspec.convert(config, EngineConfig)))

    def _begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = self._loop.create_task(self._bare(work))
        self._calls[task] = None
        task.add_done_callback(self._calls.pop)
        return task

    async def _bare(self, work: Coroutine[Any, Any, T]) -> T:
        """What raises anything but a refusal is a bug, whoever hears of it."""
        try:
            return await work
        except (RouterError, TimeoutError):
            raise
        except Exception as error:
            self._on_bug(error)
            raise

    async def _answer(self, method: str, wire: Message, timeout_s: float) -> Message:
        asked = just(wire) if method == "Heartbeat" else wire
        async with asyncio.timeout(timeout_s):
            deadline_s = self._loop.time() + timeout_s
            answer: Message = await self._method(method)(asked, self.partition, deadline_s)
            return answer

    async def _stream(self, method: str, wires: AsyncIterator[Message], answers: Answers) -> None:
        try:
            async with aclosing(self._method(method)(wires, self.partition, None)) as made:
                async for answer in made:
                    answers.put_nowait((answer, self._platter.losses))
        finally:
            answers.put_nowait(None)

    async def _configure(self, config: EngineConfig) -> int:
        done = await self.partition.committer.settle(
            lambda: self.sequencer.configure(config), math.inf, platter=True
        )
        return done.position

    def _method(self, name: str) -> Callable[..., Any]:
        service = next(s for s in self._services if hasattr(s, name))
        found: Callable[..., Any] = getattr(service, name)
        return found

    def die(self) -> None:
        """kill -9: not one more step of it, and no answer that is not yet on its way."""
        if self.log.alive:
            self.log.alive = False
            self.died = True
            if self.started:
                self.partition.leases.close()
            for call in list(self._calls):
                call.cancel()
            self._on_death()

    async def stop(self) -> None:
        """SIGTERM: answer what was taken, then make all durable."""
        self.draining = True
        self.partition.leases.close()
        if self._calls:
            await asyncio.wait(list(self._calls))
        try:
            await self.partition.committer.close()
            self.log.close()
        except (LogUnavailable, Crash):
            pass
        self.log.alive = False

    def _on_health(self, serving: bool) -> None:
        self.serving = serving
        self.changes_of_health += 1
        if serving:
            self.partition.leases.restart()


async def just(wire: Message) -> AsyncIterator[Message]:
    """A stream of one message."""
    yield wire
