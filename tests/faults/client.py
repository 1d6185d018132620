"""A client in the simulation: it calls, asks again, and tells the model what it was told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from routerd.core.errors import ErrorReason, RouterError
from routerd.log.codec import decode
from routerd.v1 import agents_pb2, router_pb2, types_pb2
from tests.faults.model import START_MS, WINDOW_MS, Asked, Claim, Routed, Violation, hold
from tests.faults.network import PASSING, Caller, refusal_in

if TYPE_CHECKING:
    from tests.faults.world import World

CALLS = 10
# What the rules of this world may refuse.
NOBODY = {ErrorReason.NO_ELIGIBLE_AGENT, ErrorReason.BUDGET_EXHAUSTED}
GONE = {ErrorReason.DECISION_NOT_FOUND, ErrorReason.DECISION_EXPIRED}
CAUSES = (types_pb2.FOLLOW_CAUSE_FAILED, types_pb2.FOLLOW_CAUSE_REFUSED)


class Client(Caller):
    """Asks for decisions and reports on them: call by call, in batches, and in streams."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.tasks: dict[str, router_pb2.RouteRequest] = {}
        self.decided: list[Routed] = []
        self.version = 0
        self.agent = f"agent-of-{name}"
        self.sent: list[types_pb2.Outcome] = []
        self.claimed: dict[str, float | None] = {}

    async def work(self) -> None:
        for _ in range(CALLS):
            await asyncio.sleep(self.rng.expovariate(4.0))
            what = self.rng.random()
            several = range(self.rng.choice((1, 1, 1, 2, 5)))
            if what < 0.45 or not self.decided:
                await self._ask_all([self._task() for _ in several])
            elif what < 0.83:
                await self._tell_all([self._outcome() for _ in several])
            elif what < 0.91:
                await self._claim()
            elif what < 0.95:
                await self._renew()
            else:
                await self._beat()

    async def send_all_again(self) -> None:
        """Everything until it is answered: nothing goes wrong any more."""
        for request_id in self.tasks:
            await self._ask(request_id, attempts=100)
        for outcome in self.sent:
            await self._tell(outcome, attempts=100)

    def _task(self) -> str:
        """A request of before, or a new one."""
        if self.tasks and self.rng.random() < 0.15:
            return self.rng.choice(list(self.tasks))
        request_id = f"{self.name}-{len(self.tasks)}"
        wire = router_pb2.RouteRequest(request_id=request_id)
        wire.task.work_type = self.rng.choice(("code", "text", "plan"))
        wire.task.session_id = self.rng.choice(("", "", "chat", "call"))
        wire.task.group_id = self.rng.choice(("", "", "plan", "sprint"))
        if self.rng.random() < 0.3:
            wire.task.complexity = self.rng.choice((0.2, 0.9))
        if self.rng.random() < 0.1:
            wire.agent_id = self.rng.choice(("small", "medium"))
        elif self.decided and self.rng.random() < 0.2:
            wire.follows.decision_id = self.rng.choice(self.decided[-4:]).decision_id
            wire.follows.cause = self.rng.choice(CAUSES)
        self.tasks[request_id] = wire
        self.world.model.requests[request_id] = Asked()
        return request_id

    async def _ask_all(self, request_ids: list[str]) -> None:
        if len(request_ids) == 1:
            await self._ask(request_ids[0])
            return
        wires = [self.tasks[request_id] for request_id in request_ids]
        if self.rng.random() < 0.3:
            batch = router_pb2.RouteBatchRequest(requests=wires)
            answer = await self.call("RouteBatch", batch)
            if isinstance(answer, router_pb2.RouteBatchResponse):
                hold(len(answer.results) == len(wires), "a batch has not a result for each request")
                for request_id, result in zip(request_ids, answer.results, strict=True):
                    self._became(request_id, result)
            elif answer is not None:
                raise Violation(f"a batch was refused: {answer}")
            return
        waiting = iter(request_ids)

        def heard(answer: router_pb2.RouteStreamResponse) -> None:
            self._became(next(waiting), answer.result)

        messages = [
            router_pb2.RouteStreamRequest(request=wire, timeout_ms=self.rng.choice((0, 50)))
            for wire in wires
        ]
        await self.stream("RouteStream", messages, heard)

    def _became(self, request_id: str, result: router_pb2.RouteResult) -> None:
        """One result of several: it is of the request that it should be of."""
        hold(result.request_id == request_id, f"{request_id} is answered {result.request_id}")
        if result.HasField("answer"):
            self._answered(request_id, result.answer)
        else:
            self._refused(request_id, refusal_in(result.status))

    async def _ask(self, request_id: str, attempts: int = 2) -> None:
        answer = await self.call("Route", self.tasks[request_id], attempts)
        if isinstance(answer, router_pb2.RouteResponse):
            self._answered(request_id, answer)
        elif isinstance(answer, RouterError):
            self._refused(request_id, answer)

    def _answered(self, request_id: str, answer: router_pb2.RouteResponse) -> None:
        world = self.world
        entry = world.platter.entry(answer.position)
        if entry is None:
            raise Violation(f"{request_id} was answered before it was written")
        times_ms = decode(entry.payload).time_ms, world.wall.highest_ms
        routed = world.model.routed(request_id, answer, *times_ms, world.power)
        if routed not in self.decided:
            self.decided.append(routed)
            for agent_id, name, _ in routed.companions:
                self.decided.append(Routed(name, agent_id, 1.0, routed.position))

    def _refused(self, request_id: str, error: RouterError) -> None:
        """Who was answered once is answered, whatever the rules say now; others may be refused."""
        if error.reason in PASSING:
            return
        asked = self.world.model.requests[request_id]
        expired = self.world.wall.highest_ms - START_MS >= WINDOW_MS
        if before := self.tasks[request_id].follows.decision_id:
            lost = before in self.world.model.perhaps_lost
            if error.reason in GONE and (expired or lost):
                return
            hold(error.reason in NOBODY | {ErrorReason.STEPS_EXHAUSTED}, error.message)
            hold(asked.answer is None or expired, f"{request_id} was answered: {error.message}")
            return
        hold(error.reason in NOBODY, f"{request_id}: {error.reason} {error.message}")
        hold(asked.answer is None or expired, f"{request_id} was answered: {error.message}")

    def _outcome(self) -> types_pb2.Outcome:
        """An outcome of before, or a new one."""
        if self.sent and self.rng.random() < 0.2:
            return self.rng.choice(self.sent)
        to = self.rng.choice(self.decided[-4:])
        number = len(self.sent)
        outcome = types_pb2.Outcome(outcome_id=f"{self.name}-o{number}")
        if self.rng.random() < 0.15:
            outcome.group_id = self.rng.choice(("plan", "sprint"))
        else:
            outcome.decision_id = to.decision_id
        outcome.source = self.rng.choice(("ci", "reviewer", ""))
        if outcome.source == "ci":
            outcome.event_time_ms = 1 + number * 7 % 31  # in another order than they are sent
        if self.rng.random() < 0.25:
            outcome.kind = types_pb2.OUTCOME_KIND_RETRACT
        elif outcome.group_id:
            outcome.quality = self.rng.choice((0, 2, 4)) / 4
        elif self.rng.random() < 0.1:
            outcome.cancelled = True
        else:
            outcome.quality = self.rng.choice((0, 0, 1, 2, 3, 4)) / 4
            if self.rng.random() < 0.5:
                outcome.cost_usd = self.rng.randrange(1, 9) / 100
            if self.rng.random() < 0.1:
                outcome.executed_agent_id = self.rng.choice(("small", "large"))
        self.sent.append(outcome)
        self.world.model.outcomes[outcome.outcome_id] = outcome
        return outcome

    async def _tell_all(self, outcomes: list[types_pb2.Outcome]) -> None:
        if len(outcomes) == 1:
            await self._tell(outcomes[0])
            return
        waiting = iter(outcomes)

        def heard(answer: router_pb2.StreamOutcomesResponse) -> None:
            outcome = next(waiting)
            hold(answer.outcome_id == outcome.outcome_id, "answers are not in order")
            if answer.HasField("ack"):
                self._taken(outcome, answer.ack)
            else:
                error = refusal_in(answer.status)
                if error.reason not in PASSING:
                    self._may_be_refused(outcome, error)

        messages = [
            router_pb2.StreamOutcomesRequest(outcome=each, timeout_ms=self.rng.choice((0, 50)))
            for each in outcomes
        ]
        await self.stream("StreamOutcomes", messages, heard)

    async def _tell(self, outcome: types_pb2.Outcome, attempts: int = 2) -> None:
        request = router_pb2.ReportOutcomeRequest(outcome=outcome)
        answer = await self.call("ReportOutcome", request, attempts)
        if isinstance(answer, router_pb2.ReportOutcomeResponse):
            self._taken(outcome, answer)
        elif isinstance(answer, RouterError):
            self._may_be_refused(outcome, answer)

    def _may_be_refused(self, outcome: types_pb2.Outcome, error: RouterError) -> None:
        """Only if its window may have ended, if its decision was lost before it was safe, or if it
        would be one too many."""
        what = f"{outcome.outcome_id}: {error.message}"
        model = self.world.model
        lost = outcome.decision_id in model.perhaps_lost
        if error.reason is ErrorReason.TOO_MANY_OUTCOMES:
            hold(outcome.outcome_id not in model.acks or bool(outcome.group_id), what)
        elif error.reason is ErrorReason.GROUP_NOT_FOUND:
            hold(bool(outcome.group_id), what)
        elif error.reason is ErrorReason.DECISION_EXPIRED and not lost:
            hold(self.world.wall.highest_ms - START_MS >= WINDOW_MS, what)
        else:
            hold(lost and error.reason in GONE, what)

    def _taken(self, outcome: types_pb2.Outcome, ack: router_pb2.ReportOutcomeResponse) -> None:
        self.world.model.acknowledged(outcome, ack, self.world.wall.highest_ms)

    async def _claim(self) -> None:
        """An agent says how able it is, or what it said before; the first claim stands."""
        name = self.rng.choice(self.decided[-4:]).decision_id
        competence = self.claimed.setdefault(name, self.rng.choice((None, 0.1, 0.5, 0.7, 0.9)))
        wire = router_pb2.ClaimRequest(decision_id=name, competence=competence)
        answer = await self.call("Claim", wire)
        model = self.world.model
        if isinstance(answer, router_pb2.ClaimResponse):
            told = (answer.expected_quality, answer.disputed, answer.position)
            model.claimed(name, Claim(True, *told))
        elif isinstance(answer, RouterError):
            if answer.reason is ErrorReason.CLAIM_REFUSED:
                model.claimed(name, Claim(False, 0.0, False, int(answer.metadata["position"])))
                return
            lost = name in model.perhaps_lost
            expired = self.world.wall.highest_ms - START_MS >= WINDOW_MS
            hold(answer.reason in GONE and (lost or expired), answer.message)

    async def _renew(self) -> None:
        if not self.version or (self.agent, self.version) in self.world.model.versions:
            self.version += 1  # else it is not known whether it was taken: the same again
        wanted = self.version
        definition = agents_pb2.AgentDefinition(version=str(wanted))
        if wanted == 1:
            register = agents_pb2.RegisterAgentRequest(agent_id=self.agent, definition=definition)
            answer = await self.call("RegisterAgent", register)
        else:
            update = agents_pb2.UpdateAgentRequest(agent_id=self.agent, definition=definition)
            answer = await self.call("UpdateAgent", update)
        if isinstance(answer, agents_pb2.RegisterAgentResponse | agents_pb2.UpdateAgentResponse):
            self.world.model.versioned(self.agent, wanted, answer.position)
        elif answer is not None:
            raise Violation(f"{self.agent} {wanted}: {answer}")

    async def _beat(self) -> None:
        """An agent says that it lives, for as long as its lease says."""
        status = self.rng.choice((agents_pb2.AGENT_STATUS_ONLINE, agents_pb2.AGENT_STATUS_BUSY))
        wire = agents_pb2.HeartbeatRequest(agent_id="medium", status=status, lease_ms=1_000)
        await self.call("Heartbeat", wire)
