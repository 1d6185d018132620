"""Random histories: calls, configurations, clocks and disks in any order leave a sound log."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from routerd.core.answers import Ack, Answer
from routerd.core.errors import ErrorReason, RouterError
from routerd.log.base import LogUnavailable
from routerd.log.verify import verify
from tests.core.engine import AGENTS, HOUR_MS, Engine
from tests.log.faulty import FaultyLog

NEW = {"id": "new", "pool": "paid", "prices": {"output_usd_per_mtok": 3.0}}
CONFIGS: tuple[dict[str, Any], ...] = (
    {"outcomes": {"window_hours": 5.0, "missing_quality": 0.4, "sources": ["ci"]}},
    {"agents": [*AGENTS, NEW], "policy": {"kind": "thompson"}, "clock": "logical"},
    {"agents": AGENTS[:2], "policy": {"kind": "weighted_score"}, "limits": {"open_decisions": 4}},
    {"features": [{"kind": "text", "size": 3}], "utility": {"cost": 1.0, "latency": 0.5}},
    {"policy": {"kind": "squarecb", "learner": {"kind": "linear", "half_life_days": 0.5}}},
    {"clock": "caller", "seed": 8, "static_routes": [{"agent": "large"}]},
)
TASKS = st.fixed_dictionaries(
    {},
    optional={
        "request_id": st.sampled_from(("a", "b", "c", "d")),
        "work_type": st.sampled_from(("code", "text", "plan")),
        "description": st.sampled_from(("fix it", "find it")),
        "agent_id": st.sampled_from(("small", "new", "guest")),
        "pool": st.sampled_from(("paid", "free")),
        "max_cost_usd": st.sampled_from((0.001, 0.5)),
        "preference": st.sampled_from(({"cost": 1.0}, {"quality": 0.0})),
    },
)
OUTCOMES = st.fixed_dictionaries(
    {"quality": st.sampled_from((0.0, 0.5, 1.0))},
    optional={
        "outcome_id": st.sampled_from(("x", "y", "z")),
        "source": st.sampled_from(("ci", "zoe")),
        "cost_usd": st.sampled_from((0.0, 0.3)),
        "latency_ms": st.sampled_from((5.0, 5_000.0)),
        "executed_agent_id": st.sampled_from(("small", "new")),
        "event_time_ms": st.integers(1, 3),
    },
)
GUESTS = st.sampled_from(("guest", "large", "new"))
MAY_REFUSE = set(ErrorReason) - {ErrorReason.FIELD_VIOLATIONS}


class Histories(RuleBasedStateMachine):
    """After each step the live state is that of the log; at the end every law is derived again."""

    @initialize(config=st.sampled_from(CONFIGS))
    def begin(self, config: dict[str, Any]) -> None:
        self.log = FaultyLog()
        self.engine = Engine(self.log, **config)
        self.names: list[str] = ["never"]

    @rule(task=TASKS)
    def route(self, task: dict[str, Any]) -> None:
        answer = self.call(self.engine.route, **task)
        if isinstance(answer, Answer):
            self.names.append(answer.decision_id)

    @rule(task=TASKS)
    def preview(self, task: dict[str, Any]) -> None:
        before = self.engine.state.hash()
        self.call(self.engine.preview, **task)
        assert self.engine.state.hash() == before

    @rule(which=st.integers(-6, -1), outcome=OUTCOMES)
    def report(self, which: int, outcome: dict[str, Any]) -> None:
        name = self.names[max(which, -len(self.names))]
        ack = self.call(self.engine.report, name, **outcome)
        again = self.call(self.engine.report, name, **outcome)
        if isinstance(ack, Ack) and isinstance(again, Ack) and "outcome_id" in outcome:
            assert again == ack._replace(duplicate=True, decisions=0)

    @rule(which=st.integers(-6, -1))
    def retract(self, which: int) -> None:
        self.call(self.engine.report, self.names[max(which, -len(self.names))], kind="RETRACT")

    @rule(pool=st.sampled_from(("paid", "free")), limit=st.sampled_from((1, 2)))
    def register(self, pool: str, limit: int) -> None:
        self.call(self.engine.register, "guest", pool=pool, max_concurrency=limit)

    @rule(limit=st.sampled_from((1, 2)))
    def update(self, limit: int) -> None:
        self.call(self.engine.update, "guest", version="2", max_concurrency=limit)

    @rule(agent=GUESTS, status=st.sampled_from(("ONLINE", "BUSY", "OFFLINE")), told=st.booleans())
    def status(self, agent: str, status: str, told: bool) -> None:
        self.call(self.engine.beat if told else self.engine.set_status, agent, status)

    @rule(agent=GUESTS, silent=st.booleans())
    def goes(self, agent: str, silent: bool) -> None:
        self.call(self.engine.end_lease if silent else self.engine.deregister, agent)

    @rule(hours=st.sampled_from((-100, 0, 0, 1, 6)))
    def clock_moves(self, hours: int) -> None:
        self.engine.wall.now_ms += hours * HOUR_MS

    @precondition(lambda self: not self.log.full)
    @rule(config=st.sampled_from(CONFIGS))
    def restart(self, config: dict[str, Any]) -> None:
        self.engine.open(**config)

    @rule(late=st.booleans(), forgetful=st.booleans())
    def disk_fails(self, late: bool, forgetful: bool) -> None:
        self.log.full, self.log.late, self.log.forgetful = True, late, forgetful

    @precondition(lambda self: self.log.full)
    @rule()
    def disk_works(self) -> None:
        self.log.heal()
        self.engine.sequencer.recover()

    def call(self, method: Any, *arguments: Any, **fields: Any) -> object:
        """What the call answers; None when it is refused or not written, which is not our fault."""
        try:
            return method(*arguments, **fields)
        except RouterError as error:
            assert error.reason in MAY_REFUSE, error.message  # noqa: PT017
        except LogUnavailable:
            assert self.log.full
        return None

    @invariant()
    def the_live_state_is_that_of_the_log(self) -> None:
        if hasattr(self, "engine") and not (self.log.full and self.log.late):
            assert self.engine.refold().hash() == self.engine.state.hash()

    def teardown(self) -> None:
        if hasattr(self, "engine"):
            found = verify(self.log)
            assert found.mismatches == ()
            assert found.laws_exact == found.decisions


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)


class ManyHistories(Histories):
    """The same for thousands, others each time."""


TestManyHistories = pytest.mark.soak(ManyHistories.TestCase)
TestManyHistories.settings = settings(max_examples=3_000, stateful_step_count=60, deadline=None)
