"""A client in the simulation: it calls, asks again, and tells the model what it was told."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from google.protobuf.message import Message

from routerd.core.errors import ErrorReason, RouterError
from routerd.v1 import agents_pb2, router_pb2, types_pb2
from tests.faults.disk import Crash
from tests.faults.model import START_MS, WINDOW_MS, Asked, Routed, Violation, hold

if TYPE_CHECKING:
    from tests.faults.world import World

CALLS = 10
PATIENCE_S = 3.0
LONG_S = 3_600.0

# What a call may be answered with for the world's sake. The same call may be sent again.
PASSING = {ErrorReason.READ_ONLY, ErrorReason.DEADLINE_PASSED}


class Client:
    """Sends calls over a network that loses, repeats, delays and overtakes; asks until answered."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.rng = random.Random(world.rng.random())
        self.tasks: dict[str, router_pb2.RouteRequest] = {}
        self.decided: list[Routed] = []
        self.version = 0
        self.agent = f"agent-of-{name}"
        self.sent: list[types_pb2.Outcome] = []

    async def work(self) -> None:
        for _ in range(CALLS):
            await asyncio.sleep(self.rng.expovariate(4.0))
            what = self.rng.random()
            if what < 0.45 or not self.decided:
                await self._route()
            elif what < 0.85:
                await self._report()
            elif what < 0.93:
                await self._renew()
            else:
                await self._beat()

    async def send_all_again(self) -> None:
        """Everything until it is answered: nothing goes wrong any more."""
        for request_id in self.tasks:
            await self._ask(request_id, attempts=100)
        for outcome in self.sent:
            await self._tell(outcome, attempts=100)

    async def _route(self) -> None:
        if self.tasks and self.rng.random() < 0.15:
            request_id = self.rng.choice(list(self.tasks))
        else:
            request_id = f"{self.name}-{len(self.tasks)}"
            wire = router_pb2.RouteRequest(request_id=request_id)
            wire.task.work_type = self.rng.choice(("code", "text", "plan"))
            if self.rng.random() < 0.1:
                wire.agent_id = self.rng.choice(("small", "medium"))
            self.tasks[request_id] = wire
            self.world.model.requests[request_id] = Asked(self.world.wall.highest_ms)
        await self._ask(request_id)

    async def _ask(self, request_id: str, attempts: int = 2) -> None:
        wire, world = self.tasks[request_id], self.world
        answer = await self._call("Route", wire, attempts)
        if isinstance(answer, router_pb2.RouteResponse):
            now_ms = world.wall.highest_ms
            routed = world.model.routed(request_id, answer, now_ms, world.power)
            if routed not in self.decided:
                self.decided.append(routed)

    async def _report(self) -> None:
        if self.sent and self.rng.random() < 0.2:
            await self._tell(self.rng.choice(self.sent))
            return
        to = self.rng.choice(self.decided[-4:])
        number = len(self.sent)
        outcome = types_pb2.Outcome(outcome_id=f"{self.name}-o{number}", decision_id=to.decision_id)
        outcome.source = self.rng.choice(("ci", "reviewer", ""))
        if outcome.source == "ci":
            outcome.event_time_ms = 1 + number * 7 % 31  # in another order than they are sent
        if self.rng.random() < 0.25:
            outcome.kind = types_pb2.OUTCOME_KIND_RETRACT
        else:
            outcome.quality = self.rng.randrange(5) / 4
            if self.rng.random() < 0.5:
                outcome.cost_usd = self.rng.randrange(1, 9) / 100
            if self.rng.random() < 0.1:
                outcome.executed_agent_id = self.rng.choice(("small", "large"))
        self.sent.append(outcome)
        self.world.model.outcomes[outcome.outcome_id] = outcome
        await self._tell(outcome)

    async def _tell(self, outcome: types_pb2.Outcome, attempts: int = 2) -> None:
        world = self.world
        request = router_pb2.ReportOutcomeRequest(outcome=outcome)
        answer = await self._call("ReportOutcome", request, attempts)
        if isinstance(answer, router_pb2.ReportOutcomeResponse):
            world.model.acknowledged(outcome, answer)
        elif answer is not None:
            self._may_be_refused(outcome, answer)

    def _may_be_refused(self, outcome: types_pb2.Outcome, answer: object) -> None:
        """Only if its window may have ended, or if its decision was lost before it was safe."""
        assert isinstance(answer, RouterError)
        what = f"{outcome.outcome_id}: {answer.message}"
        lost = outcome.decision_id in self.world.model.perhaps_lost
        if answer.reason is ErrorReason.DECISION_EXPIRED and not lost:
            hold(self.world.wall.highest_ms - START_MS >= WINDOW_MS, what)
        else:
            gone = (ErrorReason.DECISION_NOT_FOUND, ErrorReason.DECISION_EXPIRED)
            hold(lost and answer.reason in gone, what)

    async def _renew(self) -> None:
        if not self.version or (self.agent, self.version) in self.world.model.versions:
            self.version += 1  # else it is not known whether it was taken: the same again
        wanted = self.version
        definition = agents_pb2.AgentDefinition(version=str(wanted))
        if wanted == 1:
            register = agents_pb2.RegisterAgentRequest(agent_id=self.agent, definition=definition)
            answer = await self._call("RegisterAgent", register)
        else:
            update = agents_pb2.UpdateAgentRequest(agent_id=self.agent, definition=definition)
            answer = await self._call("UpdateAgent", update)
        if isinstance(answer, agents_pb2.RegisterAgentResponse | agents_pb2.UpdateAgentResponse):
            self.world.model.versioned(self.agent, wanted, answer.position)
        elif answer is not None:
            raise Violation(f"{self.agent} {wanted}: {answer}")

    async def _beat(self) -> None:
        """An agent says that it lives, for as long as its lease says."""
        status = self.rng.choice((agents_pb2.AGENT_STATUS_ONLINE, agents_pb2.AGENT_STATUS_BUSY))
        wire = agents_pb2.HeartbeatRequest(agent_id="medium", status=status, lease_ms=1_000)
        await self._call("Heartbeat", wire)

    async def _call(
        self, method: str, wire: Message, attempts: int = 2
    ) -> Message | Exception | None:
        """The answer, or the refusal; None when nobody can tell what became of the call."""
        world = self.world
        for _ in range(attempts):
            await world.up.wait()
            timeout_s = self.rng.choice((0.05, PATIENCE_S, LONG_S)) if attempts == 2 else LONG_S
            try:
                answer = await self._send(method, wire, timeout_s)
            except RouterError as error:
                if error.reason not in PASSING:
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
        await self._travel()
        process = world.process
        if process is None or not process.takes_calls:
            raise TimeoutError
        try:
            answer = await process.call(method, wire, timeout_s)
        except (asyncio.CancelledError, Crash):
            raise TimeoutError from None
        losses = world.platter.losses
        if not process.died:
            await self._travel()
        if process.died or losses != world.platter.losses:
            raise TimeoutError  # the connection broke while the answer was on its way
        return answer

    async def _travel(self) -> None:
        if self.rng.random() < self.world.network:
            await self.world.loop.create_future()  # lost: nobody ever hears of it
        late = self.rng.random() < self.world.network
        await asyncio.sleep(self.rng.random() * (4.0 if late else 0.002))
