"""An operator in the simulation: rules, experiments, agents, and changes of the configuration."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from google.protobuf.message import Message

from routerd.core.errors import ErrorReason, RouterError
from routerd.v1 import agents_pb2, policy_pb2
from tests.faults.configs import configuration
from tests.faults.disk import Crash
from tests.faults.model import hold
from tests.faults.network import Caller

if TYPE_CHECKING:
    from tests.faults.world import World

if TYPE_CHECKING:
    pass

CALLS = 12
LEAVES = {
    ErrorReason.OVERRIDE_NOT_FOUND,
    ErrorReason.OVERRIDE_EXISTS,
    ErrorReason.EXPERIMENT_NOT_FOUND,
    ErrorReason.EXPERIMENT_EXISTS,
    ErrorReason.EXPERIMENT_RUNS,
    ErrorReason.AGENT_NOT_FOUND,
    ErrorReason.AGENT_EXISTS,
}
"""What an operator is refused who does not know what became of the call before."""

ARMS: tuple[dict[str, Any], ...] = (
    {"kind": "static"},
    {"kind": "greedy", "floor": 0.3},
    {"kind": "thompson"},
)


class Operator(Caller):
    """Changes what stands beside the policy. What it is told must be so in the log, there."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.steps: Counter[str] = Counter()

    async def work(self) -> None:
        for _ in range(CALLS):
            await asyncio.sleep(self.rng.expovariate(3.0))
            await self.rng.choice(
                (self._overrule, self._overrule, self._try, self._try, self._staff, self._reload)
            )()

    async def _overrule(self) -> None:
        name = f"rule-{self.rng.randrange(2)}"
        what = self.rng.choice(("Create", "Create", "Update", "Delete", "Get"))
        if what == "Delete":
            gone = await self._done("DeleteOverride", override_id=name)
            if gone is not None:
                self._told("override", name, None, gone.position)
            return
        made = await self._done(
            f"{what}Override",
            override_id=name,
            **({} if what == "Get" else {"definition": self._definition()}),
        )
        if made is not None:
            of = made.rule.definition
            told = (of.action, of.agent_id, dict(of.when), of.expires_time_ms)
            self._told("override", name, told, made.position, platter=what != "Get")

    def _definition(self) -> policy_pb2.OverrideDefinition:
        made = policy_pb2.OverrideDefinition(agent_id=self.rng.choice(("large", "small")))
        if self.rng.random() < 0.5:
            made.action = policy_pb2.OVERRIDE_ACTION_FORBID
        else:
            made.action = policy_pb2.OVERRIDE_ACTION_FORCE
            made.otherwise = policy_pb2.OVERRIDE_OTHERWISE_POLICY
        if self.rng.random() < 0.7:
            made.when["work_type"] = self.rng.choice(("code", "text"))
        if self.rng.random() < 0.5:
            made.expires_time_ms = self.world.wall.highest_ms + self.rng.randrange(8_000)
        return made

    async def _try(self) -> None:
        """An experiment begins, ends one way or the other, and is forgotten."""
        name = f"trial-{self.rng.randrange(2)}"
        what = self._next("Create", self.rng.choice(("Stop", "Promote")), "Delete", of=name)
        if what == "Delete":
            gone = await self._done("DeleteExperiment", experiment_id=name)
            if gone is not None:
                self._told("experiment", name, None, gone.position)
            return
        more: dict[str, Any] = {}
        if what == "Create":
            more = {"definition": self._experiment()}
        elif what == "Promote":
            more = {"arm_id": self.rng.choice(("a", "b"))}
        made = await self._done(f"{what}Experiment", experiment_id=name, **more)
        if made is not None:
            told = (made.experiment.status, made.experiment.promoted_arm_id)
            self._told("experiment", name, told, made.position, platter=what != "Get")

    def _experiment(self) -> policy_pb2.ExperimentDefinition:
        made = policy_pb2.ExperimentDefinition(unit="request_id", shadow=self.rng.random() < 0.3)
        for arm_id in ("a", "b"):
            arm = made.arms.add(arm_id=arm_id, policy_json=json.dumps(self.rng.choice(ARMS)))
            arm.static_routes.add(agent_id=self.rng.choice(("large", "medium", "small")))
        return made

    def _next(self, *steps: str, of: str) -> str:
        """What to do next with a name: mostly one step after the other, from the start again."""
        if self.rng.random() < 0.2:
            return self.rng.choice((*steps, "Get"))
        self.steps[of] += 1
        return steps[(self.steps[of] - 1) % len(steps)]

    async def _staff(self) -> None:
        """An agent comes, gets a new definition, is made busy, and goes."""
        name = f"extra-{self.rng.randrange(2)}"
        what = self._next("Register", "Update", "Status", "Deregister", of=name)
        if what == "Deregister":
            gone = await self._done("DeregisterAgent", agent_id=name)
            if gone is not None:
                self._told("agent", name, None, gone.position)
            return
        more: dict[str, Any] = {}
        if what == "Status":
            more = {
                "status": self.rng.choice(
                    (agents_pb2.AGENT_STATUS_ONLINE, agents_pb2.AGENT_STATUS_OFFLINE)
                )
            }
        elif what != "Get":
            version = self.rng.randrange(1, 4)
            special = ("code", "text")[: version - 1]
            told_of = {"head_start": version / 20 - 0.1, "specializations": special}
            more = {"definition": {"version": str(version), **told_of}}
        method = "UpdateAgent" if what == "Status" else f"{what}Agent"
        made = await self._done(method, agent_id=name, **more)
        if made is not None:
            told = (made.agent.definition.version, made.agent.status)
            self._told("agent", name, told, made.position, platter=what != "Get")

    async def _reload(self) -> None:
        """The file changed: what an operator does on the machine itself, no network between."""
        process = self.world.process
        if process is None or not process.takes_calls:
            return
        wanted = configuration(self.rng)
        try:
            reload = process.reload(wanted)
            await asyncio.wait((reload,))
            if reload.cancelled():
                return
            position = reload.result()
        except (RouterError, Crash) as error:
            self.world.note(f"{self.name} reload: {type(error).__name__}")
            return
        self.world.note(f"{self.name} reload: in force at {position}")
        if not process.died:
            told = (wanted["policy"]["kind"], wanted["utility"]["cost"], "cooldown" in wanted)
            self._told("configuration", "", told, position)

    async def _done(self, method: str, **fields: Any) -> Any:
        """The answer of a call; None when it was refused, or nobody knows what became of it."""
        module = agents_pb2 if "Agent" in method else policy_pb2
        wire: Message = getattr(module, f"{method}Request")(**fields)
        answer = await self.call(method, wire)
        if isinstance(answer, RouterError):
            late = method.endswith("Override") and "lies in the past" in answer.message
            hold(late or answer.reason in LEAVES, f"{method}: {answer.reason} {answer.message}")
            return None
        return answer

    def _told(
        self, kind: str, key: str, value: Any, position: int, *, platter: bool = True
    ) -> None:
        self.world.model.told(kind, key, value, position, platter)
