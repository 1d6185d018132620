"""Random histories of the registry, held to a small model of what it should do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from routerd.config import parse_agent
from routerd.core.answers import Answer
from routerd.core.errors import ErrorReason, RouterError
from routerd.core.reasons import law_of
from routerd.core.settings import Agent
from routerd.core.values import AgentSource, Listing
from routerd.engine.verify import verify
from tests.core.engine import Engine

LIMIT, MINUTES = 4, 10
WORSE = ("ONLINE", "BUSY", "OFFLINE")
CONFIGS: tuple[dict[str, dict[str, Any]], ...] = (
    {"a": {}, "b": {"max_concurrency": 1}},
    {"b": {"max_concurrency": 2}, "c": {"pool": "paid"}},
    {"a": {"max_concurrency": 1}},
)
IDS = st.sampled_from(("a", "b", "c", "d", "e"))
STATUSES = st.sampled_from(WORSE)
DEFINITIONS = st.fixed_dictionaries(
    {},
    optional={
        "pool": st.sampled_from(("paid", "free")),
        "version": st.sampled_from(("1", "2")),
        "max_concurrency": st.integers(1, 2),
        "prices": st.sampled_from(({}, {"output_usd_per_mtok": 9.0})),
        "head_start": st.sampled_from((0.1, -0.2)),
        "specializations": st.sampled_from((["code"], ["code", "text"])),
    },
)


class Made(NamedTuple):
    """A decision of the model."""

    agent: str
    time_ms: int


class Model:
    """The registry in the plainest of words."""

    def __init__(self) -> None:
        self.file: dict[str, dict[str, Any]] = {}
        self.rpc: dict[str, dict[str, Any]] = {}
        self.seen: set[str] = set()
        self.held: dict[str, str] = {}
        self.told: dict[str, str] = {}
        self.leases: dict[str, int] = {}
        self.silent: dict[str, Made] = {}
        self.now_ms = 0

    def configure(self, agents: dict[str, dict[str, Any]]) -> None:
        self.file = agents
        self.rpc = {i: a for i, a in self.rpc.items() if i not in agents}
        self.seen |= agents.keys()
        self.forget_the_gone()

    def forget_the_gone(self) -> None:
        for book in (self.held, self.told, self.leases):
            for gone in [i for i in book if i not in self.agents]:
                del book[gone]

    @property
    def agents(self) -> dict[str, dict[str, Any]]:
        return {**self.file, **self.rpc}

    def status(self, agent_id: str) -> str:
        said = (self.held.get(agent_id, "ONLINE"), self.told.get(agent_id, "ONLINE"))
        return max(said, key=WORSE.index)

    def in_flight(self, agent_id: str) -> int:
        youngest = self.now_ms - MINUTES * 60_000
        made = self.silent.values()
        return sum(m.agent == agent_id and m.time_ms >= youngest for m in made)

    def eligible(self, pool: str) -> set[str]:
        able = {
            i
            for i, agent in self.agents.items()
            if pool in ("", agent.get("pool", "default"))
            and self.status(i) != "OFFLINE"
            and self.in_flight(i) < agent.get("max_concurrency", 10**9)
        }
        return {i for i in able if self.status(i) != "BUSY"} or able

    def change(self, agent_id: str) -> ErrorReason | None:
        """Why an agent cannot be changed."""
        if agent_id not in self.agents:
            return ErrorReason.AGENT_NOT_FOUND
        return ErrorReason.AGENT_IS_CONFIGURED if agent_id in self.file else None


class Histories(RuleBasedStateMachine):
    """After each step, engine and model agree on who there is and who can be chosen."""

    @initialize(agents=st.sampled_from(CONFIGS))
    def begin(self, agents: dict[str, dict[str, Any]]) -> None:
        self.model = Model()
        self.engine = Engine(**self.config(agents))

    def config(self, agents: dict[str, dict[str, Any]]) -> dict[str, Any]:
        self.model.configure(agents)
        limits = {"agents": LIMIT, "in_flight_minutes": MINUTES}
        return {"agents": [{"id": i, **a} for i, a in agents.items()], "limits": limits}

    @rule(agents=st.sampled_from(CONFIGS))
    def restart(self, agents: dict[str, dict[str, Any]]) -> None:
        self.engine.open(**self.config(agents))

    @rule(agent_id=IDS, definition=DEFINITIONS)
    def register(self, agent_id: str, definition: dict[str, Any]) -> None:
        model, expected = self.model, None
        if agent_id in model.file:
            expected = ErrorReason.AGENT_IS_CONFIGURED
        elif agent_id in model.rpc:
            same = typed(agent_id, model.rpc[agent_id]) == typed(agent_id, definition)
            expected = None if same else ErrorReason.AGENT_EXISTS
        elif agent_id not in model.seen and len(model.seen) >= LIMIT:
            expected = ErrorReason.TOO_MANY_AGENTS
        if self.refusal(self.engine.register, agent_id, **definition) is expected is None:
            model.rpc.setdefault(agent_id, definition)
            model.seen.add(agent_id)

    @rule(agent_id=IDS, definition=DEFINITIONS)
    def update(self, agent_id: str, definition: dict[str, Any]) -> None:
        expected = self.model.change(agent_id)
        assert self.refusal(self.engine.update, agent_id, **definition) is expected
        if expected is None:
            self.model.rpc[agent_id] = definition

    @rule(agent_id=IDS)
    def deregister(self, agent_id: str) -> None:
        expected = self.model.change(agent_id)
        if agent_id in self.model.seen - self.model.agents.keys():
            expected = None
        assert self.refusal(self.engine.deregister, agent_id) is expected
        if expected is None:
            self.model.rpc.pop(agent_id, None)
            self.model.forget_the_gone()

    @rule(agent_id=IDS, status=STATUSES)
    def set_status(self, agent_id: str, status: str) -> None:
        if self.known(agent_id, self.refusal(self.engine.set_status, agent_id, status)):
            self.model.held[agent_id] = status

    @rule(agent_id=IDS, status=STATUSES, lease_ms=st.sampled_from((100, 5_000)))
    def beat(self, agent_id: str, status: str, lease_ms: int) -> None:
        if self.known(agent_id, self.refusal(self.engine.beat, agent_id, status, lease_ms)):
            self.model.told[agent_id] = status
            self.model.leases[agent_id] = 0 if status == "OFFLINE" else lease_ms

    @rule(agent_id=IDS)
    def end_lease(self, agent_id: str) -> None:
        self.engine.end_lease(agent_id)
        if self.model.leases.get(agent_id):
            self.model.told[agent_id], self.model.leases[agent_id] = "OFFLINE", 0

    @rule(calls=st.lists(st.tuples(st.sampled_from(("", "paid")), st.booleans()), max_size=5))
    def traffic(self, calls: list[tuple[str, bool]]) -> None:
        for pool, heard in calls:
            if self.model.eligible(pool):
                answer = self.engine.route(pool=pool)
                made = Made(answer.decision.agent_id, answer.decision.time_ms)
                self.model.silent[answer.decision_id] = made
            if heard:
                self.report(len(self.model.silent))
            self.engine_and_model_agree()

    @rule(which=st.integers(0, 5))
    def report(self, which: int) -> None:
        names = list(self.model.silent)
        if names:
            name = names[which % len(names)]
            self.engine.report(name, quality=0.5)
            del self.model.silent[name]

    @rule(minutes=st.sampled_from((1, 9, 11)))
    def clock_moves(self, minutes: int) -> None:
        self.engine.wall.now_ms += minutes * 60_000

    def eligible(self, call: Callable[..., Answer], pool: str) -> set[str]:
        """Who can be chosen; nobody when the call is refused."""
        try:
            return set(law_of(call(pool=pool).decision))
        except RouterError:
            return set()

    def refusal(self, call: Any, *arguments: Any, **fields: Any) -> ErrorReason | None:
        """Why a call was refused; None when it was not."""
        try:
            call(*arguments, **fields)
        except RouterError as error:
            return error.reason
        return None

    def known(self, agent_id: str, refusal: ErrorReason | None) -> bool:
        there = agent_id in self.model.agents
        assert refusal is (None if there else ErrorReason.AGENT_NOT_FOUND)
        return there

    @invariant()
    def engine_and_model_agree(self) -> None:
        if not hasattr(self, "engine"):
            return
        model = self.model
        model.now_ms = self.engine.wall.now_ms
        told = {t.agent.id: t for t in self.engine.registry.page(Listing()).agents}
        assert sorted(told) == sorted(model.agents)
        for agent_id, agent in told.items():
            source = AgentSource.RPC if agent_id in model.rpc else AgentSource.CONFIG
            assert (agent.source, agent.status) == (source, model.status(agent_id))
            assert agent.agent == typed(agent_id, model.agents[agent_id])
            assert agent.in_flight == model.in_flight(agent_id)
        for pool in ("", "paid"):
            assert self.eligible(self.engine.preview, pool) == model.eligible(pool)
        assert self.engine.registry.leases() == {i: ms for i, ms in model.leases.items() if ms}
        assert self.engine.refold().hash() == self.engine.state.hash()

    def teardown(self) -> None:
        if hasattr(self, "engine"):
            found = verify(self.engine.log)
            assert found.mismatches == ()
            assert found.laws_exact == found.decisions


def typed(agent_id: str, definition: dict[str, Any]) -> Agent:
    return parse_agent({"id": agent_id, **definition})


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, derandomize=True
)
